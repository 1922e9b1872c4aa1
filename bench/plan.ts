// What is measured: the workloads with their shapes, for the device at hand, and who takes part in each. A software
// adapter gets small shapes, since one step at full size takes minutes there; the labels say what was run.

export type Kind = 'sft' | 'ppo' | 'rollout' | 'decode' | 'load' | 'matmul' | 'copy';

export const peerNames = ['plain', 'jax-js', 'nanogpt', 'transformers'] as const;
export type Peer = (typeof peerNames)[number];
export type Name = 'ours' | Peer;

/** The packages that each is made of, and where they lie. */
export const packages: Record<Name, { folder: string; names: readonly string[] }> = {
  ours: { folder: 'node_modules', names: ['@tensorflow/tfjs'] },
  plain: { folder: 'node_modules', names: ['@tensorflow/tfjs'] },
  'jax-js': { folder: 'bench/peers/node_modules', names: ['@jax-js/jax'] },
  nanogpt: { folder: 'bench/peers/node_modules', names: ['@genai-fi/nanogpt'] },
  transformers: { folder: 'bench/peers/node_modules', names: ['onnxruntime-web'] },
};

/** What a reader of the results must know of each. */
export const notes: Record<Peer, string> = {
  plain:
    'our own code with none of our kernels registered, so that every op is composed of stock tfjs ops; the cache is concatenated. On WebGPU it keeps our sampler and optimizer, whose compositions read numbers back synchronously, for which a software adapter has no canvas.',
  'jax-js': '@jax-js/jax: the same model, rows and step written in its API, as one jitted function.',
  nanogpt:
    '@genai-fi/nanogpt: the LoRA step of its own trainer on its nearest model, from the published bundle, which holds its patched tfjs. RMSNorm without bias for LayerNorm, one matrix for q, k and v (adapted whole), LoRA merged into the weights in every pass, logits of every position, untrained weights; its loss is its own and not compared.',
  transformers:
    'onnxruntime-web, on which transformers.js runs, driven directly with the cache left on the device; the same weights exported to ONNX, without an adapter; loading begins from weights in memory, ours from the files in memory, of which it reads the bundled tokenizer too.',
};

/** A GPT-Neo: the bundled one, or a shape with seeded weights. Fields as in its config.json. */
export interface Model {
  name: string;
  bundled: boolean;
  hidden_size: number;
  num_layers: number;
  num_heads: number;
  vocab_size: number;
  max_position_embeddings: number;
  window_size: number;
  /** What LoRA (rank 8, alpha 16) adapts. */
  targets: string[];
}

/** Products and copies in one run, so that waiting for the device weighs little. */
export const repeats = 8;

/** Which of A [M, K] and B [K, N] lie transposed: a training step needs the products of both ways of lying. */
export const products = ['A·B', 'A·Bᵀ', 'Aᵀ·B', 'Aᵀ·Bᵀ'] as const;
export type Product = (typeof products)[number];

export const transposed = (product: Product) => ({
  transposeA: product.startsWith('Aᵀ'),
  transposeB: product.endsWith('Bᵀ'),
});

/** `batch` rows of `prompt` + `completion` tokens of a model; for matmul, `size` squared, and for copy, `size` MB. */
export interface Work {
  kind: Kind;
  product: Product;
  model: Model;
  batch: number;
  prompt: number;
  completion: number;
  size: number;
}

export interface Entry extends Work {
  label: string;
  who: readonly Name[];
  /** Those asked for who take no part, and why. */
  absent: readonly { name: Name; why: string }[];
  /** Repeated for about so long. */
  seconds: number;
  /** Rows of one group are printed as one table. */
  group: 'workloads' | 'block' | 'growth' | 'ceiling';
}

export type Scale = 'quick' | 'wasm' | 'software' | 'hardware';

const storiesNeo: Model = {
  name: 'stories-neo',
  bundled: true,
  hidden_size: 256,
  num_layers: 6,
  num_heads: 8,
  vocab_size: 4096,
  max_position_embeddings: 512,
  window_size: 128,
  targets: ['q_proj', 'v_proj', 'c_fc', 'c_proj'],
};

