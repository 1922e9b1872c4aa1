// The cases of a golden directory: each computes something through the very functions that training uses, and reports
// it beside the reference. cases.json holds inputs and scalars, cases.safetensors the tensors.

import { tokenLogprobs } from '../engine/ops/token-logprobs';
import { tf } from '../engine/tf';
import { headMatrix, hiddenStates, logits } from '../model/forward';
import { generate } from '../model/generate';
import { completionValues, sequenceScores } from '../model/heads';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { CompletionBatch, LanguageModel, TokenBatch } from '../model/types';
import { bradleyTerryLoss, dpoSigmoidLoss, ppoPolicyLoss, ppoValueLoss, sftLoss } from '../train/losses';
import { accumulateGradients, AdamW } from '../train/optimizer';

type Rows = number[][];

/** cases.json, as far as it is there. */
export interface Cases {
  batch: { input_ids: Rows; attention_mask: Rows };
  left_padded?: { input_ids: Rows; attention_mask: Rows };
  sft?: { completion_mask: Rows; loss: number };
  sft_adamw?: {
    learning_rate: number;
    betas: [number, number];
    eps: number;
    weight_decay: number;
    steps: number;
    losses: number[];
    max_grad_norm: number | null;
  };
  dpo?: {
    beta: number;
    completion_mask: Rows;
    chosen_row: number;
    rejected_row: number;
    loss: number;
    policy_logps: number[];
    reference_logps: number[];
    reference_adapter?: string;
  };
  reward?: { scores: number[]; loss: number; adapter?: string; chosen_row?: number; rejected_row?: number };
  ppo_policy?: { cliprange: number; response_mask: Rows; loss: number; clipfrac?: number; approxkl?: number };
  ppo_value?: { cliprange_value: number; loss: number; adapter?: string; response_mask?: Rows };
  greedy?: { prompt: number[]; output: number[]; adapter?: string | null };
}

type Reference = (name: string) => Float32Array | null;
type Report = (kase: string, tensor: string, actual: ArrayLike<number>, expected: ArrayLike<number>) => void;

export interface Golden {
  model: LanguageModel;
  cases: Cases;
  /** A tensor of cases.safetensors. */
  reference: Reference;
  /** Names in cases.safetensors with this beginning, without it. */
  namesUnder: (prefix: string) => string[];
  adapter: (name: string) => Promise<Adapter>;
  report: Report;
}

async function checkForward({ model, cases, reference, adapter, report }: Golden): Promise<void> {
  const { batch, left_padded: left } = cases;
  for (const name of ['base', 'adapter']) {
    const expected = reference(`${name}.logits`);
    if (!expected) continue;
    const speaker = name === 'base' ? null : await adapter(name);
    const V = model.config.vocabulary;
    const wanted = realRows(expected, batch.attention_mask, V);
    for (const [title, side] of [
      ['logits', batch],
      ['logits, left padded', left],
    ] as const) {
      if (!side) continue;
      const actual = await numbers(() => logits(model, hiddenStates(model, speaker, tokens(side)))); // [B·T, V]
      report(name, title, realRows(actual, side.attention_mask, V), wanted);
    }
  }
  const T = batch.input_ids[0]?.length ?? 0;
  const logprobs = reference('adapter.token_logprobs');
  if (logprobs) {
    const policy = await adapter('adapter');
    const all = completions(batch, batch.attention_mask);
    const actual = await numbers(() => completionLogprobs(model, policy, all, { temperature: 1 }).logprobs); // [B, T]
    report('adapter', 'token_logprobs', withoutFirst(actual, T), logprobs);
  }
  const entropy = reference('adapter.entropy');
  if (entropy) {
    const policy = await adapter('adapter');
    const input = tokens(batch);
    const actual = await numbers(() => {
      const hidden = hiddenStates(model, policy, input); // [B·T, C]
      return tokenLogprobs(hidden, headMatrix(model), tf.tensor1d(input.ids, 'int32'), 1).entropy; // [B·T]
    });
    report(
      'adapter',
      'entropy',
      realRows(actual, batch.attention_mask, 1),
      realRows(entropy, batch.attention_mask, 1),
    );
  }
}

function sftCase({ model, cases: { batch, sft } }: Golden, policy: Adapter): () => tf.Scalar {
  const data = completions(batch, sft?.completion_mask ?? []);
  return () => sftLoss(completionLogprobs(model, policy, data, { temperature: 1 }).logprobs, count(data));
}

async function checkSft(golden: Golden): Promise<void> {
  const { cases, adapter } = golden;
  if (!cases.sft) return;
  const policy = await adapter('adapter');
  await checkGradients(golden, 'sft', policy, sftCase(golden, policy), cases.sft.loss);
}

