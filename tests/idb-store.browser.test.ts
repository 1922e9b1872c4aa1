// The store of the page: files of one run, apart from those of others.
import { beforeEach, expect, it } from 'vitest';
import { deleteRun, idbRunStore, listRuns, runSizes } from '../src/storage/idb-store';
import { readText, truncateLines, writeText } from '../src/storage/run-store';

beforeEach(async () => {
  for (const run of await listRuns()) await deleteRun(run);
});

it('reads what was written, replaces, appends, lists and removes', async () => {
  const store = idbRunStore('a');
  expect(await store.read('metrics.jsonl')).toBeNull();
  await store.append('metrics.jsonl', 'one\n');
  await store.append('metrics.jsonl', 'zwei ü\n');
  expect(await readText(store, 'metrics.jsonl')).toBe('one\nzwei ü\n');
  await store.write('adapters/sft/x.bin', new Uint8Array([1, 2, 3]));
  await store.write('adapters/sft/x.bin', new Uint8Array([4]));
  expect(await store.read('adapters/sft/x.bin')).toEqual(new Uint8Array([4]));
  await writeText(store, 'adapters/ppo/y', '');
  expect(await store.list('adapters/')).toEqual(['adapters/ppo/y', 'adapters/sft/x.bin']);
  await store.remove('adapters/ppo/y');
  await store.remove('adapters/ppo/y');
  expect(await store.list('')).toEqual(['adapters/sft/x.bin', 'metrics.jsonl']);
});

it('keeps runs apart and forgets one at a time', async () => {
  await writeText(idbRunStore('a'), 'file', 'of a');
  await writeText(idbRunStore('b'), 'file', 'of b');
  expect(await listRuns()).toEqual(['a', 'b']);
  await idbRunStore('b').write('adapters/x', new Uint8Array(1000));
  expect([...(await runSizes())]).toEqual([
    ['a', 4],
    ['b', 1004],
  ]);
  await deleteRun('a');
  expect(await listRuns()).toEqual(['b']);
  expect(await readText(idbRunStore('b'), 'file')).toBe('of b');
});

it('cuts a file of lines, a torn last line included', async () => {
  const store = idbRunStore('a');
  await writeText(store, 'rows', '1\n2\n3\n{"torn');
  await truncateLines(store, 'rows', 2);
  expect(await readText(store, 'rows')).toBe('1\n2\n');
  await truncateLines(store, 'rows', 5);
  expect(await readText(store, 'rows')).toBe('1\n2\n');
});
