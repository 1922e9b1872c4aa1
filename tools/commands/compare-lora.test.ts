import { expect, test } from 'vitest';
import { compareTable, rates, type Comparison, type Measured } from './compare-lora.ts';

test('rates are a list of numbers that a learning rate can be', () => {
  expect(rates.read('3e-3,1e-4')).toEqual([0.003, 0.0001]);
  for (const text of ['', '0', '2', '1e-3,', 'fast']) expect(rates.read(text)).toBeUndefined();
});

test('the table sets every way beside the first', () => {
  const lora: Measured = {
    ...{ way: 'LoRA', learning_rate: 0.003, trainable: 2e5, file: 8e5, optimizer: 16e5, live: 5e7 },
    ...{ allocated: 1e8, step: 0.5, eval_loss: 1.25, best: 1.2 },
  };
  const comparison: Comparison = {
    ...{ experiment: 'a.json', model: 'm', seed: 1, date: '2026-01-01', steps: 9, rows: 4, parameters: 2e6 },
    device: { backend: 'wasm', adapter: 'CPU' },
    measured: [lora, { ...lora, way: 'all weights', trainable: 2e6, optimizer: 16e6, step: 0.75 }],
  };
  const [title, , head, , first, second] = compareTable(comparison).split('\n');
  expect(title).toBe('a.json, m (2.00M parameters), seed 1, 9 steps of 4 rows, wasm (CPU), 2026-01-01');
  expect(head!.split('|').length).toBe(first!.split('|').length);
  expect(first).toBe(
    '| LoRA | 0.003 | 0.20 | 10.0 % | 1.6 | 50.0 | 100.0 | 0.8 | 0.500 | 1.00 × | 1.2500 | 1.2000 |',
  );
  expect(second).toContain('| 2.00 | 100.0 % | 16.0 | 50.0 | 100.0 | 0.8 | 0.750 | 1.50 × |');
});
