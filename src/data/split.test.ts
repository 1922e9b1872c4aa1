import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitByPrompt } from './split';

const rows = fc.array(
  fc.record({ prompt: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), id: fc.nat() }),
  {
    maxLength: 40,
  },
);
const promptOf = ({ prompt }: { prompt: string }): string => prompt;

test('no prompt is on both sides, no row is lost, order is kept', () => {
  fc.assert(
    fc.property(rows, fc.double({ min: 0, max: 0.5, noNaN: true }), fc.nat(), (list, fraction, seed) => {
      const { train, heldOut } = splitByPrompt(list, promptOf, fraction, seed);
      const held = new Set(heldOut.map(promptOf));
      expect(train).toEqual(list.filter(({ prompt }) => !held.has(prompt)));
      expect(heldOut).toEqual(list.filter(({ prompt }) => held.has(prompt)));
      if (list.length > 0) expect(train.length).toBeGreaterThan(0);
      if (fraction === 0) expect(heldOut).toEqual([]);
      else if (new Set(list.map(promptOf)).size > 1) expect(heldOut.length).toBeGreaterThan(0);
      expect(splitByPrompt(list, promptOf, fraction, seed)).toEqual({ train, heldOut });
    }),
  );
});

test('the share is of the prompts, and the seed decides which', () => {
  const list = Array.from({ length: 1000 }, (_, i) => ({ prompt: `prompt ${i % 200}` }));
  const { heldOut } = splitByPrompt(list, promptOf, 0.1, 1);
  expect(heldOut.length).toBe(100);
  expect(splitByPrompt(list, promptOf, 0.1, 2).heldOut).not.toEqual(heldOut);
});

test('rows without a prompt are split one by one', () => {
  const list = Array.from({ length: 40 }, (_, id) => ({ prompt: '', id }));
  const { train, heldOut } = splitByPrompt(list, promptOf, 0.25, 1);
  expect([train.length, heldOut.length]).toEqual([30, 10]);
});
