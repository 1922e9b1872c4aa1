// The golden cases of the methods that learn from samples: policy and value losses over given advantages and returns.

import { tf } from '../engine/tf';
import { completionValues } from '../model/heads';
import { completionLogprobs } from '../model/logprobs';
import type { CompletionBatch } from '../model/types';
import { ppoPolicyLoss, ppoValueLoss } from '../train/losses';
import {
  checkGradients,
  completions,
  count,
  critic,
  type Golden,
  numbers,
  pick,
  type Rows,
} from './golden-tools';

export async function checkPpo(golden: Golden): Promise<void> {
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
