// The committed data of "a kind ending": complete, clean, and split so that no evaluation opening was trained on.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { labellers } from '../../src/feedback/labellers';

interface Row {
  prompt: string;
  completion?: string;
}

const read = (name: string): Row[] =>
  readFileSync(new URL(`../../public/experiments/kind-endings/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

const files = { sft: read('sft'), prompts: read('prompts'), eval: read('eval') };
const all = Object.values(files).flat();

function trigrams(text: string): Set<string> {
  const words = text.toLowerCase().match(/[a-z']+/g) ?? [];
  return new Set(words.slice(2).map((word, i) => `${words[i] ?? ''} ${words[i + 1] ?? ''} ${word}`));
}

/** The largest |a ∩ b| / |a ∪ b| of the word trigrams of any two texts. */
function closest(texts: string[]): number {
  const sets = texts.map(trigrams);
  const holders = new Map<string, number[]>();
  let largest = 0;
  sets.forEach((set, i) => {
    const shared = new Map<number, number>();
    for (const item of set) {
      const earlier = holders.get(item) ?? [];
      for (const j of earlier) shared.set(j, (shared.get(j) ?? 0) + 1);
      earlier.push(i);
      holders.set(item, earlier);
    }
    for (const [j, both] of shared) largest = Math.max(largest, both / (set.size + sets[j]!.size - both));
  });
  return largest;
}

test('the files have their sizes and one form', () => {
  expect(files.sft).toHaveLength(1080);
  expect(files.prompts).toHaveLength(1200);
  expect(files.eval).toHaveLength(200);
  for (const { prompt } of all) expect(prompt).toMatch(/^[\x20-\x7e]+[.!]\nEnding:$/);
  for (const { completion } of files.sft)
    expect(completion).toMatch(/^ [A-Z][\x20-\x7e]*[.!] [A-Z][\x20-\x7e]*[.!]$/);
  for (const row of [...files.prompts, ...files.eval]) expect(row.completion).toBeUndefined();
});

test('no opening resembles another, in one file or across the split', { timeout: 60_000 }, () => {
  expect(closest(all.map(({ prompt }) => prompt.slice(0, -'\nEnding:'.length)))).toBeLessThan(0.5);
});

test('no ending resembles another, nor stands in an opening', { timeout: 60_000 }, () => {
  expect(closest(files.sft.map(({ completion }) => completion ?? ''))).toBeLessThan(0.5);
  for (const { prompt, completion } of files.sft) {
    for (const sentence of (completion ?? '').trim().split(/(?<=[.!]) /))
      expect(prompt).not.toContain(sentence);
  }
});

test('half the demonstrations are happy, half sad', () => {
  const scores = files.sft.map(({ prompt, completion }) =>
    labellers['feeling-words']?.(prompt, completion ?? ''),
  );
  expect(scores.filter((score) => score === 1)).toHaveLength(540);
  expect(scores.filter((score) => score === -1)).toHaveLength(540);
});

test('the pairs that ship are of training openings, one each, and labelled as they say', () => {
  const pairs = read('preferences') as (Row & { chosen: string; rejected: string; flipped: boolean })[];
  expect(pairs.length).toBeGreaterThanOrEqual(1000);
  const openings = new Set(pairs.map(({ prompt }) => prompt));
  expect(openings.size).toBe(pairs.length);
  const trained = new Set(files.prompts.map(({ prompt }) => prompt));
  const others = [...files.eval, ...files.sft].filter(({ prompt }) => openings.has(prompt));
  expect([[...openings].filter((prompt) => !trained.has(prompt)), others]).toEqual([[], []]);
  for (const pair of pairs) {
    expect(Object.keys(pair)).toEqual(['prompt', 'chosen', 'rejected', 'flipped']);
    const { prompt, chosen, rejected, flipped } = pair;
    expect([chosen, rejected].filter((text) => text.trim() === '')).toEqual([]);
    const [better, worse] = flipped ? [rejected, chosen] : [chosen, rejected];
    const label = labellers['feeling-words']!;
    expect(label(prompt, better)).toBeGreaterThan(label(prompt, worse));
  }
  const noise = pairs.filter(({ flipped }) => flipped).length / pairs.length;
  expect(noise).toBeGreaterThan(0.07);
  expect(noise).toBeLessThan(0.13);
});
