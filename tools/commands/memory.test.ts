import { expect, test } from 'vitest';
import { ARCHITECTURES } from '../../src/model/architectures/index.ts';
import { shapeFromConfig } from '../../src/model/shape.ts';
import {
  activationBytes,
  adapterParameters,
  fitting,
  memoryBudget,
  weightBytes,
} from '../../src/shared/memory-budget.ts';
import type { Stage } from '../../src/shared/experiment.ts';
import { defaultStage, parseExperiment } from '../../src/shared/validate.ts';
import { budgetTable } from './memory.ts';
import { presets } from './model-presets.ts';

function shape(preset: keyof typeof presets) {
  const config: Record<string, unknown> = presets[preset];
  const architecture = ARCHITECTURES.get(config['model_type'] as string)!;
  return shapeFromConfig(architecture, architecture.parseConfig(config, 'config.json'));
}

const lora = {
  r: 8,
  lora_alpha: 16,
  lora_dropout: 0,
  target_modules: ['q_proj', 'v_proj'],
  use_rslora: false,
};
const { experiment } = parseExperiment(
  '{"format": 1, "data": {"sft": "a.jsonl"}, "stages": [{"kind": "sft", "per_device_train_batch_size": 8}]}',
  'x.json',
);

test('weights and adapters of GPT-Neo 125M are what is published of it', () => {
  const neo = shape('gpt-neo-125m');
  expect(weightBytes(neo)).toBe(125_198_592 * 4);
  expect(adapterParameters(neo, lora, false)).toBe(294_912);
  const unpacked = 4 * 12 * 768 * 768;
  const linears = 12 * 12 * 768 * 768;
  expect(weightBytes(neo, 'nf4')).toBeCloseTo(
    (125_198_592 - linears) * 4 + (linears * 4.5) / 8 + unpacked,
    0,
  );
});

test('GPT-Neo 125M trains on 8 × 128 tokens in 1.2 GB with float16 and in 0.8 GB with NF4', () => {
  const neo = shape('gpt-neo-125m');
  const total = (quantization: 'float16' | 'nf4') =>
    memoryBudget(neo, { ...experiment, quantization }, { prompt: 64, whole: 128 })[0]!.total;
  expect(total('float16')).toBeLessThan(1.2e9);
  expect(total('nf4')).toBeLessThan(0.8e9);
});

test('checkpointing keeps a fraction, and begins by itself where much would be kept', () => {
  const neo = shape('gpt-neo-125m');
  const step = { tokens: 1024, rows: 512 };
  expect(activationBytes(neo, lora, step, true) / activationBytes(neo, lora, step)).toBeLessThan(0.25);
  const activations = (gradient_checkpointing: 'auto' | 'on' | 'off', whole: number) =>
    memoryBudget(neo, { ...experiment, gradient_checkpointing }, { prompt: 16, whole })[0]!.activations;
  expect(activations('auto', 128)).toBe(activations('on', 128));
  expect(activations('auto', 16)).toBe(activations('off', 16));
});

test('what does not fit is answered with settings that do', () => {
  const smol = shape('smollm-360m');
  const longest = { prompt: 64, whole: 256 };
  const limit = 1.2e9;
  expect(memoryBudget(smol, experiment, longest)[0]!.total).toBeGreaterThan(limit);
  const fits = fitting(smol, experiment, limit, longest)!;
  expect(memoryBudget(smol, fits, longest)[0]!.total).toBeLessThanOrEqual(limit);
  expect(fits).toMatchObject({ quantization: 'int8', gradient_checkpointing: 'auto' });
  const larger = { ...fits, quantization: 'float16' as const };
  expect(memoryBudget(smol, larger, longest)[0]!.total).toBeGreaterThan(limit);
  expect(fitting(smol, experiment, 1e8, longest)).toBeNull();
  const off = { ...experiment, gradient_checkpointing: 'off' as const };
  expect(fitting(smol, off, limit, longest)).toMatchObject({ gradient_checkpointing: 'on' });
});

test('only the stage that is too large gets smaller batches', () => {
  const [sft] = experiment.stages;
  const rows = { per_device_train_batch_size: 1024, gradient_accumulation_steps: 1, total_episodes: 4096 };
  const grpo = { ...defaultStage('grpo'), ...rows, max_completion_length: 400 } as Stage;
  const fits = fitting(shape('stories-neo'), { ...experiment, stages: [sft!, grpo] }, 5e9, {
    prompt: 100,
    whole: 500,
  })!;
  expect(fits.stages).toEqual([sft, { ...grpo, per_device_train_batch_size: 512 }]);
  expect(fits).toMatchObject({ gradient_checkpointing: experiment.gradient_checkpointing });
});

test('the table has a line a stage', () => {
  const lines = budgetTable(memoryBudget(shape('stories-neo'), experiment)).split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/^sft +23\.7 /);
});
