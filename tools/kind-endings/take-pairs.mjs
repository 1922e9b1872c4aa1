// Takes the preference pairs that ship with "a kind ending" from those that a run of the default experiment made: the
// first pair of each opening whose completions both have a text and ended by themselves, so that it says all there is.
// Usage: node tools/kind-endings/take-pairs.mjs RUN/pairs.jsonl

import { readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);
const { eos_token_id: end } = JSON.parse(
  readFileSync(new URL('models/stories-neo/config.json', root), 'utf8'),
);

const seen = new Set();
const whole = (text, ids) => text.trim() !== '' && ids.at(-1) === end;
const rows = readFileSync(process.argv[2], 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .filter(({ prompt, chosen, rejected, chosen_ids, rejected_ids }) => {
    const takes = !seen.has(prompt) && whole(chosen, chosen_ids) && whole(rejected, rejected_ids);
    if (takes) seen.add(prompt);
    return takes;
  });

writeFileSync(
  new URL('public/experiments/kind-endings/preferences.jsonl', root),
  rows
    .map(
      ({ prompt, chosen, rejected, flipped }) => `${JSON.stringify({ prompt, chosen, rejected, flipped })}\n`,
    )
    .join(''),
);
process.stderr.write(
  `${rows.length} pairs, ${rows.filter(({ flipped }) => flipped).length} of them mislabelled.\n`,
);