const neo125: Model = {
  name: 'gpt-neo-125m',
  bundled: false,
  hidden_size: 768,
  num_layers: 12,
  num_heads: 12,
  vocab_size: 50257,
  max_position_embeddings: 2048,
  window_size: 256,
  targets: ['q_proj', 'v_proj'],
};

/** stories-neo's make in other sizes. */
const sized = (name: string, width: number, layers: number, vocabulary: number): Model => ({
  ...storiesNeo,
  name,
  bundled: false,
  hidden_size: width,
  num_layers: layers,
  num_heads: Math.max(2, width / 32),
  vocab_size: vocabulary,
  max_position_embeddings: 1024,
  window_size: 256,
});

const tiny = sized('a tiny model', 64, 2, 512);

/** Blocks of 125M that a software adapter runs: their difference gives a block, from which twelve follow. */
export const blockCounts = [1, 4] as const;

type Rows = [batch: number, prompt: number, completion: number];

interface Sizes {
  models: Model[];
  sft: Rows;
  ppo: Rows;
  rollout: Rows;
  decode: Rows;
  matmul: number;
  copy: number;
}

const sizes: Record<Scale, Sizes> = {
  // prettier-ignore
  quick: { models: [tiny], sft: [1, 16, 16], ppo: [2, 8, 8], rollout: [4, 8, 8], decode: [1, 8, 8], matmul: 128, copy: 4 },
  // prettier-ignore
  wasm: { models: [storiesNeo], sft: [8, 64, 64], ppo: [4, 64, 40], rollout: [16, 64, 40], decode: [1, 64, 40], matmul: 1024, copy: 64 },
  // prettier-ignore
  software: { models: [storiesNeo], sft: [1, 64, 64], ppo: [2, 16, 16], rollout: [16, 16, 16], decode: [1, 16, 32], matmul: 512, copy: 64 },
  // prettier-ignore
  hardware: { models: [storiesNeo, neo125], sft: [8, 64, 64], ppo: [32, 64, 40], rollout: [16, 64, 40], decode: [1, 64, 64], matmul: 4096, copy: 256 },
};

/** Why someone cannot do something, on one backend or both; null where they can. */
const inability: Record<Name, (kind: Kind, backend: 'wasm' | 'webgpu') => string | null> = {
  ours: () => null,
  plain: (kind) => (kind === 'copy' ? 'a copy passes no op of tfjs' : null),
  'jax-js': (kind) =>
    kind === 'sft' || kind === 'matmul'
      ? null
      : 'a library of arrays, without sampler, cache or PPO: only the SFT step is written in its API',
  nanogpt: (kind, backend) => {
    if (backend === 'wasm') return 'it has no wasm backend';
    return kind === 'sft' ? null : 'its model is another, so that only the cost of a training step compares';
  },
  transformers: (kind) =>
    kind === 'rollout' || kind === 'decode' || kind === 'load'
      ? null
      : 'onnxruntime-web is for inference only',
};

interface Asked {
  scale: Scale;
  backend: 'wasm' | 'webgpu';
  names: readonly Name[];
  /** The whole ranges of growth, of every kind: batch 1 … 64, length 64 … 1024, 1M … 125M. Else of SFT steps, some. */
  long: boolean;
}

