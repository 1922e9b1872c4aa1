// Supervised fine-tuning of a language model on (prompt, completion) rows: the loss is on the completion alone, EOS
// included, so that the model learns the format and when to stop. A yield is one optimizer step.

import { batchIndices, type Sequence } from '../data/batches';
import { microBatches, perToken } from '../data/micro-batches';
import { hash32 } from '../engine/random';
import { tf } from '../engine/tf';
import { generate } from '../model/generate';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { SftStage } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { sftLoss } from './losses';
import { accumulateGradients, AdamW } from './optimizer';
import { learningRateAt } from './schedule';
import {
  keepBest,
  mean,
  metricsRow,
  outOfPatience,
  ScalarSums,
  type StageContext,
  sum,
  type TrainState,
} from './state';

/** A demonstration; `prompt` is the text its first `promptLength` ids came from. */
export interface Demonstration extends Sequence {
  prompt: string;
}

export interface SftContext extends StageContext {
  train: readonly Demonstration[];
  heldOut: readonly Demonstration[];
}

/** Held-out prompts that are completed at every look: enough for a finish rate, the first few to read. */
const WATCHED = 32;
const SHOWN = 4;

/** The adapter before the first step. */
export function startSft(start: Adapter): TrainState {
  const policy = start.clone('policy');
  return { step: 0, adapters: { policy }, optimizers: { policy: new AdamW(policy.variables) }, scalars: {} };
}

export async function* sft(
  context: SftContext,
  stage: SftStage,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name, seed, train, heldOut } = context;
  const policy = state.adapters['policy']!;
  const optimizer = state.optimizers['policy']!;
  const variables = [...policy.variables.values()];
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const lengths = stage.group_by_length ? train.map(({ ids }) => ids.length) : undefined;

  while (state.step < stage.max_steps && !outOfPatience(state, stage.early_stopping_patience)) {
    const step = state.step;
    const rows = batchIndices(train.length, batchSize, step, seed, name, lengths);
    const tokens = sum(rows.map((row) => train[row]!.ids.length - train[row]!.promptLength));
    const sums = new ScalarSums();
    let grads: tf.Tensor[] | null = null;
    for (const [m, { batch }] of microBatches(train, model.config.context, rows).entries()) {
      const batchLoss = (): tf.Scalar => {
        const dropout = hash32(seed, name, 'dropout', step, m);
        const of = completionLogprobs(model, policy, batch, { temperature: 1, dropout }); // each [B, T]
        const loss = sftLoss(of.logprobs, tokens);
        sums.add(loss, tf.div(tf.sum(of.entropy), tokens), tf.div(tf.sum(of.correct()), tokens));
        return loss;
      };
      grads = accumulateGradients(batchLoss, variables, grads);
    }
    const learningRate = learningRateAt(step, stage.max_steps, stage);
    const [loss, entropy, accuracy] = await sums.read();
    const gradNorm = await optimizer.update(grads ?? [], learningRate, stage);

    state.step = step + 1;
    const seen = (state.scalars['num_tokens'] ?? 0) + sum(rows.map((row) => train[row]!.ids.length));
    state.scalars['num_tokens'] = seen;
    const metrics: Record<string, number> = {
      loss: loss!,
      entropy: entropy!,
      mean_token_accuracy: accuracy!,
      grad_norm: gradNorm,
      learning_rate: learningRate,
      num_tokens: seen,
      epoch: (state.step * batchSize) / train.length,
    };
    metricsRow(name, state.step, metrics);
    if (heldOut.length > 0 && (state.step % stage.eval_steps === 0 || state.step === stage.max_steps)) {
      const looked = await look(context, policy, state.step);
      Object.assign(metrics, looked);
      const score = stage.metric_for_best_model === 'eval_loss' ? -looked.eval_loss : looked.finish_rate;
      keepBest(state, policy, score, stage.early_stopping_patience);
    }
    yield metricsRow(name, state.step, metrics);
  }
}

/** The held-out loss over completion tokens (EOS included), and how completions of held-out prompts end. */
async function look(context: SftContext, policy: Adapter, step: number) {
  const { model, name, seed, train, heldOut, onSample } = context;
  const batches = microBatches(heldOut, model.config.context);
  const logprobs = await perToken(
    batches,
    (batch) => completionLogprobs(model, policy, batch, { temperature: 1 }).logprobs,
  );
  const loss = -sum(logprobs.map(sum)) / sum(logprobs.map(({ length }) => length));

  // As much room as the longest demonstration had.
  const watched = heldOut.slice(0, WATCHED);
  const longest = Math.max(
    ...[...train, ...heldOut].map(({ ids, promptLength }) => ids.length - promptLength),
  );
  const left = model.config.context - Math.max(...watched.map(({ promptLength }) => promptLength));
  const streams = watched.map((_, i) => i);
  const { tokens } = await generate(
    model,
    policy,
    watched.map(({ ids, promptLength }) => ids.slice(0, promptLength)),
    {
      maxNewTokens: Math.min(longest, left),
      minNewTokens: 0,
      temperature: 1,
      topK: 0,
      topP: 1,
      seed: hash32(seed, name, 'look'),
      streams,
    },
  );
  tokens.slice(0, SHOWN).forEach((ids, i) => {
    const completion = model.tokenizer?.decode(ids, { skipSpecial: true }) ?? '';
    const checkpoint = `${name}@${step}`;
    onSample({ checkpoint, prompt: watched[i]!.prompt, completion, token_ids: ids, seed: streams[i]! });
  });
  return {
    eval_loss: loss,
    eval_perplexity: Math.exp(loss),
    finish_rate: mean(tokens.map((ids) => Number(ids.at(-1) === model.config.eosId))),
    mean_length: mean(tokens.map(({ length }) => length)),
  };
}
