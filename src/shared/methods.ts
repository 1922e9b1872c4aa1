// THE list of what a stage of an experiment can be. A method is one file under src/train/ and one row here, with the
// line in experiment/stages.ts that opens it; its settings and metrics stand in their tables. Validation, schema,
// evaluation, watching and the page all read this list and keep none of their own.

import type { DataSettings } from './experiment';

export interface Method {
  /** As in the pipeline. */
  label: string;
  /** What it does in a sentence, for someone who meets it for the first time. */
  purpose: string;
  /** How it works and what sets it apart, one paragraph for a learner. */
  about: string;
  /** The file that computes it. */
  code: string;
  /** Methods of one family share settings and metrics. */
  family?: 'preference' | 'sampling';
  /** The adapter it leaves behind: a policy that later stages start from, watched and evaluated; a reward model. */
  leaves?: 'policy' | 'reward';
  /** What it cannot run without, and what for. Pairs come from data.preferences or a pairs stage before it. */
  needs: readonly { what: 'pairs' | keyof DataSettings; why: string }[];
  /** Makes the policy that others go on from, and is no choice beside them. */
  foundation?: true;
  /** The setting that prices a nat of KL where the method maximises score − price · KL(policy ‖ reference) itself:
   *  its optimum is then the reference tilted by e^{score / price}. */
  klPrice?: 'kl_coef' | 'beta';
}

const PROMPTS = { what: 'prompts', why: 'the prompts it completes' } as const;
const PAIRS = { what: 'pairs', why: 'the pairs it learns from' } as const;

