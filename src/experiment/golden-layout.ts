// Sees that the JSON of a golden directory, which comes from anywhere, is what the cases are computed from: rows of one
// length, masks of their shape, rows that are there. The first thing that is not is named, before anything is computed.

import { isObject } from '../model/json';
import type { ModelConfig } from '../model/types';
import { PlaygroundError } from '../shared/errors';

type Shape = readonly [rows: number, length: number];
type Limits = Pick<ModelConfig, 'vocabulary' | 'context'>;

const whole = (value: unknown, below: number): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < below;

class Layout {
  constructor(
    private readonly file: string,
    private readonly json: Record<string, unknown>,
    private readonly limits: Limits,
  ) {}

  fail(path: string, what: string): never {
    throw new PlaygroundError(
      'bad-data',
      `${this.file}: ${path} ${what}.`,
      'Give a directory in the layout of tests/fixtures/gpt-neo-tiny.',
    );
  }

  /** The case of that name, null where there is none. */
  part(name: string): Record<string, unknown> | null {
    const part = this.json[name];
    if (part === undefined) return null;
    return isObject(part) ? part : this.fail(name, 'is not an object');
  }

  /** Rows of one length that hold whole numbers below a bound; of a shape, where that is given. */
  rows(value: unknown, path: string, below: number, shape?: (own: Shape) => boolean): Shape {
    if (!Array.isArray(value) || value.length === 0) this.fail(path, 'is not a list of rows');
    const rows = value as unknown[];
    const length = Array.isArray(rows[0]) ? rows[0].length : 0;
    const wrong = rows.findIndex(
      (row) =>
        !Array.isArray(row) || row.length !== length || length === 0 || !row.every((id) => whole(id, below)),
    );
    if (wrong >= 0)
      this.fail(
        `${path}[${wrong}]`,
        `is not ${length} whole numbers from 0 to ${below - 1}, as a row is to be`,
      );
    if (shape && !shape([rows.length, length]))
      this.fail(path, `has ${rows.length} rows of ${length}, which the batch has not`);
    return [rows.length, length];
  }

  /** Token ids with their mask. */
  batch(part: Record<string, unknown>, path: string): Shape {
    const { vocabulary, context } = this.limits;
    const [rows, length] = this.rows(part['input_ids'], `${path}.input_ids`, vocabulary);
    this.mask(part['attention_mask'], `${path}.attention_mask`, [rows, length], [rows]);
    if (length > context) this.fail(path, `is ${length} tokens long, and the model’s context ${context}`);
    return [rows, length];
  }

  /** A mask over that many rows of a batch, any of the numbers given. */
  mask(value: unknown, path: string, [, length]: Shape, rows: readonly number[]): void {
    this.rows(value, path, 2, ([own, long]) => rows.includes(own) && long === length);
  }

  ids(value: unknown, path: string, least: number): void {
    const { vocabulary } = this.limits;
    if (Array.isArray(value) && value.length >= least && value.every((id) => whole(id, vocabulary))) return;
    this.fail(path, `is not a list of at least ${least} token ids from 0 to ${vocabulary - 1}`);
  }

  row(part: Record<string, unknown>, path: string, name: string, rows: number): void {
    if (!whole(part[name], rows)) this.fail(`${path}.${name}`, `is no row of the ${rows} of the batch`);
  }
}

/** Throws `bad-data` where cases.json is none. */
export function checkCases(json: Record<string, unknown>, limits: Limits): void {
  const layout = new Layout('cases.json', json, limits);
  const batch = layout.part('batch');
  if (!batch) return layout.fail('batch', 'is missing');
  const shape = layout.batch(batch, 'batch');
  const [rows] = shape;
  const upTo = Array.from({ length: rows }, (_, i) => i + 1);
  const left = layout.part('left_padded');
  if (left) layout.batch(left, 'left_padded');
  const sft = layout.part('sft');
  if (sft) layout.mask(sft['completion_mask'], 'sft.completion_mask', shape, [rows]);
  const dpo = layout.part('dpo');
  if (dpo) {
    layout.mask(dpo['completion_mask'], 'dpo.completion_mask', shape, [2, rows]);
    for (const name of ['chosen_row', 'rejected_row']) layout.row(dpo, 'dpo', name, rows);
  }
  const reward = layout.part('reward');
  if (reward) {
    for (const name of ['chosen_row', 'rejected_row'])
      layout.row({ chosen_row: 0, rejected_row: 1, ...reward }, 'reward', name, rows);
  }
  for (const name of ['ppo_policy', 'ppo_value']) {
    const ppo = layout.part(name);
    const mask = ppo?.['response_mask'];
    if (name === 'ppo_policy' ? ppo : mask !== undefined)
      layout.mask(mask, `${name}.response_mask`, shape, upTo);
  }
  const greedy = layout.part('greedy');
  if (!greedy) return;
  layout.ids(greedy['prompt'], 'greedy.prompt', 1);
  layout.ids(greedy['output'], 'greedy.output', (greedy['prompt'] as unknown[]).length);
}

/** Throws `bad-data` where methods.json is none; `methods` are those that there are cases of. */
export function checkMethodCases(
  json: Record<string, unknown> | null,
  methods: readonly string[],
  limits: Limits,
): void {
  const layout = new Layout('methods.json', json ?? {}, limits);
  const batch = layout.part('batch');
  if (!batch) return layout.fail('batch', 'is missing');
  const shape = layout.batch(batch, 'batch');
  layout.mask(batch['completion_mask'], 'batch.completion_mask', shape, [shape[0]]);
  const { cases, advantages } = json!;
  if (!Array.isArray(advantages) || advantages.length !== shape[0])
    layout.fail('advantages', 'is not one number for each row of the batch');
  if (!Array.isArray(cases)) layout.fail('cases', 'is not a list');
  for (const [i, kase] of (cases as unknown[]).entries()) {
    if (isObject(kase) && methods.includes(String(kase['method'])) && isObject(kase['settings'])) continue;
    layout.fail(`cases[${i}]`, `is no case of one of ${methods.join(', ')} with its settings`);
  }
}

/** Throws `bad-data` where golden.json is none. */
export function checkTextCases(json: unknown, limits: Limits): void {
  const layout = new Layout('golden.json', {}, limits);
  if (!Array.isArray(json) || json.length === 0) layout.fail('it', 'is not a list of texts');
  for (const [i, text] of (json as unknown[]).entries()) {
    if (!isObject(text) || !Array.isArray(text['token_logprobs']))
      return layout.fail(`[${i}]`, 'has no "token_logprobs"');
    layout.ids(text['ids'], `[${i}].ids`, 1);
    if ((text['ids'] as unknown[]).length > limits.context)
      layout.fail(`[${i}].ids`, `is longer than the model’s context of ${limits.context}`);
  }
}
