// Settings that are each in range and still cannot go together, found before a run starts in place of an hour into
// it. Pure over an experiment, so the page can check a form with it as well as validate.ts a file.

import { BARE, type Experiment, type Stage } from './experiment';
import { episodeProblems, groupProblems } from './contradictions-sampling';
import { methodOf } from './methods';

/** `path` is where in the experiment file it stands, like `stages[2].num_mini_batches`. */
export interface Problem {
  level: 'error' | 'warning';
  path: string;
  message: string;
  /** What to change, one sentence. */
  fix: string;
}

/** Every contradiction of an experiment whose single settings are valid, in the order of the file. */
export function contradictions(experiment: Experiment): Problem[] {
  const stages = experiment.stages.flatMap((stage, index) => {
    const report: Reporter = (level, key, message, fix) => ({
      level,
      path: `stages[${index}]${key ? `.${key}` : ''}`,
      message,
      fix,
    });
    const earlier = experiment.stages.slice(0, index);
    return stageProblems(stage, earlier, experiment, report).filter((problem) => problem !== null);
  });
  return [...wholeProblems(experiment), ...unusedPolicy(experiment), ...stages];
}

/** A policy that no stage goes on from: only methods after SFT do, and the comparison shows what stages leave. */
function unusedPolicy({ data, stages }: Experiment): Problem[] {
  const used = stages.some(({ kind }) => methodOf(kind).leaves === 'policy' && !methodOf(kind).foundation);
  if (data.policy_model_path === undefined || used) return [];
  return [
    {
      level: 'warning',
      path: 'data.policy_model_path',
      message: 'it is given, and there is no method after SFT that would go on from it.',
      fix: 'Remove "policy_model_path" from "data", or give the adapter as sft_model_path to start from it.',
    },
  ];
}

/** What training all weights does not go with. */
function wholeProblems({ lora, quantization = 'none' }: Experiment): Problem[] {
  if (lora.use_peft !== false) return [];
  const report = (message: string, fix: string): Problem[] => [
    { level: 'error', path: 'lora.use_peft', message, fix },
  ];
  return [
    ...(quantization === 'none'
      ? []
      : report(
          `all weights are to be trained, and "quantization" ${quantization} keeps them packed.`,
          'Set "quantization" to "none", or use_peft to true to train an adapter beside packed weights.',
        )),
    ...(lora.use_dora
      ? report(
          'use_dora is a kind of adapter, and all weights are to be trained without one.',
          'Set use_dora to false, or use_peft to true.',
        )
      : []),
  ];
}

export type Reporter = (level: Problem['level'], key: string, message: string, fix: string) => Problem;

function stageProblems(
  stage: Stage,
  earlier: Stage[],
  experiment: Experiment,
  report: Reporter,
): (Problem | null)[] {
  const { data } = experiment;
  const needs = methodOf(stage.kind).needs.map(({ what, why }) => {
    if (what === 'pairs') {
      return data.preferences !== undefined || earlier.some(({ kind }) => kind === 'pairs')
        ? null
        : report(
            'error',
            '',
            `the ${stage.kind} stage has no pairs to learn from.`,
            'Put a pairs stage before it, or give a file of pairs as data.preferences.',
          );
    }
    return data[what] === undefined
      ? report(
          'error',
          '',
          `the ${stage.kind} stage needs data.${what}, ${why}, and it is not given.`,
          `Add "${what}" to "data": a builtin:NAME/PART or the path of a JSONL file.`,
        )
      : null;
  });
  const rewardModel =
    data.reward_model_path !== undefined || earlier.some(({ kind }) => methodOf(kind).leaves === 'reward');
  return [
    ...needs,
    wholeOnly(stage, experiment, report),
    stage.kind === 'pairs' && data.preferences !== undefined
      ? report(
          'warning',
          '',
          'data.preferences is given, so this stage samples no pairs of its own.',
          'Remove "preferences" from "data" to collect pairs, or this stage to silence the warning.',
        )
      : null,
    ...('max_steps' in stage ? rowProblems(stage, report) : []),
    ...('total_episodes' in stage ? episodeProblems(stage, report) : []),
    ...('num_generations' in stage ? groupProblems(stage, report) : []),
    // A row's functions take the settings of its own kind, which is what a stage of that kind is.
    ...(methodOf(stage.kind).problems?.(stage as never, report) ?? []),
    unheld(stage, earlier, data, report),
    givenAndTrained(stage, earlier, data, report),
    'reward' in stage && stage.reward.kind === 'model' && !rewardModel
      ? report(
          'error',
          'reward',
          'it asks for the reward model, and no reward stage comes before it.',
          'Put a reward stage before this one, give data.reward_model_path, or use a rule: {"kind": "rule", "name": "…"}.',
        )
      : null,
  ];
}

