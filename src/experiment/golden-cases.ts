// The cases of a golden directory: each computes something through the very functions that training uses, and reports
// it beside the reference. cases.json holds inputs and scalars, cases.safetensors the tensors.

import { tokenLogprobs } from '../engine/ops/token-logprobs';
import { tf } from '../engine/tf';
import { headMatrix, hiddenStates, logits } from '../model/forward';
import { generate } from '../model/generate';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import { sftLoss } from '../train/losses';
import { accumulateGradients, AdamW } from '../train/optimizer';
import { checkDpo, checkReward } from './golden-preference';
import { checkPpo } from './golden-reinforce';
import { checkGradients, completions, count, type Golden, numbers, type Rows, tokens } from './golden-tools';
import { pureSampling } from '../shared/sampling';

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
      const actual = await numbers(() => logits(model, hiddenStates(model, speaker, tokens(side)), speaker)); // [B·T, V]
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
      return tokenLogprobs(hidden, headMatrix(model, policy), tf.tensor1d(input.ids, 'int32'), 1).entropy; // [B·T]
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

async function checkGreedy({ model, cases: { greedy }, adapter, report }: Golden): Promise<void> {
  if (!greedy) return;
  const { prompt, output, adapter: name = 'adapter' } = greedy;
  const speaker = name === null ? null : await adapter(name);
  // The reference may run past an end token or stop there; its length tells.
  const endless = { ...model, config: { ...model.config, eosId: null } };
  const { tokens: drawn } = await generate(endless, speaker, [prompt], {
    ...pureSampling({ maxNewTokens: output.length - prompt.length, temperature: 0, seed: 0 }),
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

/** The same of all weights, by make_full_golden.py. */
export async function checkFull(golden: Golden): Promise<void> {
  const report: Golden['report'] = (kase, ...rest) => golden.report(`full ${kase}`, ...rest);
  await checkSft({ ...golden, report });
  await checkAdamW({ ...golden, report });
}

/** The rows of values [B·T, width] at real tokens, in order. */
function realRows(values: Float32Array, mask: Rows, width: number): number[] {
  return mask
    .flat()
    .flatMap((real, i) => (real === 1 ? [...values.subarray(i * width, (i + 1) * width)] : []));
}

/** [B, T] → [B, T−1]. */
const withoutFirst = (values: Float32Array, length: number): Float32Array =>
  values.filter((_, i) => i % length !== 0);
