// The memory formula against what tensors take on the heap, for every architecture and way of training, and what the budget
// makes of the rows of an experiment.

import { beforeAll, describe, expect, test } from 'vitest';
import { watchAllocations } from '../../tests/allocations';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { tf } from '../engine/tf';
import { ARCHITECTURES } from '../model/architectures';
import { disposeModel, loadModel } from '../model/load';
import { completionLogprobs } from '../model/logprobs';
import { Adapter } from '../model/lora';
import { writeSafetensors } from '../model/safetensors';
import { shapeOf } from '../model/shape';
import type { LanguageModel } from '../model/types';
import type { LoraSettings } from '../shared/experiment';
import { memoryBudget, type RowLengths } from '../shared/memory-budget';
import { activationBytes, adapterParameters } from '../shared/memory-formula';
import { parseExperiment } from '../shared/validate';
import { sftLoss } from '../train/losses';
import { accumulateGradients } from '../train/optimizer';
import { budgetOf } from './budget';

beforeAll(async () => {
  await openDevice('wasm');
});

/** config.json of a model of C channels and L blocks. */
const CONFIGS: Record<string, (C: number, L: number, V: number) => Record<string, unknown>> = {
  'GPT-Neo': (C, L, V) => ({
    ...{ model_type: 'gpt_neo', hidden_size: C, num_layers: L, num_heads: 4, vocab_size: V },
    ...{ attention_types: [[['global', 'local'], L / 2]], window_size: 16, max_position_embeddings: 64 },
    ...{ activation_function: 'gelu_new', layer_norm_epsilon: 1e-5 },
  }),
  'GPT-2': (C, L, V) => ({
    ...{ model_type: 'gpt2', n_embd: C, n_layer: L, n_head: 4, vocab_size: V, n_positions: 64 },
  }),
  'GPT-NeoX': (C, L, V) => ({
    ...{
      model_type: 'gpt_neox',
      hidden_size: C,
      num_hidden_layers: L,
      num_attention_heads: 4,
      vocab_size: V,
    },
    ...{ intermediate_size: 4 * C, max_position_embeddings: 64, rotary_pct: 0.25, hidden_act: 'gelu' },
  }),
  Llama: (C, L, V) => ({ ...llama(C, L, V), num_key_value_heads: 4 }),
  'Llama, grouped heads': (C, L, V) => ({ ...llama(C, L, V), num_key_value_heads: 1 }),
};
const llama = (C: number, L: number, V: number) => ({
  ...{ model_type: 'llama', hidden_size: C, num_hidden_layers: L, num_attention_heads: 4, vocab_size: V },
  ...{ intermediate_size: 3 * C, max_position_embeddings: 64, tie_word_embeddings: true },
});

/** A model of equal weights. */
function modelOf(config: Record<string, unknown>): Promise<LanguageModel> {
  const architecture = ARCHITECTURES.get(String(config['model_type']))!;
  const shapes = architecture.parameters(architecture.parseConfig(config, 'config.json'));
  const tensors = Array.from(shapes, ([name, shape]) => {
    const size = tf.util.sizeFromShape(shape);
    return [name, { shape, values: new Float32Array(size).fill(0.01) }] as const;
  });
  const files: Record<string, Uint8Array> = {
    'config.json': new TextEncoder().encode(JSON.stringify(config)),
    'model.safetensors': writeSafetensors(new Map(tensors)),
  };
  return loadModel('made', (path) => Promise.resolve(files[path] ?? null));
}

const LORA: LoraSettings = {
  ...{ r: 8, lora_alpha: 16, lora_dropout: 0, use_rslora: false, target_modules: [] },
};
const [BATCH, LENGTH] = [8, 32];

/** Bytes on the heap at the most while gradients of one batch are computed, and what the formula says. */
function gradients(loaded: LanguageModel, gradientCheckpointing: boolean, way: Partial<LoraSettings>) {
  const model = { ...loaded, gradientCheckpointing };
  const shape = shapeOf(model);
  const names = shape.linears.map(({ name }) => name.slice(name.lastIndexOf('.') + 1));
  const target_modules = names.includes('q_proj') ? ['q_proj', 'v_proj'] : [names[0]!];
  const settings = { ...LORA, target_modules, ...way };
  const adapter = Adapter.create(model, settings, 1);
  const tokens = BATCH * LENGTH;
  const batch = {
    ids: Int32Array.from({ length: tokens }, (_, i) => 16 * Math.floor(i / LENGTH) + (i % 7)), // rows that share nothing
    mask: new Int32Array(tokens).fill(1),
    completion: Int32Array.from({ length: tokens }, (_, i) => Number(i % LENGTH >= LENGTH / 2)),
    batch: BATCH,
    length: LENGTH,
  };
  const loss = () => sftLoss(completionLogprobs(model, adapter, batch, { temperature: 1 }).logprobs, 1);
  const compute = () => tf.dispose(accumulateGradients(loss, [...adapter.variables.values()], null));
  compute(); // kernels take the memory they work in
  const watch = watchAllocations();
  compute();
  const taken = watch.peak();
  watch.stop();
  adapter.dispose();
  const own = 4 * adapterParameters(shape, settings, false); // the gradients are counted with the adapter
  const told = activationBytes(shape, settings, { tokens, rows: tokens / 2 }, gradientCheckpointing);
  return (told + own) / taken;
}

