// THE list of what a stage of an experiment can be. A method is one file under src/train/ and one row in a table below,
// with the line in experiment/stages.ts that opens it. All else reads this list: validation, schema, forms, budget,
// charts, equations, health checks, evaluation, watching and the report.

import type { Method } from './method';
import { FINAL_METHODS, FOUNDATION_METHODS } from './methods-foundation';
import { PREFERENCE_METHODS } from './methods-preference';
import { PPO_METHODS } from './methods-ppo';
import { SAMPLING_METHODS } from './methods-sampling';

export const METHODS = {
  ...FOUNDATION_METHODS,
  ...PPO_METHODS,
  ...PREFERENCE_METHODS,
  ...SAMPLING_METHODS,
  ...FINAL_METHODS,
};

export type StageKind = keyof typeof METHODS;

export const STAGE_KINDS = Object.keys(METHODS) as StageKind[];

/** A row of the list, where only what all of them have is asked for. */
export const methodOf = (kind: StageKind): Method => METHODS[kind];

/** The row of a stage by its name (`dpo`, `dpo-2`), or of nothing. */
export function methodNamed(stage: string): Method | undefined {
  const kind = stage.replace(/-\d+$/, '');
  return STAGE_KINDS.some((known) => known === kind) ? methodOf(kind as StageKind) : undefined;
}

/** What a step of a stage is called: methods that learn from samples of their own count updates, those that learn from
 *  rows steps, and stages that learn nothing the batches they write. */
export function stepName(stage: string): 'update' | 'step' | 'batch' {
  const { settings = {} } = methodNamed(stage) ?? {};
  if ('total_episodes' in settings) return 'update';
  return 'max_steps' in settings ? 'step' : 'batch';
}

/** The kinds of stages that leave such an adapter. */
export const leaving = (what: NonNullable<Method['leaves']>): StageKind[] =>
  STAGE_KINDS.filter((kind) => methodOf(kind).leaves === what);

/** The methods a person chooses between: those that make a policy better than the one they begin with. */
export const choices = (): StageKind[] => leaving('policy').filter((kind) => !methodOf(kind).foundation);
