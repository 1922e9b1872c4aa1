// Pretraining on plain text: every weight learns to foresee the next token of documents that are packed into rows of one
// length. What packing needs to go on is two of the state's scalars. A yield is one optimizer step.

import type { TextRow } from '../data/records';
import { type Cursor, pack } from '../data/packing';
import { MICRO_BATCH_TOKENS } from '../data/micro-batches';
import { permutation } from '../engine/random';
import { tf } from '../engine/tf';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { CompletionBatch } from '../model/types';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { sftLoss } from './losses';
import { gradientsOver } from './optimizer';
import { learningRateAt } from './schedule';
import {
  keepBest,
  metricsRow,
  outOfPatience,
  ScalarSums,
  type StageContext,
  sum,
  type TrainState,
} from './state';

export interface PretrainContext extends StageContext {
  train: readonly TextRow[];
  heldOut: readonly TextRow[];
  /** A document's tokens: asked for when its turn comes, so that a text is never tokenised as a whole. */
  encode: (row: TextRow) => number[];
}

export async function* pretrain(
  context: PretrainContext,
  stage: StageOf<'pretrain'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name, train, heldOut } = context;
  const { scalars } = state;
  const policy = state.adapters['policy']!;
  const variables = [...policy.variables.values()];
  const documents = endless(context);
  const rows = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;

  while (state.step < stage.max_steps && !outOfPatience(state, stage.early_stopping_patience)) {
    const from = { document: scalars['document'] ?? 0, token: scalars['token'] ?? 0 };
    const { batches, next } = packed(documents, from, rows, stage);
    const tokens = sum(batches.map(({ completion }) => sum(completion)));
    const sums = new ScalarSums();
    const grads = gradientsOver(batches, variables, (batch) => {
      const { logprobs } = completionLogprobs(model, policy, batch, { temperature: 1 }); // [B, T]
      const loss = sftLoss(logprobs, tokens);
      sums.add(loss);
      return loss;
    });
    const learningRate = learningRateAt(state.step, stage.max_steps, stage);
    const update = state.optimizers['policy']!.update(grads, learningRate, stage);
    const [gradNorm, [loss]] = await Promise.all([update, sums.read()]);

    state.step++;
    Object.assign(scalars, next, { num_tokens: (scalars['num_tokens'] ?? 0) + tokens });
    const metrics: Record<string, number> = {
      loss: loss!,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      num_tokens: scalars['num_tokens']!,
      epoch: next.document / train.length,
    };
    metricsRow(name, state.step, metrics);
    if (heldOut.length > 0 && (state.step % stage.eval_steps === 0 || state.step === stage.max_steps)) {
      const evalLoss = await heldOutLoss(context, policy, stage);
      Object.assign(metrics, { eval_loss: evalLoss, eval_perplexity: Math.exp(evalLoss) });
      keepBest(state, policy, -evalLoss, stage.early_stopping_patience);
    }
    yield metricsRow(name, state.step, metrics);
  }
}

type Documents = (document: number) => readonly number[] | null;

/** The documents in one order after another, each a permutation of its own. */
function endless({ train, encode, seed, name }: PretrainContext): Documents {
  let known: { epoch: number; order: Int32Array } | null = null;
  return (document) => {
    const epoch = Math.floor(document / train.length);
    if (known?.epoch !== epoch) {
      known = { epoch, order: permutation(train.length, seed, name, 'documents', epoch) };
    }
    return encode(train[known.order[document % train.length]!]!);
  };
}

/** Rows in batches of bounded size, and where to go on. */
function packed(
  documents: Documents,
  from: Cursor,
  rows: number,
  { max_length: length, per_device_train_batch_size: widest }: StageOf<'pretrain'>,
): { batches: CompletionBatch[]; next: Cursor } {
  const most = Math.min(widest, Math.max(1, Math.floor(MICRO_BATCH_TOKENS / length)));
  const batches: CompletionBatch[] = [];
  let next = from;
  for (let left = rows; left > 0; left -= most) {
    const part = pack(documents, next, Math.min(most, left), length);
    batches.push(part.batch);
    next = part.next;
  }
  return { batches, next };
}

/** Held-out documents are read up to this many rows, so that a look stays short beside the steps between two. */
const LOOKED_AT = 64;

/** Nats a token of held-out documents. */
async function heldOutLoss(
  { model, heldOut, encode }: PretrainContext,
  policy: Adapter,
  stage: StageOf<'pretrain'>,
): Promise<number> {
  const documents: Documents = (document) => {
    const row = heldOut[document];
    return row ? encode(row) : null;
  };
  const { batches } = packed(documents, { document: 0, token: 0 }, LOOKED_AT, stage);
  const read = batches.filter(({ completion }) => completion.includes(1));
  const sums = new ScalarSums();
  for (const batch of read) {
    tf.tidy(() =>
      sums.add(sftLoss(completionLogprobs(model, policy, batch, { temperature: 1 }).logprobs, 1)),
    );
  }
  const [loss] = await sums.read();
  return loss! / sum(read.map(({ completion }) => sum(completion)));
}
