// The other kind of golden directory: a trained model whose golden.json tells, for a few texts, what another engine
// made of them: token ids, their log-probabilities, the largest of the last logits and the greedy continuation.

import { tf } from '../engine/tf';
import { hiddenStates, logits } from '../model/forward';
import { generate } from '../model/generate';
import { completionLogprobs } from '../model/logprobs';
import type { LanguageModel } from '../model/types';
import { pureSampling } from '../shared/sampling';

/** An entry of golden.json; `greedy_N` holds N new tokens, after the prompt's or alone. */
export type GoldenText = {
  text?: string;
  ids: number[];
  token_logprobs: number[];
  last_top5?: number[];
  last_top5_logits?: number[];
} & Partial<Record<`greedy_${number}`, number[]>>;

type Report = (kase: string, tensor: string, actual: ArrayLike<number>, expected: ArrayLike<number>) => void;

export async function checkTexts(
  model: LanguageModel,
  texts: readonly GoldenText[],
  report: Report,
): Promise<void> {
  for (const [index, golden] of texts.entries()) {
    const kase = `text ${index + 1}`;
    const { text, ids, token_logprobs, last_top5: top, last_top5_logits: largest } = golden;
    if (text !== undefined && model.tokenizer)
      report(kase, 'ids', model.tokenizer.encode(text, { special: true }), ids);
    const batch = {
      ids: Int32Array.from(ids),
      mask: new Int32Array(ids.length).fill(1),
      completion: Int32Array.from(ids, (_, i) => (i === 0 ? 0 : 1)),
      batch: 1,
      length: ids.length,
    };
    const logprobs = await read(() => completionLogprobs(model, null, batch, { temperature: 1 }).logprobs); // [1, T]
    report(kase, 'token_logprobs', logprobs.slice(1), token_logprobs);
    if (top && largest) {
      const last = (
        await read(() => logits(model, hiddenStates(model, null, batch).slice([ids.length - 1, 0], [1, -1])))
      ).map(Number); // [V]
      const order = Array.from(last.keys()).sort((i, j) => (last[j] ?? 0) - (last[i] ?? 0));
      report(kase, 'last_top5', order.slice(0, top.length), top);
      report(
        kase,
        'last_top5_logits',
        top.map((id) => last[id] ?? NaN),
        largest,
      );
    }
    for (const [name, expected] of Object.entries(golden)) {
      const maxNewTokens = Number(/^greedy_(\d+)$/.exec(name)?.[1]);
      if (!(maxNewTokens > 0) || !Array.isArray(expected)) continue;
      // The reference may run past an end token.
      const endless = { ...model, config: { ...model.config, eosId: null } };
      const { tokens } = await generate(endless, null, [ids], {
        ...pureSampling({ maxNewTokens, temperature: 0, seed: 0 }),
        streams: [0],
      });
      report(kase, name, tokens[0] ?? [], expected.slice(-maxNewTokens));
    }
  }
}

async function read(compute: () => tf.Tensor): Promise<Float32Array> {
  const tensor = tf.tidy(compute);
  const values = (await tensor.data()) as Float32Array;
  tensor.dispose();
  return values;
}
