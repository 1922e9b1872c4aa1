// Generation by onnxruntime-web, on which transformers.js runs: driven directly, with the cache left on the GPU and a
// sampler that costs as little as ours does on the host, so that nothing of transformers.js itself is in the way. The
// model is the same, exported by onnx/gpt-neo.ts; an adapter would have to be merged, so a rollout is the bare model's.

import { sampleReference } from '../../src/engine/ops/sample';
import { uniform } from '../../src/engine/random';
import { mean } from '../../src/train/state';
import type { Contestant, Job } from '../contestant';
import { modelData, tokenRows, type ModelData } from '../data';
import { exportGptNeo } from '../onnx/gpt-neo';
import type { Work } from '../plan';

/** What is used of onnxruntime-web. */
interface Tensor {
  data: Float32Array;
  getData(releaseData?: boolean): Promise<Float32Array>;
  dispose(): void;
}
type Tensors = Record<string, Tensor>;
interface Session {
  run(feeds: Tensors): Promise<Tensors>;
  release(): Promise<void>;
}
interface Runtime {
  env: { wasm: { wasmPaths: string; numThreads: number } };
  Tensor: new (
    type: 'float32' | 'int64',
    data: Float32Array | BigInt64Array,
    shape: readonly number[],
  ) => Tensor;
  InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
}

let ort: Runtime;
let provider: 'wasm' | 'webgpu';

export const transformers: Contestant = {
  async open(backend) {
    provider = backend;
    const place = '/bench/peers/node_modules/onnxruntime-web/dist/';
    const file = backend === 'webgpu' ? 'ort.webgpu.min.mjs' : 'ort.wasm.min.mjs';
    ort = (await import(/* @vite-ignore */ `${place}${file}`)) as Runtime;
    ort.env.wasm.wasmPaths = place;
    ort.env.wasm.numThreads = globalThis.navigator.hardwareConcurrency;
    return backend === 'webgpu' ? 'its WebGPU provider' : `${ort.env.wasm.numThreads} threads`;
  },

  async prepare(work) {
    if (work.kind === 'load') return loads(work);
    const data = await modelData(work.model);
    const session = await open(data);
    return () => generate(session, data, work);
  },
};

function open(data: ModelData): Promise<Session> {
  const { graph, weights } = exportGptNeo(data);
  return ort.InferenceSession.create(graph, {
    executionProviders: [provider],
    externalData: [weights],
    graphOptimizationLevel: 'all',
    preferredOutputLocation: Object.fromEntries(
      Array.from({ length: data.config.layers }, (_, i) => [`present.${i}.key`, `present.${i}.value`])
        .flat()
        .map((name) => [name, provider === 'webgpu' ? 'gpu-buffer' : 'cpu']),
    ),
  });
}

/** From the weights in memory, not over the network. */
async function loads(work: Work): Promise<Job> {
  const data = await modelData(work.model);
  return async () => {
    const session = await open(data);
    const first = { ...work, batch: 1, prompt: 1, completion: 1 };
    const result = await generate(session, data, first, [[1]], 0);
    await session.release();
    return result;
  };
}

const longs = (values: ArrayLike<number>, shape: readonly number[]): Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(Array.from(values, BigInt)), shape);

/** Mean log-probability of each row's new tokens; the draws are the ones ours makes. */
async function generate(
  session: Session,
  { config }: ModelData,
  { batch, prompt, completion, ...rest }: Work,
  prompts = tokenRows({ batch, prompt, completion, ...rest }).map((ids) => ids.slice(0, prompt)),
  temperature = 1,
): Promise<number[]> {
  const { layers, heads, headDim, windows, vocabulary } = config;
  const names = Array.from({ length: layers }, (_, i) => [`${i}.key`, `${i}.value`]).flat();
  const empty = (): Tensor => new ort.Tensor('float32', new Float32Array(0), [batch, heads, 0, headDim]);
  let past: Tensors = Object.fromEntries(names.map((name) => [`past.${name}`, empty()]));
  let ids: ArrayLike<number> = prompts.flat();
  let length = prompt; // of what is read now
  let seen = 0;
  const logprobs = prompts.map((): number[] => []);
  for (let t = 0; t < completion; t++) {
    const slots = seen + length;
    const positions = Array.from({ length: batch * length }, (_, i) => seen + (i % length));
    const masks = [...new Set(windows)].map((window): [string, Tensor] => {
      const values = new Float32Array(length * slots);
      for (let i = 0; i < length; i++) {
        for (let j = 0; j < slots; j++) {
          const visible = j <= seen + i && (window === 0 || j > seen + i - window);
          if (!visible) values[i * slots + j] = -1e9;
        }
      }
      return [`mask.${window}`, new ort.Tensor('float32', values, [1, 1, length, slots])];
    });
    const results = await session.run({
      input_ids: longs(ids, [batch, length]),
      position_ids: longs(positions, [batch, length]),
      ...Object.fromEntries(masks),
      ...past,
    });
    for (const tensor of Object.values(past)) tensor.dispose();
    past = Object.fromEntries(names.map((name) => [`past.${name}`, results[`present.${name}`]!]));
    const logits = await results['logits']!.getData(true);
    const draws = Float32Array.from(prompts, (_, row) => uniform(1, row, t));
    const drawn = sampleReference(logits, vocabulary, draws, { temperature, topK: 0, topP: 1, bannedId: -1 });
    drawn.logprobs.forEach((logprob, row) => logprobs[row]!.push(logprob));
    ids = drawn.ids;
    seen += length;
    length = 1;
  }
  for (const tensor of Object.values(past)) tensor.dispose();
  return logprobs.map(mean);
}
