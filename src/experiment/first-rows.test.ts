// What a run keeps of the rows it learns from.

import { expect, it } from 'vitest';
import { MemoryStore } from '../../tests/memory-store';
import { nodeDirectory } from '../../tests/node-files';
import { jsonl } from '../../tests/tiny-run';
import { maskRow } from '../data/inspect';
import { openDevice } from '../engine/device';
import { disposeModel, loadModel } from '../model/load';
import { type FirstRowsByPart, maskedText } from '../shared/first-rows';
import { parseExperiment } from '../shared/validate';
import { keepFirstRows } from './first-rows';

it('keeps a page of every part with its masks, and nothing of a part that is not there', async () => {
  await openDevice('wasm');
  const model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
  const rows = Array.from({ length: 40 }, (_, i) => ({ prompt: `p${i}:`, completion: `C${i}.` }));
  const files: Record<string, string> = {
    'sft.jsonl': jsonl(rows),
    'pairs.jsonl': jsonl([{ prompt: 'a', chosen: 'b', rejected: 'cd' }]),
  };
  const data = { sft: 'sft.jsonl', prompts: 'gone.jsonl', preferences: 'pairs.jsonl' };
  const { experiment } = parseExperiment(
    JSON.stringify({ format: 1, name: 'small', data, stages: [{ kind: 'sft' }] }),
    'small.json',
  );
  const store = new MemoryStore();
  const readData = ({ path }: { path: string }) =>
    Promise.resolve(files[path] === undefined ? null : new TextEncoder().encode(files[path]));
  const rest = { append: () => Promise.resolve(), onSample: () => undefined, warn: () => undefined };
  await keepFirstRows({ experiment, model, store, readData, ...rest });

  const kept = JSON.parse(store.text('rows.json')) as FirstRowsByPart;
  expect(Object.keys(kept)).toEqual(['sft', 'preferences']);
  const { total, rows: first, texts } = kept.sft!;
  expect([total, first.length, texts.length]).toEqual([40, 15, 15]);
  expect(first[14]).toEqual({ line: 15, fields: rows[14] });
  for (const [i, row] of first.entries())
    expect(maskRow(row, 'sft.jsonl', 'sft', model)).toMatchObject(texts[i]!.map(maskedText));
  expect(kept.preferences!.texts[0]!.map(({ field }) => field)).toEqual(['chosen', 'rejected']);
  disposeModel(model);
});
