// GPT-Neo with LoRA in the API of @jax-js/jax: the step of sft.ts (loss on the completion, clipping by the global norm,
// AdamW) as one jitted function. In jax-js a function owns its arguments: `.ref` keeps one for another use.

import { normals } from '../../src/engine/random';
import { tf } from '../../src/engine/tf';
import { gptNeo } from '../../src/model/architectures/gpt-neo';
import { Adapter } from '../../src/model/lora';
import type { LanguageModel, ModelConfig } from '../../src/model/types';
import type { Contestant, Job } from '../contestant';
import { lora, modelData, tokenRows, training } from '../data';
import { repeats, transposed, type Model, type Work } from '../plan';

/** What is used of jax-js. */
interface JaxArray {
  ref: JaxArray;
  shape: number[];
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray | number): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  div(other: JaxArray | number): JaxArray;
  reshape(shape: number[]): JaxArray;
  transpose(): JaxArray;
  sum(): JaxArray;
  slice(...index: (number | [] | [number, number])[]): JaxArray;
  data(): Promise<Float32Array>;
  dispose(): void;
}
type Tree = Record<string, JaxArray>;
type Device = 'wasm' | 'webgpu';

interface Jax {
  init(device: Device): Promise<Device[]>;
  defaultDevice(device: Device): Device;
  blockUntilReady<T>(arrays: T): Promise<T>;
  jit<A extends unknown[], R>(f: (...args: A) => R): (...args: A) => R;
  valueAndGrad<A extends [Tree, ...unknown[]]>(f: (...args: A) => JaxArray): (...args: A) => [JaxArray, Tree];
  tree: { ref<T>(tree: T): T; dispose(tree: unknown): void };
  numpy: {
    array(values: Float32Array | Int32Array | number[], options?: { shape?: number[] }): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    take(table: JaxArray, ids: JaxArray, axis: number): JaxArray;
    sqrt(x: JaxArray): JaxArray;
    square(x: JaxArray): JaxArray;
    reciprocal(x: JaxArray): JaxArray;
    minimum(x: JaxArray, y: number): JaxArray;
  };
  nn: {
    gelu(x: JaxArray, options: { approximate: boolean }): JaxArray;
    standardize(x: JaxArray, axis: number, options: { epsilon: number }): JaxArray;
    logSoftmax(x: JaxArray, axis: number): JaxArray;
    oneHot(ids: JaxArray, classes: number): JaxArray;
    dotProductAttention(
      q: JaxArray,
      k: JaxArray,
      v: JaxArray,
      options: { scale: number; isCausal: boolean; localWindowSize?: [number, number] },
    ): JaxArray;
  };
}

let jax: Jax;

export const jaxJs: Contestant = {
  async open(backend) {
    const place = '/bench/peers/node_modules/@jax-js/jax/dist/index.js';
    jax = (await import(/* @vite-ignore */ place)) as Jax;
    const opened = await jax.init(backend);
    if (!opened.includes(backend)) throw new Error(`jax-js did not open ${backend}`);
    return jax.defaultDevice(backend);
  },
  prepare: async (work) => (work.kind === 'matmul' ? products(work) : sftSteps(work)),
};

function products({ size, product }: Work): Job {
  const [a, b] = [1, 2].map((seed) =>
    jax.numpy.array(normals(size * size, seed), { shape: [size, size] }),
  ) as [JaxArray, JaxArray];
  const { transposeA, transposeB } = transposed(product);
  const turned = (x: JaxArray, turn: boolean) => (turn ? x.transpose() : x);
  const multiply = jax.jit((x: JaxArray, y: JaxArray) =>
    jax.numpy.matmul(turned(x, transposeA), turned(y, transposeB)),
  );
  return async () => {
    const results = Array.from({ length: repeats }, () => multiply(a.ref, b.ref));
    await jax.blockUntilReady(results);
    jax.tree.dispose(results);
    return [];
  };
}

async function frozen(model: Model): Promise<{ config: ModelConfig; weights: Tree }> {
  const { config, weights } = await modelData(model);
  const tree: Tree = {};
  for (const [key, { values, shape }] of weights) tree[key] = jax.numpy.array(values, { shape });
  return { config, weights: tree };
}

/** The same initial A and B as ours, which do without weights. */
async function initialLora(config: ModelConfig, { model: { name, targets } }: Work): Promise<Tree> {
  const bare: LanguageModel = {
    name,
    architecture: gptNeo,
    config,
    weights: new Map(),
    tokenizer: null,
    parameters: 0,
  };
  await tf.setBackend('cpu'); // of tfjs nothing else is used here
  const adapter = Adapter.create(bare, { ...lora, target_modules: targets }, 1);
  const tree: Tree = {};
  for (const [key, variable] of adapter.variables) {
    tree[key] = jax.numpy.array(Float32Array.from(await variable.data()), { shape: variable.shape });
  }
  adapter.dispose();
  return tree;
}

interface Batch {
  /** int32 [B·T] and, of the completions, [B·R]. */
  ids: JaxArray;
  targets: JaxArray;
}

