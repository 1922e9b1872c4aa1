// Settings that are each in range and still cannot go together, found before a run starts in place of an hour into
// it. Pure over an experiment, so the page can check a form with it as well as validate.ts a file.

import type { Experiment, Stage } from './experiment';
import { ppoProblems } from './contradictions-ppo';
import { preferenceProblems } from './contradictions-preference';
import { samplingProblems } from './contradictions-sampling';
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
  return [...wholeProblems(experiment), ...stages];
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

/** Looks at the stages it knows by their settings; null where there is nothing to say. */
export type Check = (stage: Stage, report: Reporter) => (Problem | null)[];

const CHECKS: readonly Check[] = [supervisedProblems, preferenceProblems, ppoProblems, samplingProblems];

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
    ...CHECKS.flatMap((check) => check(stage, report)),
    goesOnUnheld(stage, earlier, data)
      ? report(
          'warning',
          '',
          'it goes on from data.policy_model_path, no reference is named, and so it is held to the bare model.',
          'Give data.sft_model_path, or put an SFT stage before it.',
        )
      : null,
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

/** Whether a stage is the one that a given policy goes to, with nothing but the bare model for its reference. */
function goesOnUnheld({ kind }: Stage, earlier: readonly Stage[], data: Experiment['data']): boolean {
  const holds =
    kind === 'ppo' || (methodOf(kind).family !== undefined && kind !== 'orpo' && kind !== 'simpo');
  const first = !earlier.some((stage) => methodOf(stage.kind).leaves === 'policy');
  return holds && first && data.policy_model_path !== undefined && data.sft_model_path === undefined;
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

function supervisedProblems(stage: Stage, report: Reporter): (Problem | null)[] {
  if (!('max_steps' in stage)) return [];
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
