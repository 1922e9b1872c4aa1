// The score of the reward stage's model: a scalar head on an adapter of the same base, read at the last real token,
// scaled so that completions of the reference policy have mean 0 and deviation 1 (Ziegler et al. 2019).

import { microBatches } from '../data/micro-batches';
import { joined, type Sequence } from '../data/batches';
import { download } from '../engine/download';
import { tf } from '../engine/tf';
import { sequenceScores } from '../model/heads';
import type { Adapter } from '../model/lora';
import type { LanguageModel } from '../model/types';
import type { RewardFunction } from './index';

/** score = gain · head + bias. */
export interface RewardModel {
  adapter: Adapter;
  gain: number;
  bias: number;
}

/** The head's reading at the last token of each sequence, not normalised. */
export async function rawScores(
  model: LanguageModel,
  adapter: Adapter,
  sequences: readonly Sequence[],
): Promise<number[]> {
  const batches = microBatches(sequences, model.config.context);
  const tensors = batches.map(({ batch }) => tf.tidy(() => sequenceScores(model, adapter, batch))); // [B] each
  const scores: number[] = [];
  const read = await Promise.all(tensors.map((tensor) => download(tensor)));
  tf.dispose(tensors);
  batches.forEach(({ rows }, m) => rows.forEach((row, b) => (scores[row] = read[m]![b]!)));
  return scores;
}

export function learnedReward(model: LanguageModel, { adapter, gain, bias }: RewardModel): RewardFunction {
  return async (rows) => {
    const sequences = rows.map(({ promptIds, tokens }) => joined(promptIds, tokens));
    return (await rawScores(model, adapter, sequences)).map((score) => gain * score + bias);
  };
}
