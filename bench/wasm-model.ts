// Training and generation of the bundled model on the wasm engine, ours beside the same composed of stock tfjs-wasm
// ops, and the kernels that the time goes to.

import { openDevice } from '../src/engine/device';
import { hash32 } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { generate } from '../src/model/generate';
import { loadModel } from '../src/model/load';
import { completionLogprobs } from '../src/model/logprobs';
import { Adapter } from '../src/model/lora';
import type { CompletionBatch } from '../src/model/types';
import { accumulateGradients, AdamW } from '../src/train/optimizer';
import { leastAsync, table, withStockOps } from './timing';

const lora = {
  r: 8,
  lora_alpha: 16,
  lora_dropout: 0,
  use_rslora: false,
  target_modules: ['q_proj', 'v_proj', 'c_fc', 'c_proj'],
};
const adam = { adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0, max_grad_norm: 1 };
const [prompt, answer] = [64, 40];
const rowsOfStep = 8;

async function readBundled(path: string): Promise<Uint8Array | null> {
  const response = await fetch(`/models/stories-neo/${path}`);
  // Vite answers with its page for a file that is not there.
  const missing = !response.ok || response.headers.get('content-type')?.startsWith('text/html');
  return missing ? null : new Uint8Array(await response.arrayBuffer());
}

function completions(batch: number, vocabulary: number): CompletionBatch {
  const length = prompt + answer;
  const tokens = Array.from({ length: batch * length }, (_, i) => i);
  return {
    batch,
    length,
    ids: Int32Array.from(tokens, (i) => hash32(i) % vocabulary),
    mask: new Int32Array(batch * length).fill(1),
    completion: Int32Array.from(tokens, (i) => Number(i % length >= prompt)),
  };
}

/** Milliseconds in each kernel, of every call the least of several runs. */
async function profile(f: () => Promise<void>, runs: number): Promise<(string | number)[][]> {
  const kernels = tf.getKernelsForBackend('wasm');
  const originals = kernels.map(({ kernelFunc }) => kernelFunc);
  const calls: { name: string; ms: number }[] = [];
  for (let run = 0; run < runs; run++) {
    let at = 0;
    kernels.forEach((kernel, i) => {
      kernel.kernelFunc = (call) => {
        const start = performance.now();
        const result = originals[i]!(call);
        const ms = performance.now() - start;
        const known = (calls[at++] ??= { name: kernel.kernelName, ms });
        known.ms = Math.min(known.ms, ms);
        return result;
      };
    });
    await f();
  }
  kernels.forEach((kernel, i) => (kernel.kernelFunc = originals[i]!));
  const spent = new Map<string, [ms: number, calls: number]>();
  for (const { name, ms } of calls) {
    const [sum, count] = spent.get(name) ?? [0, 0];
    spent.set(name, [sum + ms, count + 1]);
  }
  return Array.from(spent)
    .sort(([, [a]], [, [b]]) => b - a)
    .slice(0, 10)
    .map(([name, [ms, count]]) => [name, count, ms.toFixed(2)]);
}

/** Markdown. */
export async function model(threads: number): Promise<string> {
  const { adapter: device } = await openDevice('wasm', { threads });
  const neo = await loadModel('stories-neo', readBundled);
  const adapter = Adapter.create(neo, lora, 1);
  const optimizer = new AdamW(adapter.variables);
  const variables = [...adapter.variables.values()];
  const batch = completions(rowsOfStep, neo.config.vocabulary);
  const step = async () => {
    const loss = () =>
      tf.neg<tf.Scalar>(tf.mean(completionLogprobs(neo, adapter, batch, { temperature: 1 }).logprobs));
    await optimizer.update(accumulateGradients(loss, variables, null), 1e-3, adam);
  };
  const rollout = (rows: number) => async () => {
    const prompts = Array.from({ length: rows }, (_, row) =>
      Array.from({ length: prompt }, (_, i) => hash32(row, i) % neo.config.vocabulary),
    );
    const streams = prompts.map((_, row) => row);
    const options = {
      maxNewTokens: answer,
      minNewTokens: answer,
      temperature: 1,
      topK: 0,
      topP: 1,
      seed: 1,
      streams,
    };
    await generate(neo, adapter, prompts, options);
  };
  const ours = await leastAsync(step, 6);
  const stock = await withStockOps(() => leastAsync(step, 1));
  const rows = [
    [
      `LoRA SFT step, ${rowsOfStep} × ${prompt + answer} tokens`,
      ours.toFixed(0),
      `${(stock / ours).toFixed(1)} ×`,
    ],
    [`generate 32 × (${prompt} + ${answer})`, (await leastAsync(rollout(32), 4)).toFixed(0), ''],
    [`generate 1 × (${prompt} + ${answer})`, (await leastAsync(rollout(1), 6)).toFixed(0), ''],
  ];
  return [
    `### ${device}: milliseconds with stories-neo, and how many times that of stock ops`,
    table(['work', 'ms', 'stock'], rows),
    `### ${device}: where the SFT step's time goes`,
    table(['kernel', 'calls', 'ms'], await profile(step, 6)),
  ].join('\n\n');
}
