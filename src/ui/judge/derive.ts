// The run that closes the loop: a reward model trained on a person's judgements and PPO on that reward, begun with the
// adapters that an earlier run left. Pairs and adapters are copied beside its experiment, so that it outlives the run it
// came from.

import { BARE, type Experiment, type Stage, stageNames } from '../../shared/experiment';
import { methodNamed, type StageKind } from '../../shared/methods';
import { defaultStage } from '../../shared/validate';

export interface Derived {
  experiment: Experiment;
  /** Directories under adapters/ to copy: where the earlier run has them, and where this one reads them. */
  adapters: { from: string; to: string }[];
}

/** Where the pairs it learns from are written. */
export const PREFERENCES = 'preferences.jsonl';

/** The experiment of a run with the settings of its stages as they are edited now, for what is to come after it. Its
 *  model and data stay: the adapters it left were learnt with them. */
export function asEdited(run: Experiment, draft: Experiment): Experiment {
  const kinds = (of: Experiment): string => of.stages.map(({ kind }) => kind).join();
  return kinds(run) === kinds(draft) ? { ...run, seed: draft.seed, stages: draft.stages } : run;
}

/**
 * Reward, PPO and evaluation with the settings of `parent`, whose stages have left the adapters `left`. PPO begins at
 * the SFT adapter, or goes on from the last policy trained after it, held to the SFT adapter either way (to the bare model
 * where there was no SFT). Null where there is no such policy. A pairs stage samples nothing where pairs are given; it stays, so
 * that one can judge again.
 */
export function derive(parent: Experiment, left: readonly string[], start: 'sft' | 'policy'): Derived | null {
  const sft = left.findLast((name) => /^sft(-\d+)?$/.test(name));
  const order = stageNames(parent.stages);
  const policy = order.findLast(
    (name) => left.includes(name) && name !== sft && methodNamed(name)?.leaves === 'policy',
  );
  if (start === 'policy' && policy === undefined) return null;
  const ppo = { ...lastOf(parent, 'ppo'), reward: { kind: 'model' as const } };
  const { prompts, eval_prompts } = parent.data;
  return {
    experiment: {
      ...parent,
      name: `${parent.name.replace(/-judged$/, '')}-judged`,
      data: {
        ...(prompts !== undefined && { prompts }),
        ...(eval_prompts !== undefined && { eval_prompts }),
        preferences: PREFERENCES,
        sft_model_path: sft === undefined ? BARE : 'adapters/sft',
        ...(start === 'policy' && { policy_model_path: 'adapters/policy' }),
      },
      stages: [
        ...parent.stages.filter(({ kind }) => kind === 'pairs').slice(-1),
        lastOf(parent, 'reward'),
        ppo,
        lastOf(parent, 'evaluate'),
      ],
    },
    adapters: [
      ...(sft === undefined ? [] : [{ from: sft, to: 'sft' }]),
      ...(start === 'policy' ? [{ from: policy!, to: 'policy' }] : []),
    ],
  };
}

/** The last stage of a kind, else one with the table's defaults. */
function lastOf<K extends StageKind>({ stages }: Experiment, kind: K): Extract<Stage, { kind: K }> {
  const last = stages.findLast((stage): stage is Extract<Stage, { kind: K }> => stage.kind === kind);
  return last ?? defaultStage(kind);
}