export function plan({ scale, backend, names, long }: Asked): Entry[] {
  const { models, matmul, copy, ...shapes } = sizes[scale];
  const entries: Entry[] = [];
  const add = ({ only, ...entry }: Omit<Entry, 'who' | 'absent' | 'label'> & { only?: readonly Name[] }) => {
    const why = (name: Name) =>
      inability[name](entry.kind, backend) ??
      (only && !only.includes(name) ? 'at this size it takes minutes, or is not asked for' : null);
    const reasons = names.map((name) => ({ name, why: why(name) }));
    entries.push({
      ...entry,
      label: labelOf(entry),
      who: reasons.filter((reason) => reason.why === null).map(({ name }) => name),
      absent: reasons.flatMap((reason) => (reason.why === null ? [] : [{ ...reason, why: reason.why }])),
    });
  };
  const rows = ([batch, prompt, completion]: Rows) => ({
    product: 'A·B' as const,
    batch,
    prompt,
    completion,
    size: 0,
  });
  const seconds = { quick: 1, wasm: 8, software: 6, hardware: 8 }[scale];

  const device = { ...rows([0, 0, 0]), model: models[0]!, seconds: seconds / 4, group: 'ceiling' as const };
  for (const product of products) add({ ...device, kind: 'matmul', product, size: matmul });
  add({ ...device, kind: 'copy', size: copy });

  // plain tfjs needs minutes for 125M without a GPU. Twelve blocks follow from a difference, which wants more rounds.
  const large: readonly Name[] = ['ours', 'jax-js'];
  if (scale === 'software') {
    for (const num_layers of blockCounts) {
      const name = `gpt-neo-125m, ${num_layers} of 12 blocks`;
      const model = { ...neo125, name, num_layers };
      add({ kind: 'sft', model, ...rows([1, 32, 32]), seconds: 3 * seconds, group: 'block', only: large });
    }
  }

  // The full batch is ours alone: stock ops take minutes for it.
  const full = rows([32, 64, 40]);
  if (scale === 'wasm') {
    add({ kind: 'ppo', model: storiesNeo, ...full, seconds, group: 'workloads', only: ['ours'] });
  }
  for (const model of models) {
    for (const kind of ['sft', 'ppo', 'rollout', 'decode'] as const) {
      add({ kind, model, ...rows(shapes[kind]), seconds, group: 'workloads' });
    }
  }
  for (const model of models) {
    add({ kind: 'load', model, ...rows([1, 1, 1]), seconds: seconds / 3, group: 'workloads' });
  }
  if (scale === 'wasm') {
    add({ kind: 'sft', model: neo125, ...rows([4, 64, 64]), seconds, group: 'workloads', only: large });
    add({ kind: 'ppo', model: neo125, ...rows([4, 64, 40]), seconds, group: 'workloads', only: large });
  }

  const growing: readonly Name[] = ['ours', 'jax-js', 'transformers'];
  for (const { kind, model, shape } of growth(scale, long)) {
    add({ kind, model, ...rows(shape), seconds: seconds / 6, group: 'growth', only: growing });
  }
  return entries.filter(({ who }) => who.length > 0);
}

interface Point {
  kind: Kind;
  model: Model;
  shape: Rows;
}

/** For each kind, the points of its curves, which meet in one: a stream has one row, and loading no rows at all. */
function growth(scale: Scale, long: boolean): Point[] {
  const halves = (batch: number, length: number): Rows => [batch, length / 2, length / 2];
  if (scale === 'quick') return [{ kind: 'sft', model: tiny, shape: halves(2, 32) }];
  const batches = long ? [2, 4, 8, 16, 32, 64] : [4];
  const lengths = long ? [128, 256, 512, 1024] : [256];
  const base = sized('7M', 256, 6, 8192);
  const models = [sized('1M', 96, 4, 4096), sized('3M', 192, 5, 4096)];
  if (long) models.push(sized('33M', 512, 8, 16384), { ...neo125, name: '125M' });
  const kinds = long ? (['sft', 'ppo', 'rollout', 'decode', 'load'] as const) : (['sft'] as const);
  return kinds.flatMap((kind) => {
    const least: Rows = kind === 'load' ? [1, 1, 1] : halves(1, 64);
    const shapes = [least];
    if (kind !== 'load' && kind !== 'decode') shapes.push(...batches.map((batch) => halves(batch, 64)));
    if (kind !== 'load') shapes.push(...lengths.map((length) => halves(1, length)));
    return [
      ...shapes.map((shape) => ({ kind, model: base, shape })),
      ...models.map((model) => ({ kind, model, shape: least })),
    ];
  });
}

function labelOf({ kind, model, product, batch, prompt, completion, size }: Work): string {
  const { name } = model;
  const tokens = `${batch} × (${prompt} + ${completion})`;
  switch (kind) {
    case 'sft':
      return `LoRA SFT step, ${name}, ${tokens}`;
    case 'ppo':
      return `PPO update of 2 epochs, ${name}, ${tokens}`;
    case 'rollout':
      return `rollout, ${name}, ${tokens}`;
    case 'decode':
      return `single stream, ${name}, ${tokens}`;
    case 'load':
      return `load ${name} to its first token`;
    case 'matmul':
      return `${repeats} matmuls ${product}, ${size} × ${size} × ${size}`;
    case 'copy':
      return `${repeats} copies of ${size} MB`;
  }
}