async function checkAdamW(golden: Golden): Promise<void> {
  const { cases, adapter, report, reference, namesUnder } = golden;
  const settings = cases.sft_adamw;
  if (!settings) return;
  const policy = (await adapter('adapter')).clone('trained');
  const optimizer = new AdamW(policy.variables);
  const loss = sftCase(golden, policy);
  const losses: number[] = [];
  for (let step = 0; step < settings.steps; step++) {
    losses.push(...(await numbers(loss)));
    const gradients = accumulateGradients(loss, [...policy.variables.values()], null);
    await optimizer.update(gradients, settings.learning_rate, {
      adam_beta1: settings.betas[0],
      adam_beta2: settings.betas[1],
      adam_epsilon: settings.eps,
      weight_decay: settings.weight_decay,
      max_grad_norm: settings.max_grad_norm,
    });
  }
  report('sft_adamw', 'losses', losses, settings.losses);
  const prefix = `sft_adamw.after${settings.steps}.`;
  for (const name of namesUnder(prefix)) {
    const values = (await policy.variables.get(name)?.data()) ?? [];
    report('sft_adamw', `after${settings.steps}.${name}`, values, reference(prefix + name) ?? []);
  }
  optimizer.dispose();
  policy.dispose();
}

async function checkDpo(golden: Golden): Promise<void> {
  const { model, adapter, report } = golden;
  const { batch, dpo } = golden.cases;
  if (!dpo) return;
  const rows = [dpo.chosen_row, dpo.rejected_row];
  const masks = dpo.completion_mask.length === 2 ? dpo.completion_mask : pick(dpo.completion_mask, rows);
  const data = completions(
    { input_ids: pick(batch.input_ids, rows), attention_mask: pick(batch.attention_mask, rows) },
    masks,
  );
  const policy = await adapter('adapter');
  const frozen = await adapter(dpo.reference_adapter ?? 'reference');
  const sums = (speaker: Adapter): tf.Tensor1D =>
    tf.sum(completionLogprobs(model, speaker, data, { temperature: 1 }).logprobs, 1); // [2]
  report('dpo', 'policy_logps', await numbers(() => sums(policy)), dpo.policy_logps);
  const reference = await numbers(() => sums(frozen));
  report('dpo', 'reference_logps', reference, dpo.reference_logps);
  const loss = (): tf.Scalar => {
    const logps = sums(policy); // [2]
    const fixed = tf.tensor1d(reference); // [2]
    const one = (of: tf.Tensor1D, row: number) => tf.slice(of, row, 1); // [1]
    return dpoSigmoidLoss(one(logps, 0), one(logps, 1), one(fixed, 0), one(fixed, 1), dpo.beta);
  };
  await checkGradients(golden, 'dpo', policy, loss, dpo.loss);
}

/** The critic's adapter with the head that cases.safetensors holds. */
async function critic({ adapter, reference }: Golden, name = 'critic'): Promise<Adapter> {
  return (await adapter(name)).clone(name, reference('score.weight') ?? undefined);
}

async function checkReward(golden: Golden): Promise<void> {
  const { model, report } = golden;
  const { batch, reward } = golden.cases;
  if (!reward) return;
  const scorer = await critic(golden, reward.adapter);
  const data = tokens(batch);
  report('reward', 'scores', await numbers(() => sequenceScores(model, scorer, data)), reward.scores);
  // Where the pair is not named it is the first two rows, the first preferred.
  const { chosen_row: chosen = 0, rejected_row: rejected = 1 } = reward;
  const loss = (): tf.Scalar => {
    const scores = sequenceScores(model, scorer, data); // [B]
    return bradleyTerryLoss(tf.slice(scores, chosen, 1), tf.slice(scores, rejected, 1));
  };
  await checkGradients(golden, 'reward', scorer, loss, reward.loss);
  scorer.dispose();
}

