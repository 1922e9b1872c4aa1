// Fits the final judge's weights to endings labelled by reading them. Labels are few and word pairs many, so it takes
// two steps: a teacher on words and word pairs learns from the labels alone, then labels the endings of a corpus; the
// student, on the judge's own features, learns from both. Rows marked held_out take no part.
// Usage: xz -dc stories.txt.xz | node tools/kind-endings/fit-judge.mjs

import { readFileSync, writeFileSync } from 'node:fs';
import { runnerImport } from 'vite';

const root = new URL('../../', import.meta.url);
const judgePath = new URL('src/evaluate/judge.ts', root).pathname;
const { pairFeatures } = (await runnerImport(judgePath, { configFile: false })).module;

/** What the score of an ending should be. */
const goals = { happy: 1, neither: 0.1, sad: 0 };
const corpusSize = 6000;
const least = 8; // A word pair must occur in this many endings of the corpus to get a weight.
const smallest = 0.1; // Weights below this are left out of the file.
const copies = 3; // An ending that was read counts as much as so many that the teacher labelled.

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

function logit(weights, features) {
  let sum = weights.get('') ?? 0;
  for (const [name, value] of features) sum += (weights.get(name) ?? 0) * value;
  return sum;
}

/** Logistic regression with soft goals and an L2 penalty, by AdaGrad, row after row; '' names the bias. */
function fit(rows, { penalty, epochs }) {
  const weights = new Map();
  const squares = new Map();
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    for (const { features, goal, weight } of rows) {
      const error = weight * (sigmoid(logit(weights, features)) - goal);
      for (const [name, value] of [['', 1], ...features]) {
        const old = weights.get(name) ?? 0;
        const gradient = error * value + (name === '' ? 0 : penalty * weight * old);
        const square = (squares.get(name) ?? 1e-3) + gradient ** 2;
        squares.set(name, square);
        weights.set(name, old - (0.2 * gradient) / Math.sqrt(square));
      }
    }
  }
  return weights;
}

/** The teacher's features: the pairs, and each word by itself. */
function withWords(text) {
  const features = pairFeatures(text);
  for (const [pair, value] of [...features]) {
    const word = pair.split(' ')[1];
    if (word !== '$') features.set(word, Math.max(features.get(word) ?? 0, value));
  }
  return features;
}

const read = readFileSync(new URL('tests/fixtures/labelled-endings.jsonl', root), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .filter((row) => !row.held_out)
  .map(({ completion, label }) => ({ text: completion, goal: goals[label], weight: 1 }));

const endings = readFileSync(0, 'utf8')
  .split('<|endoftext|>')
  .map((story) => story.replace(/\s+/g, ' ').match(/[^.!?]+[.!?]+["']?/g) ?? [])
  .map((sentences) => sentences.map((s) => s.trim()).filter((s) => s !== 'The end.'))
  .filter((sentences) => sentences.length > 5)
  .map((sentences) => ` ${sentences.slice(-2).join(' ')}`)
  .filter((ending) => !ending.includes('"') && ending.length < 250)
  .slice(0, corpusSize);

const occurrences = new Map();
for (const ending of endings) {
  for (const pair of pairFeatures(ending).keys()) occurrences.set(pair, (occurrences.get(pair) ?? 0) + 1);
}
const known = (text) =>
  new Map([...pairFeatures(text)].filter(([pair]) => (occurrences.get(pair) ?? 0) >= least));

const teacher = fit(
  read.map((row) => ({ ...row, features: withWords(row.text) })),
  { penalty: 0.002, epochs: 30 },
);
const taught = endings.map((text) => ({ text, goal: sigmoid(logit(teacher, withWords(text))), weight: 1 }));
// Most endings of the corpus are happy: the others weigh more, so that both kinds weigh alike.
const unhappy = taught.filter(({ goal }) => goal < 0.5);
for (const row of unhappy) row.weight = Math.min(4, taught.length / unhappy.length - 1);

const student = fit(
  [...taught, ...Array.from({ length: copies }, () => read).flat()].map((row) => ({
    ...row,
    features: known(row.text),
  })),
  { penalty: 0.003, epochs: 6 },
);

const rounded = [...student]
  .filter(([name, weight]) => name !== '' && Math.abs(weight) >= smallest)
  .map(([name, weight]) => [name, Number(weight.toFixed(2))])
  .sort(([a], [b]) => (a < b ? -1 : 1));
const bias = Number(student.get('').toFixed(2));
writeFileSync(
  new URL('src/evaluate/judge-weights.json', root),
  `${JSON.stringify({ bias, pairs: Object.fromEntries(rounded) })}\n`,
);
process.stderr.write(
  `${read.length} endings read, ${endings.length} taught, ${rounded.length} word pairs kept.\n`,
);