/** Mean negative log-likelihood of the completions. */
function lossOf(config: ModelConfig, { batch: B, prompt, completion }: Work) {
  const { numpy: np, nn } = jax;
  const { width: C, heads, headDim, layers, windows, vocabulary, epsilon } = config;
  const T = prompt + completion;
  return (adapter: Tree, weights: Tree, { ids, targets }: Batch): JaxArray => {
    const weight = (name: string) => weights[`transformer.${name}`]!;
    const linear = (name: string, x: JaxArray): JaxArray => {
      const full = `transformer.${name}`;
      const [A, B] = [adapter[`${full}.lora_A.weight`], adapter[`${full}.lora_B.weight`]];
      const bias = weights[`${full}.bias`];
      let y = np.matmul(A ? x.ref : x, weight(`${name}.weight`).transpose());
      if (bias) y = y.add(bias);
      if (!A || !B) return y;
      const low = np.matmul(x, A.transpose());
      return y.add(np.matmul(low, B.transpose()).mul(lora.lora_alpha / lora.r));
    };
    const norm = (name: string, x: JaxArray) =>
      nn
        .standardize(x, -1, { epsilon })
        .mul(weight(`${name}.weight`))
        .add(weight(`${name}.bias`));
    const split = (x: JaxArray) => x.reshape([B, T, heads, headDim]);

    const wte = weight('wte.weight');
    const words = np.take(wte.ref, ids, 0).reshape([B, T, C]);
    let x = words.add(weight('wpe.weight').slice([0, T])).reshape([B * T, C]);
    for (let i = 0; i < layers; i++) {
      const h = norm(`h.${i}.ln_1`, x.ref);
      const q = split(linear(`h.${i}.attn.attention.q_proj`, h.ref));
      const k = split(linear(`h.${i}.attn.attention.k_proj`, h.ref));
      const v = split(linear(`h.${i}.attn.attention.v_proj`, h));
      const window = windows[i] ?? 0;
      const local = window > 0 && window < T ? { localWindowSize: [window - 1, 0] as [number, number] } : {};
      const mixed = nn.dotProductAttention(q, k, v, { scale: 1, isCausal: true, ...local });
      x = x.add(linear(`h.${i}.attn.attention.out_proj`, mixed.reshape([B * T, C])));
      const inner = nn.gelu(linear(`h.${i}.mlp.c_fc`, norm(`h.${i}.ln_2`, x.ref)), { approximate: true });
      x = x.add(linear(`h.${i}.mlp.c_proj`, inner));
    }
    const before = norm('ln_f', x)
      .reshape([B, T, C])
      .slice([], [prompt - 1, T - 1]);
    const logits = np.matmul(before.reshape([B * completion, C]), wte.transpose());
    const picked = nn.logSoftmax(logits, -1).mul(nn.oneHot(targets, vocabulary)).sum();
    return picked.mul(-1 / (B * completion));
  };
}

interface State {
  adapter: Tree;
  m: Tree;
  v: Tree;
}

async function sftSteps(work: Work): Promise<Job> {
  const { numpy: np } = jax;
  const { config, weights } = await frozen(work.model);
  const { learning_rate, adam_beta1: beta1, adam_beta2: beta2, adam_epsilon, max_grad_norm } = training;
  const lossAndGradient = jax.valueAndGrad(lossOf(config, work));

  /** `corrections`: 1 − β₁ᵗ and 1 − β₂ᵗ. */
  const step = jax.jit(({ adapter, m, v }: State, base: Tree, batch: Batch, corrections: JaxArray) => {
    const [loss, gradient] = lossAndGradient(jax.tree.ref(adapter), base, batch);
    const names = Object.keys(adapter);
    const squares = names.map((name) => np.square(gradient[name]!.ref).sum()).reduce((a, b) => a.add(b));
    const scale = np.minimum(np.reciprocal(np.sqrt(squares).add(1e-6)).mul(max_grad_norm), 1);
    const next: State = { adapter: {}, m: {}, v: {} };
    const [first, second] = [corrections.ref.slice(0), corrections.slice(1)];
    for (const name of names) {
      const g = gradient[name]!.mul(scale.ref);
      const mean = m[name]!.mul(beta1).add(g.ref.mul(1 - beta1));
      const square = v[name]!.mul(beta2).add(np.square(g).mul(1 - beta2));
      const size = np.sqrt(square.ref.div(second.ref)).add(adam_epsilon);
      next.adapter[name] = adapter[name]!.sub(mean.ref.div(first.ref).div(size).mul(learning_rate));
      next.m[name] = mean;
      next.v[name] = square;
    }
    [scale, first, second].forEach((x) => x.dispose());
    return { loss, next };
  });

  const rows = tokenRows(work);
  const int32 = (values: number[]) => np.array(Int32Array.from(values));
  const batch: Batch = {
    ids: int32(rows.flat()),
    targets: int32(rows.flatMap((ids) => ids.slice(work.prompt))),
  };
  const adapter = await initialLora(config, work);
  const zeros = (): Tree =>
    Object.fromEntries(Object.entries(adapter).map(([name, x]) => [name, x.ref.mul(0)]));
  let state: State = { adapter, m: zeros(), v: zeros() };
  let steps = 0;
  return async () => {
    steps++;
    const corrections = np.array([1 - beta1 ** steps, 1 - beta2 ** steps]);
    const { loss, next } = step(state, jax.tree.ref(weights), jax.tree.ref(batch), corrections);
    state = next;
    await jax.blockUntilReady(next);
    return [(await loss.data())[0] ?? NaN];
  };
}