/** A stage that is to be held to the policy before it, where there is none. Without a policy to go on from it begins as the
 *  bare model and is held to what it began as: a reference, if perhaps not the one meant, so that it is only told. A policy
 *  that was trained elsewhere is held to what it was trained from, which nobody but the experiment knows: the bare model in
 *  its place would price all that the policy has learnt. */
function unheld(
  { kind }: Stage,
  earlier: readonly Stage[],
  data: Experiment['data'],
  report: Reporter,
): Problem | null {
  const first = !earlier.some((stage) => methodOf(stage.kind).leaves === 'policy');
  if (!methodOf(kind).holdsReference || !first || data.sft_model_path !== undefined) return null;
  if (data.policy_model_path !== undefined)
    return report(
      'error',
      '',
      'it goes on from data.policy_model_path, and the reference it is to be held to is missing.',
      `Add "sft_model_path" to "data": the adapter that this policy was trained from, or "${BARE}" for the bare model.`,
    );
  return report(
    'warning',
    '',
    'no policy was trained before it, so that it begins as the bare model and is held to that.',
    `Put an SFT stage before it or give data.sft_model_path; "${BARE}" there says that the bare model is meant.`,
  );
}

/** A stage beside the adapter that would stand in for it. The stage wins: whoever comes later takes the last stage of its
 *  kind, and the adapter only where there is none (lastBefore in experiment/workshop.ts). */
function givenAndTrained(
  { kind }: Stage,
  earlier: readonly Stage[],
  data: Experiment['data'],
  report: Reporter,
): Problem | null {
  if (kind !== 'sft' && kind !== 'reward') return null;
  const key = `${kind}_model_path` as const;
  if (data[key] === undefined || earlier.some((stage) => stage.kind === kind)) return null;
  const first = !earlier.some((stage) => methodOf(stage.kind).leaves === 'policy');
  const begins =
    kind === 'reward'
      ? 'trains a reward model anew from the policy before it'
      : `goes on training ${first ? 'what that names' : 'the policy of the stage before it'}`;
  return report(
    'warning',
    '',
    `this stage wins over data.${key}, which is given as well: it ${begins}, and every stage after it takes what it leaves.`,
    `Remove this stage to use the adapter as it is, or "${key}" from "data" to silence the warning.`,
  );
}

/** Pretraining knows no adapter. */
function wholeOnly({ kind }: Stage, { lora }: Experiment, report: Reporter): Problem | null {
  return kind === 'pretrain' && lora.use_peft !== false
    ? report(
        'error',
        '',
        'pretraining trains all weights, and lora.use_peft is on.',
        'Set use_peft to false in "lora"; an adapter is trained by a second experiment, on the model this one leaves.',
      )
    : null;
}

function rowProblems(stage: Extract<Stage, { max_steps: number }>, report: Reporter): (Problem | null)[] {
  const { max_steps, warmup_steps, eval_steps, eval_fraction, early_stopping_patience: patience } = stage;
  return [
    warmup_steps > max_steps
      ? report(
          'error',
          'warmup_steps',
          `a warm-up of ${warmup_steps} steps does not fit into max_steps ${max_steps}.`,
          'Lower warmup_steps or raise max_steps.',
        )
      : null,
    patience !== null && eval_fraction === 0
      ? report(
          'error',
          'early_stopping_patience',
          'early stopping watches held-out rows, and eval_fraction 0 holds none out.',
          'Set early_stopping_patience to null, or eval_fraction above 0.',
        )
      : null,
    patience !== null && eval_steps > max_steps
      ? report(
          'warning',
          'eval_steps',
          `with eval_steps ${eval_steps} above max_steps ${max_steps}, early stopping never gets a look.`,
          'Lower eval_steps.',
        )
      : null,
  ];
}
