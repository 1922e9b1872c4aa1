// Supervised fine-tuning of a language model on (prompt, completion) rows: the loss is on the completion alone, EOS
// included, so that the model learns the format and when to stop. A yield is one optimizer step.

import { roomAfter, type Sequence } from '../data/batches';
import { microBatches, perToken } from '../data/micro-batches';
import { hash32 } from '../engine/random';
import { tf } from '../engine/tf';
import { isEnd } from '../model/end';
import { generate } from '../model/generate';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { SftStage } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { pureSampling } from '../shared/sampling';
import { sftLoss } from './losses';
import { gradientsOver } from './optimizer';
import { learnFromRows } from './rows';
import { mean, ScalarSums, type StageContext, sum, type TrainState } from './state';

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

export async function* sft(
  context: SftContext,
  stage: SftStage,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name, seed, train, heldOut } = context;
  const policy = state.adapters['policy']!;
  const variables = [...policy.variables.values()];
  const lengths = train.map(({ ids }) => ids.length);
  yield* learnFromRows(context, stage, state, {
    adapter: 'policy',
    lengths,
    tokens: lengths,
    batch: (rows, step) => {
      const tokens = sum(rows.map((row) => train[row]!.ids.length - train[row]!.promptLength));
      const sums = new ScalarSums();
      const batches = microBatches(train, model.config.context, rows, stage.per_device_train_batch_size);
      const grads = gradientsOver(batches, variables, ({ batch }, m) => {
        const dropout = hash32(seed, name, 'dropout', step, m);
        const of = completionLogprobs(model, policy, batch, { temperature: 1, dropout }); // each [B, T]
        const loss = sftLoss(of.logprobs, tokens);
        sums.add(loss, tf.sum(of.entropy), tf.sum(of.correct()));
        return loss;
      });
      const figures = async () => {
        const [loss, entropy, correct] = await sums.read();
        return { loss: loss!, entropy: entropy! / tokens, mean_token_accuracy: correct! / tokens };
      };
      return { grads, figures };
    },
    look:
      heldOut.length === 0
        ? null
        : async (step) => {
            const figures = await look(context, policy, step);
            const { eval_loss, finish_rate } = figures;
            return { figures, score: stage.metric_for_best_model === 'eval_loss' ? -eval_loss : finish_rate };
          },
  });
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
  const prompts = watched.map(({ promptLength }) => promptLength);
  const streams = watched.map((_, i) => i);
  const { tokens } = await generate(
    model,
    policy,
    watched.map(({ ids, promptLength }) => ids.slice(0, promptLength)),
    {
      ...pureSampling({
        maxNewTokens: roomAfter(prompts, longest, model.config.context),
        seed: hash32(seed, name, 'look'),
      }),
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
    finish_rate: mean(tokens.map((ids) => Number(isEnd(model.config, ids.at(-1))))),
    mean_length: mean(tokens.map(({ length }) => length)),
  };
}
