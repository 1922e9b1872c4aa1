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
  /** The adapter it leaves behind: a policy that later stages start from, watched and evaluated; a reward model. */
  leaves?: 'policy' | 'reward';
  /** What it cannot run without, and what for. Pairs come from data.preferences or a pairs stage before it. */
  needs: readonly { what: 'pairs' | keyof DataSettings; why: string }[];
  /** The setting that prices a nat of KL where the method maximises score − price · KL(policy ‖ reference) itself:
   *  its optimum is then the reference tilted by e^{score / price}. */
  klPrice?: 'kl_coef' | 'beta';
}

const PROMPTS = { what: 'prompts', why: 'the prompts it completes' } as const;
const PAIRS = { what: 'pairs', why: 'the pairs it learns from' } as const;

export const METHODS = {
  sft: {
    label: 'SFT',
    purpose:
      'Supervised fine-tuning: the model imitates demonstrations and learns the form, a short ending that stops.',
    about:
      'The model reads demonstrations and every weight of its adapter moves so that the next token of each becomes more likely. It learns what an answer looks like and where it stops, and nothing about which of two good answers is better; that is what the other methods are for.',
    code: 'src/train/sft.ts',
    leaves: 'policy',
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
