import { expect, test } from 'vitest';
import { ARCHITECTURES } from '../../src/model/architectures/index.ts';
import { shapeFromConfig } from '../../src/model/shape.ts';
import { fitting, memoryBudget, type RowLengths } from '../../src/shared/memory-budget.ts';
import { activationBytes, adapterParameters, weightBytes } from '../../src/shared/memory-formula.ts';
import { contradictions } from '../../src/shared/contradictions.ts';
import type { Experiment, Stage, StageOf } from '../../src/shared/experiment.ts';
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

/** Rows of that length for one stage, or for several. */
const rows = (prompt: number, whole: number, stages = 1): RowLengths[] =>
  Array.from({ length: stages }, () => ({ prompt, completion: whole - prompt, whole, rows: 1000 }));

test('weights and adapters of GPT-Neo 125M are what is published of it', () => {
  const neo = shape('gpt-neo-125m');
  expect(weightBytes(neo)).toBe(125_198_592 * 4);
  expect(adapterParameters(neo, lora, false)).toBe(294_912);
  const linears = 12 * 12 * 768 * 768;
  expect(weightBytes(neo, 'nf4')).toBeCloseTo((125_198_592 - linears) * 4 + (linears * 4.5) / 8, 0);
  const [bits, codes] = [4 + (8 + 32 / 256) / 64, 72 * 257 * 4]; // of 72 matrices
  const double = (125_198_592 - linears) * 4 + (linears * bits) / 8 + codes;
  expect(weightBytes(neo, 'nf4_double')).toBeCloseTo(double, 0);
});

test('GPT-Neo 125M trains on 8 × 128 tokens in 1.2 GB with float16 and in 0.8 GB with NF4', () => {
  const neo = shape('gpt-neo-125m');
  const total = (quantization: 'float16' | 'nf4') =>
    memoryBudget(neo, { ...experiment, quantization }, rows(64, 128))[0]!.total;
  expect(total('float16')).toBeLessThan(1.2e9);
  expect(total('nf4')).toBeLessThan(0.8e9);
});

test('checkpointing keeps a fraction, and begins by itself where much would be kept', () => {
  const neo = shape('gpt-neo-125m');
  const step = { tokens: 1024, rows: 512 };
  expect(activationBytes(neo, lora, step, true) / activationBytes(neo, lora, step)).toBeLessThan(0.25);
  const activations = (gradient_checkpointing: 'auto' | 'on' | 'off', whole: number) =>
    memoryBudget(neo, { ...experiment, gradient_checkpointing }, rows(16, whole))[0]!.activations;
  expect(activations('auto', 128)).toBe(activations('on', 128));
  expect(activations('auto', 16)).toBe(activations('off', 16));
});

test('what does not fit is answered with settings that do', () => {
  const smol = shape('smollm-360m');
  const longest = rows(64, 256);
  const fits = (limit: number, of = experiment) => {
    const found = fitting(smol, of, limit, longest);
    if (found) expect(memoryBudget(smol, found, longest)[0]!.total).toBeLessThanOrEqual(limit);
    return found;
  };
  const whole = memoryBudget(smol, experiment, longest)[0]!.total;
  expect(fits(whole)).toEqual(experiment);
  // Nothing changes a number while parts of the batch do …
  const cut = fits(2e9)!;
  expect(cut.quantization).toBe(experiment.quantization);
  const [stage, was] = [cut.stages[0] as StageOf<'sft'>, experiment.stages[0] as StageOf<'sft'>];
  expect(stage.per_device_train_batch_size).toBeLessThan(was.per_device_train_batch_size);
  expect(stage.per_device_train_batch_size * stage.gradient_accumulation_steps).toBe(8);
  // … then weights are packed no more than it needs.
  expect(fits(1.4e9)?.quantization).toBe('float16');
  expect(fits(1.15e9)?.quantization).toBe('int8');
  expect(fits(1e8)).toBeNull();
  const off = { ...experiment, gradient_checkpointing: 'off' as const };
  expect(fits(1e9, off)).toMatchObject({ gradient_checkpointing: 'on' });
});

test('weights that are all trained are not packed to fit', () => {
  const neo = shape('gpt-neo-125m');
  const whole = { ...experiment, lora: { ...lora, use_peft: false } };
  const longest = rows(64, 128);
  const limit = memoryBudget(neo, whole, longest)[0]!.total - 1;
  const fits = fitting(neo, whole, limit, longest)!;
  expect(fits.quantization).toBe(whole.quantization);
  expect(contradictions(fits)).toEqual([]);
  expect(fitting(neo, whole, 1e9, longest)).toBeNull();
});

test('only the stage that is too large has its batch cut', () => {
  const still = { eval_fraction: 0, early_stopping_patience: null };
  const sft = { ...experiment.stages[0]!, ...still } as Stage;
  const dpo = { ...defaultStage('dpo'), ...still, per_device_train_batch_size: 64 };
  const given: Experiment = {
    ...experiment,
    gradient_checkpointing: 'on',
    stages: [sft, dpo],
    data: { ...experiment.data, preferences: 'b.jsonl' },
  };
  const lengths = [...rows(8, 32), { ...rows(64, 128)[0]!, rows: 8 }];
  const [small, large] = memoryBudget(shape('stories-neo'), given, lengths);
  const fits = fitting(shape('stories-neo'), given, (small!.total + large!.total) / 2, lengths)!;
  const cut = fits.stages[1] as StageOf<'dpo'>;
  expect(fits).toEqual({ ...given, stages: [sft, cut] });
  expect(cut.per_device_train_batch_size).toBeLessThan(64);
  expect(cut.per_device_train_batch_size * cut.gradient_accumulation_steps).toBe(64);
  expect(contradictions(fits)).toEqual(contradictions(given));
});

test('the table has a line a stage', () => {
  const lines = budgetTable(memoryBudget(shape('stories-neo'), experiment)).split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/^sft +23\.7 /);
});
