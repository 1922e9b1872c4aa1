import { describe, expect, test } from 'vitest';
import { PlaygroundError } from './errors';
import { experimentSchema, type Schema } from './schema';
import type { Scope } from './setting';
import { settingsOf } from './settings';
import { defaultStage, parseExperiment } from './validate';
import { STAGE_KINDS } from './methods';

/** Just the keywords our schema uses, straight from the specification; an unknown one is an error of the test. */
function accepts(schema: Schema, value: unknown, root: Schema): boolean {
  const annotations = ['$schema', '$defs', 'title', 'description', 'default', 'x-trl-default', 'properties'];
  const isObject = (v: unknown): v is Record<string, unknown> =>
    typeof v === 'object' && v !== null && !Array.isArray(v);
  const checks: Record<string, (rule: never) => boolean> = {
    $ref: (rule: string) =>
      accepts((root['$defs'] as Schema)[rule.replace('#/$defs/', '')] as Schema, value, root),
    oneOf: (rule: Schema[]) => rule.filter((option) => accepts(option, value, root)).length === 1,
    anyOf: (rule: Schema[]) => rule.some((option) => accepts(option, value, root)),
    const: (rule: unknown) => value === rule,
    enum: (rule: unknown[]) => rule.includes(value),
    minimum: (rule: number) => typeof value !== 'number' || value >= rule,
    maximum: (rule: number) => typeof value !== 'number' || value <= rule,
    exclusiveMinimum: (rule: number) => typeof value !== 'number' || value > rule,
    exclusiveMaximum: (rule: number) => typeof value !== 'number' || value < rule,
    pattern: (rule: string) => typeof value !== 'string' || new RegExp(rule, 'u').test(value),
    items: (rule: Schema) => !Array.isArray(value) || value.every((item) => accepts(rule, item, root)),
    minItems: (rule: number) => !Array.isArray(value) || value.length >= rule,
    uniqueItems: () => !Array.isArray(value) || new Set(value).size === value.length,
    minProperties: (rule: number) => !isObject(value) || Object.keys(value).length >= rule,
    required: (rule: string[]) => !isObject(value) || rule.every((key) => Object.hasOwn(value, key)),
    additionalProperties: (rule: Schema | false) => {
      const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
      if (!isObject(value)) return true;
      return Object.entries(value).every(([key, child]) => {
        const known = Object.hasOwn(properties, key) ? properties[key]! : rule;
        return known !== false && accepts(known, child, root);
      });
    },
    type: (rule: string) => {
      if (rule === 'integer') return Number.isInteger(value);
      if (rule === 'array') return Array.isArray(value);
      if (rule === 'object') return isObject(value);
      if (rule === 'null') return value === null;
      return typeof value === rule;
    },
  };
  return Object.entries(schema).every(([keyword, rule]) => {
    if (annotations.includes(keyword)) return true;
    const check = checks[keyword];
    if (check === undefined) throw new Error(`keyword ${keyword} is not known to this test`);
    return check(rule as never);
  });
}

const schema = experimentSchema();
const valid = (value: unknown): boolean => accepts(schema, value, schema);
// Pretraining trains all weights.
const base = {
  format: 1,
  lora: { use_peft: false },
  data: { text: 't.jsonl', sft: 's.jsonl', prompts: 'p.jsonl', eval_prompts: 'e.jsonl' },
};
const stages = STAGE_KINDS.map((kind) => ({ kind }));

const reads = (value: unknown): boolean => {
  try {
    parseExperiment(JSON.stringify(value), 'a.json');
    return true;
  } catch (error) {
    if (error instanceof PlaygroundError) return false;
    throw error;
  }
};

describe('the schema and the validation agree', () => {
  const one = (stage: object): object => ({ ...base, stages: [...stages, stage] });
  const cases: [string, unknown, boolean][] = [
    ['bare stages', { ...base, stages }, true],
    ['every default written out', { ...base, stages: STAGE_KINDS.map(defaultStage) }, true],
    ['no format', { stages }, false],
    ['another format', { ...base, format: 2, stages }, false],
    ['no stages', base, false],
    ['an empty list of stages', { ...base, stages: [] }, false],
    ['an unknown stage', one({ kind: 'dpoo' }), false],
    ['an unknown key', one({ kind: 'sft', beta: 0.1 }), false],
    ['a key of another stage', one({ kind: 'sft', kl_coef: 0.1 }), false],
    ['an unknown key at the top', { ...base, stages, notes: 'x' }, false],
    ['a rate of 0', one({ kind: 'sft', learning_rate: 0 }), false],
    ['a rate of 1', one({ kind: 'sft', learning_rate: 1 }), true],
    ['a broken step', one({ kind: 'sft', max_steps: 10.5 }), false],
    ['null where it switches off', one({ kind: 'sft', max_grad_norm: null }), true],
    ['null where it does not', one({ kind: 'sft', weight_decay: null }), false],
    ['an unknown choice', one({ kind: 'ppo', kl_estimator: 'k2' }), false],
    ['a repeated module', { ...base, stages, lora: { target_modules: ['q_proj', 'q_proj'] } }, false],
    ['a token reward', one({ kind: 'ppo', reward: { kind: 'tokens', weights: { ' b': -0.5 } } }), true],
    ['a token reward with no tokens', one({ kind: 'ppo', reward: { kind: 'tokens', weights: {} } }), false],
    ['a rule reward', one({ kind: 'ppo', reward: { kind: 'rule', name: 'kind-ending' } }), true],
    ['an unknown rule', one({ kind: 'ppo', reward: { kind: 'rule', name: 'x' } }), false],
    [
      'a labeller without noise',
      one({ kind: 'pairs', labeller: { kind: 'rule', name: 'feeling-words' } }),
      true,
    ],
    ['a labeller without a name', one({ kind: 'pairs', labeller: { kind: 'rule' } }), false],
  ];
  test.each(cases)('%s', (_, value, expected) => {
    expect([valid(value), reads(value)]).toEqual([expected, expected]);
  });
});

describe('every setting', () => {
  const scopes: [Scope, Schema][] = [
    ['experiment', schema],
    ...(['lora', 'data'] as const).map((s): [Scope, Schema] => [
      s,
      (schema['properties'] as Schema)[s] as Schema,
    ]),
    ...STAGE_KINDS.map((k): [Scope, Schema] => [k, (schema['$defs'] as Schema)[`${k}-stage`] as Schema]),
  ];
  test.each(scopes)('of %s is there with its meaning and default', (scope, part) => {
    for (const setting of settingsOf(scope)) {
      const property = (part['properties'] as Schema)[setting.key] as Schema;
      expect(property).toMatchObject({ title: setting.label, description: setting.doc });
      expect(property['default']).toEqual(setting.default);
      expect(property['x-trl-default']).toEqual(setting.trl);
    }
  });

  test('survives being printed', () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });
});
