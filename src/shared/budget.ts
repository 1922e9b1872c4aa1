// What an experiment would take of the device, as the worker tells it before a run and as it refuses one: page and
// command line say it in the same words.

import { type Experiment, type Stage, stageNames } from './experiment';
import type { StageBudget } from './memory-budget';

/** Bytes that a 32-bit wasm heap can grow to. */
export const WASM_LIMIT = 2 ** 32;

export interface Budget {
  stages: StageBudget[];
  /** Most bytes that the device gives; null where nobody can tell. */
  limit: number | null;
  gradientCheckpointing: boolean;
  /** Where a stage is beyond the limit: the experiment with settings that fit; null if there are none. */
  fits: Experiment | null;
}

/** Most tokens that a stage writes to a prompt; 0 where it only reads. */
export function newTokens(stage: Stage): number {
  if ('response_length' in stage) return stage.response_length;
  if ('max_completion_length' in stage) return stage.max_completion_length;
  return 'max_new_tokens' in stage ? stage.max_new_tokens : 0;
}

/** The stage that takes most. */
export function largestOf(stages: readonly StageBudget[]): StageBudget | null {
  return stages.reduce<StageBudget | null>(
    (most, stage) => (most && most.total >= stage.total ? most : stage),
    null,
  );
}

/** Why the run cannot fit and what would, null where it fits. */
export function refusalOf(
  { stages, limit, fits }: Budget,
  experiment: Experiment,
): { message: string; fix: string } | null {
  const worst = largestOf(stages);
  if (!worst || limit === null || worst.total <= limit) return null;
  const { stage, weights, adapters, activations, cache, total } = worst;
  const [most, part] = cache > activations ? [cache, 'the key/value cache'] : [activations, 'activations'];
  return {
    message: `Stage ${stage} would need ${size(total)}: ${size(weights)} for weights, ${size(adapters)} for what is trained, ${size(most)} for ${part}. The device gives at most ${size(limit)}.`,
    fix: fits
      ? `This would fit: ${differences(experiment, fits).join('; ')}.`
      : 'Use a smaller model or shorter texts.',
  };
}

const size = (bytes: number): string =>
  bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

/** What the smaller experiment has otherwise. */
function differences(experiment: Experiment, fits: Experiment): string[] {
  const told: string[] = [];
  for (const key of ['quantization', 'gradient_checkpointing'] as const)
    if (fits[key] !== undefined && fits[key] !== experiment[key]) told.push(`${key} ${fits[key]}`);
  stageNames(fits.stages).forEach((name, i) => {
    for (const key of ['per_device_train_batch_size', 'gradient_accumulation_steps'] as const) {
      const value = fieldOf(fits, i, key);
      if (value !== fieldOf(experiment, i, key)) told.push(`${name}: ${key} ${value}`);
    }
  });
  return told;
}

function fieldOf(
  { stages }: Experiment,
  i: number,
  key: 'per_device_train_batch_size' | 'gradient_accumulation_steps',
): number | null {
  const stage = stages[i];
  return stage && key in stage ? (stage as Record<typeof key, number>)[key] : null;
}