describe.each(Object.entries(CONFIGS))('%s', (_, config) => {
  test.each([
    [64, 4, 128],
    [64, 4, 2048],
  ])('of %i channels, %i blocks and %i tokens takes what is told', { timeout: 30_000 }, async (C, L, V) => {
    const model = await modelOf(config(C, L, V));
    const ways = [{}, { r: 1 }, { use_dora: true }, { use_peft: false }];
    for (const checkpointing of [false, true]) {
      for (const way of ways) {
        const ratio = gradients(model, checkpointing, way);
        expect.soft(Math.abs(ratio - 1), JSON.stringify([way, checkpointing, ratio])).toBeLessThan(0.15);
      }
    }
    disposeModel(model);
  });
});

describe('the rows of an experiment', () => {
  const files: Record<string, string> = {
    'sft.jsonl': '{"prompt_ids": [1, 2], "completion_ids": [3, 4, 5]}\n',
    'sft.csv': `prompt,completion\nab,c\nabcdef,"one\n${'x'.repeat(40)}"\n`,
    'pairs.jsonl': '{"prompt": "abc", "chosen": "defg", "rejected": "h"}\n',
    'prompts.jsonl': '{"prompt": "abcdefgh"}\n',
    'broken.jsonl': 'no rows at all\n',
  };
  const read = ({ path }: { path: string }) =>
    Promise.resolve(path in files ? new TextEncoder().encode(files[path]) : null);
  const still = { eval_fraction: 0, early_stopping_patience: null, per_device_train_batch_size: 4 };

  /** What the budget is, and what it is where rows are as long as expected. */
  async function budgets(data: object, stages: object[], expected: Partial<RowLengths>[]) {
    const model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
    const given = { format: 1, data, stages, lora: { ...LORA, target_modules: ['q_proj'] } };
    const { experiment } = parseExperiment(JSON.stringify(given), 'x.json');
    const found = await budgetOf(model, experiment, read, null);
    const lengths = expected.map(({ prompt = 1, whole = 1, completion = whole - prompt, rows = 1 }) => ({
      ...{ prompt, whole, completion, rows },
    }));
    disposeModel(model);
    return { found: found.stages, expected: memoryBudget(shapeOf(model), experiment, lengths) };
  }

  test('are measured stage by stage, with what the stage writes', async () => {
    const ppo = {
      ...{ kind: 'ppo', response_length: 30, reward: { kind: 'tokens', weights: { a: 1 } } },
      ...{ per_device_train_batch_size: 4, total_episodes: 8, num_mini_batches: 1 },
    };
    const all = await budgets(
      { sft: 'sft.csv', preferences: 'pairs.jsonl', prompts: 'prompts.jsonl' },
      [{ kind: 'sft', ...still }, ppo],
      [
        { prompt: 6, whole: 6 + 44 + 1, rows: 2 }, // a token a character here, and the end token
        { prompt: 8, whole: 38 },
      ],
    );
    expect(all.found).toEqual(all.expected);
  });

  test('count as two for a pair', async () => {
    const pairs = await budgets(
      { sft: 'sft.jsonl', preferences: 'pairs.jsonl' },
      [
        { kind: 'sft', ...still, per_device_train_batch_size: 1 },
        { kind: 'reward', ...still, per_device_train_batch_size: 1, normalise_samples: 2 },
      ],
      [
        { whole: 5, prompt: 2 },
        { whole: 8, prompt: 3, rows: 2 },
      ],
    );
    expect(pairs.found).toEqual(pairs.expected);
    const [sft, reward] = pairs.found;
    // Two sides of eight tokens, of which three are in common.
    expect(reward!.activations).toBeGreaterThan(1.5 * sft!.activations);
  });

  test('that cannot be read are left to the stage', async () => {
    const { found, expected } = await budgets(
      { sft: 'broken.jsonl' },
      [{ kind: 'sft', ...still }],
      [{ completion: 1 }],
    );
    expect(found).toEqual(expected);
  });
});
