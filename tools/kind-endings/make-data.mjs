// Makes the data of the experiment "a kind ending" from a corpus of simple stories: demonstrations (half happy, half
// sad), prompts for pairs and PPO, prompts for evaluation, split by opening. The same corpus and seed give the same
// bytes. Usage: xz -dc stories.txt.xz | node tools/kind-endings/make-data.mjs [--seed 1]
// The corpus is text with stories ended by a line <|endoftext|>.

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { PreTrainedTokenizer } from '@xenova/transformers';
import { runnerImport } from 'vite';

const root = new URL('../../', import.meta.url);
const out = new URL('public/experiments/kind-endings/', root);
const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' } } });
const seed = Number(values.seed);

const sizes = { happy: 540, sad: 540, prompts: 1200, eval: 200 };
const limits = {
  prompt: [20, 56],
  completion: [10, 32],
  wordCount: 30,
  nameShare: 0.08,
  openings: 0.5,
  endings: 0.5,
};

const json = (path) => JSON.parse(readFileSync(new URL(path, root), 'utf8'));
const tokenizer = new PreTrainedTokenizer(
  json('models/stories-neo/tokenizer.json'),
  json('models/stories-neo/tokenizer_config.json'),
);
const { labellers } = (
  await runnerImport(new URL('src/feedback/labellers.ts', root).pathname, { configFile: false })
).module;
const within = (value, [low, high]) => value >= low && value <= high;
const tokens = (text) => tokenizer.encode(text, { add_special_tokens: false }).length;
const wordsOf = (text) => text.match(/[A-Za-z']+/g) ?? [];

/** Mulberry32: a small generator whose whole state is one number. */
function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffle(list, draw) {
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = Math.floor(draw() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

const trigrams = (text) => {
  const words = wordsOf(text.toLowerCase());
  return new Set(words.slice(2).map((word, i) => `${words[i]} ${words[i + 1]} ${word}`));
};

/** Shared share of two sets: |a ∩ b| / |a ∪ b|. */
function jaccard(a, b) {
  let both = 0;
  for (const item of a) if (b.has(item)) both += 1;
  return both / (a.size + b.size - both || 1);
}

const corpus = readFileSync(0, 'utf8')
  .split('<|endoftext|>')
  .map((story) => story.replace(/\s+/g, ' ').trim())
  .filter(Boolean);

// How often each word occurs, and how often it is capitalised inside a sentence: that is how a name is told.
const count = new Map();
const capital = new Map();
for (const story of corpus) {
  for (const word of wordsOf(story)) count.set(word.toLowerCase(), (count.get(word.toLowerCase()) ?? 0) + 1);
  for (const [, word] of story.matchAll(/[a-z,] ([A-Z][a-z]+)\b/g)) {
    capital.set(word.toLowerCase(), (capital.get(word.toLowerCase()) ?? 0) + 1);
  }
}
const family = new Set('i mom mommy mama mum dad daddy papa grandma grandpa granny mr mrs'.split(' '));
const bare = (word) => word.toLowerCase().replace(/'(s|d|m|ll|ve|re)?$/, '');
const isName = (word) =>
  !family.has(word) && /^[a-z]+$/.test(word) && (capital.get(word) ?? 0) > 0.3 * (count.get(word) ?? 0);
const namesOf = (text) => {
  const inside = [...text.matchAll(/[a-z,] ([A-Z][A-Za-z']*)/g)].map(([, word]) => bare(word));
  return new Set([...wordsOf(text).map(bare).filter(isName), ...inside.filter((word) => !family.has(word))]);
};

/** Complete plain sentences: ASCII words of the corpus, no quotation (a speaker would need the cut middle). */
const plain = (text) =>
  /^[A-Z][A-Za-z ,.'!-]+[.!]$/.test(text) &&
  !/- | -|\bThe end\b|\. [a-z]|,[a-z]/.test(text) &&
  wordsOf(text).every((word) => (count.get(word.toLowerCase()) ?? 0) >= limits.wordCount);

const common = new Set(
  [...count]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 150)
    .map(([word]) => word),
);
const content = (text) => wordsOf(text.toLowerCase()).filter((word) => word.length > 2 && !common.has(word));

function candidate(story) {
  const sentences = (story.match(/[^.!?]+[.!?]+["']?/g) ?? [])
    .map((s) => s.trim())
    .filter((s) => s !== 'The end.');
  if (sentences.length < 8) return null;
  const opening = sentences.slice(0, 3).join(' ');
  const ending = sentences.slice(-2).join(' ');
  const prompt = `${opening}\nEnding:`;
  if (!plain(opening) || !within(tokens(prompt), limits.prompt)) return null;
  const names = namesOf(opening);
  const about = new Set([...content(opening), ...names]);
  const fits =
    plain(ending) &&
    within(tokens(` ${ending}`) + 1, limits.completion) &&
    sentences.slice(-2).every((sentence) => wordsOf(sentence).length >= 3 && !opening.includes(sentence)) &&
    [...namesOf(ending)].every((name) => names.has(name)) &&
    content(ending)
      .concat([...namesOf(ending)])
      .some((word) => about.has(word));
  // A demonstration feels one way: as a whole fully, and in neither sentence the other way.
  const feel = (text) => labellers['feeling-words'](prompt, text);
  const parts = sentences.slice(-2).map(feel);
  const clear =
    fits && !/moral|lesson|made? fun of/.test(ending) && !parts.some((part) => part * feel(ending) < 0);
  return { opening, prompt, names, completion: ` ${ending}`, feeling: clear ? feel(ending) : 0 };
}

const draw = random(seed);
const pool = shuffle(corpus.map(candidate).filter(Boolean), draw);
const openings = [];
const endings = [];

/** The first `size` of the pool that nothing taken before resembles; no name in more than its share of them. */
function take(size, wanted, withEnding) {
  const rows = [];
  const named = new Map();
  for (const row of pool) {
    if (rows.length === size) break;
    if (row.taken || !wanted(row)) continue;
    if ([...row.names].some((name) => (named.get(name) ?? 0) >= size * limits.nameShare)) continue;
    const opening = trigrams(row.opening);
    const ending = trigrams(row.completion);
    if (openings.some((other) => jaccard(other, opening) >= limits.openings)) continue;
    if (withEnding && endings.some((other) => jaccard(other, ending) >= limits.endings)) continue;
    row.taken = true;
    for (const name of row.names) named.set(name, (named.get(name) ?? 0) + 1);
    openings.push(opening);
    if (withEnding) endings.push(ending);
    rows.push(row);
  }
  if (rows.length < size) throw new Error(`Only ${rows.length} of ${size} rows were found; loosen a limit.`);
  return rows;
}

const sad = take(sizes.sad, (row) => row.feeling === -1, true);
const happy = take(sizes.happy, (row) => row.feeling === 1, true);
const evaluation = take(sizes.eval, () => true, false);
const prompts = take(sizes.prompts, () => true, false);

const write = (name, rows) =>
  writeFileSync(new URL(`${name}.jsonl`, out), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
write(
  'sft',
  shuffle([...happy, ...sad], draw).map(({ prompt, completion }) => ({ prompt, completion })),
);
write(
  'eval',
  evaluation.map(({ prompt }) => ({ prompt })),
);
write(
  'prompts',
  prompts.map(({ prompt }) => ({ prompt })),
);
process.stderr.write(
  `${corpus.length} stories, ${pool.length} openings fit, ` +
    `${pool.filter((row) => row.feeling === 1).length} happy and ` +
    `${pool.filter((row) => row.feeling === -1).length} sad endings among them.\n`,
);