async function checkPpo(golden: Golden): Promise<void> {
  const { model, adapter, reference, report } = golden;
  const { batch, ppo_policy: policyCase, ppo_value: valueCase } = golden.cases;
  /** A reference of [n, T−1] or [n, T] beside the token it is about, 0 outside the response. */
  const given = (name: string, data: CompletionBatch): tf.Tensor2D => {
    const values = reference(name) ?? new Float32Array();
    const T = values.length / data.batch;
    const shift = data.length - T;
    const aligned = Float32Array.from(data.completion, (one, i) => {
      const [row, t] = [Math.floor(i / data.length), (i % data.length) - shift];
      return one === 1 ? (values[row * T + t] ?? NaN) : 0;
    });
    return tf.tensor2d(aligned, [data.batch, data.length]);
  };
  const rowsOf = (mask: Rows): CompletionBatch => {
    const rows = mask.map((_, i) => i);
    return completions(
      { input_ids: pick(batch.input_ids, rows), attention_mask: pick(batch.attention_mask, rows) },
      mask,
    );
  };
  if (policyCase) {
    const policy = await adapter('adapter');
    const data = rowsOf(policyCase.response_mask);
    const losses = () => {
      const { logprobs } = completionLogprobs(model, policy, data, { temperature: 1 }); // [n, T]
      const [old, advantages] = [given('ppo.old_logprobs', data), given('ppo.advantages', data)]; // [n, T]
      return ppoPolicyLoss(logprobs, old, advantages, policyCase.cliprange, count(data));
    };
    for (const metric of ['clipfrac', 'approxkl'] as const) {
      const expected = policyCase[metric];
      if (expected !== undefined)
        report('ppo_policy', metric, await numbers(() => losses()[metric]), [expected]);
    }
    await checkGradients(golden, 'ppo_policy', policy, () => losses().loss, policyCase.loss);
  }
  const mask = valueCase?.response_mask ?? policyCase?.response_mask;
  if (valueCase && mask) {
    const values = await critic(golden, valueCase.adapter);
    const data = rowsOf(mask);
    const loss = (): tf.Scalar =>
      ppoValueLoss(
        completionValues(model, values, data),
        given('ppo.old_values', data),
        given('ppo.returns', data),
        valueCase.cliprange_value,
        count(data),
      ).loss;
    await checkGradients(golden, 'ppo_value', values, loss, valueCase.loss);
    values.dispose();
  }
}

async function checkGreedy({ model, cases: { greedy }, adapter, report }: Golden): Promise<void> {
  if (!greedy) return;
  const { prompt, output, adapter: name = 'adapter' } = greedy;
  const speaker = name === null ? null : await adapter(name);
  // The reference may run past an end token or stop there; its length tells.
  const endless = { ...model, config: { ...model.config, eosId: null } };
  const { tokens: drawn } = await generate(endless, speaker, [prompt], {
    maxNewTokens: output.length - prompt.length,
    minNewTokens: 0,
    temperature: 0,
    topK: 0,
    topP: 1,
    seed: 0,
    streams: [0],
  });
  report('greedy', 'output', [...prompt, ...(drawn[0] ?? [])], output);
}

/** Each does nothing where the directory has no such case. */
export const CHECKS: readonly ((golden: Golden) => Promise<void>)[] = [
  checkForward,
  checkSft,
  checkAdamW,
  checkDpo,
  checkReward,
  checkPpo,
  checkGreedy,
];

/** Compares a loss, and its gradients with every one the directory holds for this case. */
async function checkGradients(
  { namesUnder, reference, report }: Golden,
  kase: string,
  adapter: Adapter,
  loss: () => tf.Scalar,
  expected: number,
): Promise<void> {
  report(kase, 'loss', await numbers(loss), [expected]);
  const gradients = accumulateGradients(loss, [...adapter.variables.values()], null);
  const names = [...adapter.variables.keys()];
  for (const name of namesUnder(`${kase}.grad.`)) {
    const actual = (await gradients[names.indexOf(name)]?.data()) ?? [];
    report(kase, `grad.${name}`, actual, reference(`${kase}.grad.${name}`) ?? []);
  }
  tf.dispose(gradients);
}

async function numbers(compute: () => tf.Tensor): Promise<Float32Array> {
  const tensor = tf.tidy(compute);
  const values = (await tensor.data()) as Float32Array;
  tensor.dispose();
  return values;
}

function tokens({
  input_ids: ids,
  attention_mask: mask,
}: {
  input_ids: Rows;
  attention_mask: Rows;
}): TokenBatch {
  return {
    ids: Int32Array.from(ids.flat()),
    mask: Int32Array.from(mask.flat()),
    batch: ids.length,
    length: ids[0]?.length ?? 0,
  };
}

/** A batch with the marked tokens as completions, save a row's first: nothing predicts it. */
function completions(side: { input_ids: Rows; attention_mask: Rows }, marked: Rows): CompletionBatch {
  const batch = tokens(side);
  const predicted = (b: number, t: number): boolean =>
    marked[b]?.[t] === 1 && t > 0 && side.attention_mask[b]?.[t - 1] === 1;
  const completion = batch.ids.map((_, i) =>
    predicted(Math.floor(i / batch.length), i % batch.length) ? 1 : 0,
  );
  return { ...batch, completion };
}

const count = ({ completion }: CompletionBatch): number => completion.reduce((sum, one) => sum + one, 0);

const pick = <T>(rows: readonly T[], which: readonly number[]): T[] => which.map((row) => rows[row] as T);

/** The rows of values [B·T, width] at real tokens, in order. */
function realRows(values: Float32Array, mask: Rows, width: number): number[] {
  return mask
    .flat()
    .flatMap((real, i) => (real === 1 ? [...values.subarray(i * width, (i + 1) * width)] : []));
}

/** [B, T] → [B, T−1]. */
const withoutFirst = (values: Float32Array, length: number): Float32Array =>
  values.filter((_, i) => i % length !== 0);