export const METHODS = {
  pretrain: {
    label: 'Pretrain',
    purpose: 'The language itself: every weight learns to foresee the next token of plain text.',
    about:
      'The model reads documents and every weight moves so that the next token becomes more likely: words first, then grammar, then what usually follows what. Several documents share a row, and attention keeps them apart, so that no computation goes into padding. Everything a language model knows comes from here; the other methods bend it.',
    code: 'src/train/pretrain.ts',
    leaves: 'policy',
    foundation: true,
    needs: [{ what: 'text', why: 'the text it learns the language from' }],
  },
  sft: {
    label: 'SFT',
    purpose:
      'Supervised fine-tuning: the model imitates demonstrations and learns the form, a short ending that stops.',
    about:
      'The model reads demonstrations and every weight of its adapter moves so that the next token of each becomes more likely. It learns what an answer looks like and where it stops, and nothing about which of two good answers is better; that is what the other methods are for.',
    code: 'src/train/sft.ts',
    leaves: 'policy',
    foundation: true,
    needs: [{ what: 'sft', why: 'the demonstrations it imitates' }],
  },
  pairs: {
    label: 'Judge',
    purpose:
      'The model writes two endings to each opening, and a labeller says which is better. So can you: blind, with a key.',
    about:
      'Two completions of the same prompt are sampled from the present policy and a labeller names the better one. Comparing is easier and steadier than grading, which is why preference data looks like this. Ties are dropped, and a set share of labels is wrong, as it is with people.',
    code: 'src/experiment/pairs.ts',
    needs: [PROMPTS],
  },
  reward: {
    label: 'Reward',
    purpose:
      'A copy of the model learns to tell the preferred ending from the other: a score for any ending.',
    about:
      'A copy of the model gets a head that reads one number off the last token, and learns from pairs that the preferred completion should have the higher one (Bradley–Terry: the difference of scores is the log-odds of being preferred). The score then stands in for the labeller, on completions nobody has labelled.',
    code: 'src/train/reward.ts',
    leaves: 'reward',
    needs: [PAIRS],
  },
  ppo: {
    label: 'PPO',
    purpose:
      'The model writes, the reward scores, and likely words shift towards what scored well, held near to where they began.',
    about:
      'Proximal policy optimisation, the method of the first RLHF papers. The policy samples completions, the reward scores them, every token pays for moving away from the reference, and a critic learns to foresee the outcome, so that each token is judged by how much better things went than expected. Clipping keeps every update small enough for the samples to be used more than once.',
    code: 'src/train/ppo.ts',
    leaves: 'policy',
    needs: [PROMPTS],
    klPrice: 'kl_coef',
  },
  dpo: {
    label: 'DPO',
    purpose: 'The pairs teach the policy itself, which is its own reward model: no sampling, no critic.',
    about:
      'Direct preference optimisation turns PPO’s problem inside out: the policy that is best under a reward and a price of KL determines that reward, so the policy can be fitted to the pairs as a reward model would be. The loss only looks at how much more the chosen completion gained over the reference than the rejected one; both may become less likely while the gap grows, which is common and to be watched.',
    code: 'src/train/dpo.ts',
    family: 'preference',
    leaves: 'policy',
    needs: [PAIRS],
  },
  kto: {
    label: 'KTO',
    purpose: 'Each completion is just good or bad, no pairs: good ones are to gain, bad ones to lose.',
    about:
      'Kahneman–Tversky optimisation needs no pairs: every completion is labelled good or bad by itself, which is how thumbs up and down come in. What counts is whether a completion gained more over the reference than completions do on average (the KL, measured on mismatched prompts), and as in people’s sense of gain and loss the effect levels off far from that point.',
    code: 'src/train/kto.ts',
    family: 'preference',
    leaves: 'policy',
    needs: [PAIRS],
  },
  orpo: {
    label: 'ORPO',
    purpose:
      'Imitation of the chosen endings and preference over the rejected ones, in one stage and one loss.',
    about:
      'Odds-ratio preference optimisation does supervised fine-tuning and preference in one go: the chosen completions are imitated, and a second term raises their odds above those of the rejected ones. There is no reference model to hold on to, so it is light, and it can start from the base model with no SFT before it.',
    code: 'src/train/orpo.ts',
    family: 'preference',
    leaves: 'policy',
    needs: [PAIRS],
  },
  simpo: {
    label: 'SimPO',
    purpose: 'As DPO without a reference: the likelier ending a token is the better one, by a margin.',
    about:
      'Simple preference optimisation takes the log-probability a token itself for the reward, which is what decides when text is sampled, and asks the chosen completion to lead by a margin. Dividing by length takes away the pull towards long completions, and doing without a reference halves the work. Nothing but a small rate keeps the policy near where it began.',
    code: 'src/train/simpo.ts',
    family: 'preference',
    leaves: 'policy',
    needs: [PAIRS],
  },
  grpo: {
    label: 'GRPO',
    purpose: 'Several endings to each opening, each judged by how it compares with the others: no critic.',
    about:
      'Group relative policy optimisation does without PPO’s critic: it samples a group of completions of each prompt and takes the mean of their scores for what was to be expected. The rest is PPO’s clipping, with the KL as a term of the loss (k3) and not of the reward, so its optimum is a little different: it keeps some probability on all that the reference would say. A group whose completions all score alike teaches nothing.',
    code: 'src/train/grpo.ts',
    family: 'sampling',
    leaves: 'policy',
    needs: [PROMPTS],
  },
  rloo: {
    label: 'RLOO',
    purpose: 'As GRPO, but plain: a whole ending is one action, compared with the mean of the others.',
    about:
      'REINFORCE leave-one-out goes back to the simplest policy gradient that is unbiased: a completion is one action, its reward is score minus the price of its KL, and what it is compared with is the mean reward of the other completions of the same prompt. No critic, no credit for single tokens, nothing to tune but the rate and the group.',
    code: 'src/train/rloo.ts',
    family: 'sampling',
    leaves: 'policy',
    needs: [PROMPTS],
    klPrice: 'beta',
  },
  reinforce: {
    label: 'REINFORCE',
    purpose: 'The oldest policy gradient: make endings that scored above average more likely.',
    about:
      'The policy gradient of Williams (1992), which everything else here refines: each completion’s log-probability is pushed up in proportion to how far its reward lies above a baseline. The baseline changes nothing on average and much in noise: try it without one. Each sample is used once.',
    code: 'src/train/reinforce.ts',
    family: 'sampling',
    leaves: 'policy',
    needs: [PROMPTS],
    klPrice: 'beta',
  },
  online_dpo: {
    label: 'Online DPO',
    purpose: 'DPO on fresh pairs: the policy writes two endings, the reward says which is better.',
    about:
      'DPO learns from pairs that somebody else wrote long ago; online DPO lets the present policy write both completions of every pair and asks the reward which one is better. The pairs then are always about what the policy says now, which is where offline DPO goes blind as it moves away from its data.',
    code: 'src/train/online-dpo.ts',
    family: 'sampling',
    leaves: 'policy',
    needs: [PROMPTS],
  },
  rft: {
    label: 'Best of n',
    purpose: 'Several endings to each opening; the best is imitated. No gradient ever sees the reward.',
    about:
      'Rejection-sampling fine-tuning writes n completions of each prompt, keeps the one that scores best and imitates it as if it were a demonstration. Sampled from the reference, it teaches the policy to write at once what best-of-n would have picked, whose distance from the reference is known: at most log n − (n − 1)/n nats. Sampled from the policy itself, it climbs on.',
    code: 'src/train/rft.ts',
    family: 'sampling',
    leaves: 'policy',
    needs: [PROMPTS],
  },
  evaluate: {
    label: 'Compare',
    purpose:
      'Every checkpoint answers openings that no stage has seen, judged by a scorer that no stage was trained on.',
    about:
      'All policies complete the same prompts with the same random draws, so that differences are theirs and not luck. A judge that no training has seen counts good completions, and intervals say how far the counts can be trusted.',
    code: 'src/evaluate/evaluate.ts',
    needs: [{ what: 'eval_prompts', why: 'the prompts every stage is compared on' }],
  },
} as const satisfies Record<string, Method>;

export type StageKind = keyof typeof METHODS;

export const STAGE_KINDS = Object.keys(METHODS) as StageKind[];

type Family = NonNullable<Method['family']>;
type InFamily<F extends Family> = {
  [K in StageKind]: (typeof METHODS)[K] extends { family: F } ? K : never;
}[StageKind];

/** The methods of a family. */
export const family = <F extends Family>(name: F): InFamily<F>[] =>
  STAGE_KINDS.filter((kind) => methodOf(kind).family === name) as InFamily<F>[];

/** A row of the list, where only what all of them have is asked for. */
export const methodOf = (kind: StageKind): Method => METHODS[kind];

/** The row of a stage by its name (`dpo`, `dpo-2`), or of nothing. */
export function methodNamed(stage: string): Method | undefined {
  const kind = stage.replace(/-\d+$/, '');
  return STAGE_KINDS.some((known) => known === kind) ? methodOf(kind as StageKind) : undefined;
}

/** The kinds of stages that leave such an adapter. */
export const leaving = (what: NonNullable<Method['leaves']>): StageKind[] =>
  STAGE_KINDS.filter((kind) => methodOf(kind).leaves === what);
