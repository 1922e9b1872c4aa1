// Models one can have by name: what each is, how much there is to fetch, and what it asks of the machine. Sizes follow
// from shapes alone; presets.test.ts holds them to the architectures' own.

export interface Preset {
  /** As an experiment names it. */
  source: string;
  label: string;
  about: string;
  parameters: number;
  /** Bytes to fetch; 0 for one that comes with the site. */
  download: number;
  family: Family;
}

/** What LoRA can adapt in the models of a kind, and what it adapts unless told otherwise. */
interface Family {
  layers: readonly string[];
  targets: readonly string[];
}

const GPT_NEO: Family = {
  layers: ['q_proj', 'k_proj', 'v_proj', 'out_proj', 'c_fc', 'c_proj'],
  targets: ['q_proj', 'v_proj', 'c_fc', 'c_proj'],
};
const GPT_2: Family = { layers: ['c_attn', 'c_fc', 'c_proj'], targets: ['c_attn', 'c_fc', 'c_proj'] };
const GPT_NEOX: Family = {
  layers: ['query_key_value', 'dense', 'dense_h_to_4h', 'dense_4h_to_h'],
  targets: ['query_key_value', 'dense_h_to_4h', 'dense_4h_to_h'],
};
const LLAMA: Family = {
  layers: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  targets: ['q_proj', 'v_proj', 'up_proj', 'down_proj'],
};

/** Bytes as published: every number in 4 bytes (or 2), and causal masks that some layers keep as tensors. */
const published = (parameters: number, each: 2 | 4, masks = 0): number => each * parameters + masks;
/** A mask of GPT-Neo and GPT-NeoX, a byte for each pair of 2048 places; GPT-2's has four for each of 1024. */
const MASK = 2048 ** 2;

export const PRESETS: readonly Preset[] = [
  {
    source: 'bundled:stories-neo',
    label: 'Stories Neo',
    about: 'Trained for this playground on simple stories; quick on any laptop.',
    parameters: 5_914_112,
    download: 0,
    family: GPT_NEO,
  },
  {
    source: 'hf:roneneldan/TinyStories-33M',
    label: 'TinyStories 33M',
    about: 'Children’s stories, more fluently; of the same family as the bundled one.',
    parameters: 68_514_048,
    download: published(68_514_048, 4, 4 * MASK),
    family: GPT_NEO,
  },
  {
    source: 'hf:EleutherAI/gpt-neo-125m',
    label: 'GPT-Neo 125M',
    about: 'General English from the Pile: writes about anything, and wanders.',
    parameters: 125_198_592,
    download: published(125_198_592, 4, 6 * MASK),
    family: GPT_NEO,
  },
  {
    source: 'hf:distilbert/distilgpt2',
    label: 'DistilGPT-2',
    about: 'A smaller GPT-2, taught by the larger one.',
    parameters: 81_912_576,
    download: published(81_912_576, 4, 6 * MASK),
    family: GPT_2,
  },
  {
    source: 'hf:openai-community/gpt2',
    label: 'GPT-2',
    about: 'The 2019 original; most papers on small-scale RLHF used it.',
    parameters: 124_439_808,
    download: published(124_439_808, 4, 12 * MASK),
    family: GPT_2,
  },
  {
    source: 'hf:EleutherAI/pythia-70m',
    label: 'Pythia 70M',
    about: 'GPT-NeoX at its smallest, from a suite made for study.',
    parameters: 70_426_624,
    download: published(70_426_624, 2, 6 * MASK),
    family: GPT_NEOX,
  },
  {
    source: 'hf:HuggingFaceTB/SmolLM-135M',
    label: 'SmolLM 135M',
    about: 'A Llama in small, from 2024, trained on far more text than the others.',
    parameters: 134_515_008,
    download: published(134_515_008, 2),
    family: LLAMA,
  },
];

/** Layers of a model that can be adapted, as far as it is known by name. */
export function layersOf(source: string): readonly string[] {
  return PRESETS.find((preset) => preset.source === source)?.family.layers ?? [];
}

/** The layers to adapt in another model: those adapted so far where it has them all, else what suits its kind. */
export function targetsFor(source: string, present: readonly string[]): string[] {
  const { layers, targets } = PRESETS.find((preset) => preset.source === source)?.family ?? {
    layers: present,
    targets: present,
  };
  return present.every((name) => layers.includes(name)) ? [...present] : [...targets];
}

/** What the weights of a model need, in a sentence. */
export function needs(parameters: number): string {
  const megabytes = (4 * parameters) / 1e6;
  if (megabytes < 100) return 'It runs on the CPU.';
  return `Its weights take ${Math.ceil(megabytes / 100) * 100} MB of memory; it wants a GPU, and a CPU is slow with it.`;
}
