// The JSON Schema (draft 2020-12) of an experiment file, made from the settings table: what `cli schema` prints, and
// what an editor needs to complete keys and explain them. Rules that span several settings are validate.ts's alone.

import { LABELLERS } from './experiment';
import { STAGE_KINDS, type StageKind } from './methods';
import { rules } from './rules';
import type { Scope, Setting } from './setting';
import { settingsOf } from './settings';
import { FORMATS } from './validate';

export type Schema = {
  [key: string]: Schema | Schema[] | string | number | boolean | null | readonly unknown[];
};

/** The schema, with one definition for each kind of stage. TRL's defaults stand under `x-trl-default`. */
export function experimentSchema(): Schema {
  const stages = STAGE_KINDS.map((kind) => [`${kind}-stage`, stageSchema(kind)] as const);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'RLHF Playground experiment',
    ...objectSchema(
      {
        format: { description: 'The version of this file’s layout.', enum: FORMATS },
        ...propertiesOf('experiment'),
        lora: objectSchema(propertiesOf('lora')),
        data: objectSchema(propertiesOf('data')),
        stages: {
          description: 'What is done, in this order; each stage starts from the adapter of the one before.',
          type: 'array',
          minItems: 1,
          items: { oneOf: stages.map(([name]) => ({ $ref: `#/$defs/${name}` })) },
        },
      },
      ['format', 'stages'],
    ),
    $defs: Object.fromEntries(stages),
  };
}

function stageSchema(kind: StageKind): Schema {
  return objectSchema({ kind: { const: kind }, ...propertiesOf(kind) }, ['kind']);
}

function objectSchema(properties: Record<string, Schema>, required: string[] = []): Schema {
  return { type: 'object', properties, required, additionalProperties: false };
}

function propertiesOf(scope: Scope): Record<string, Schema> {
  return Object.fromEntries(settingsOf(scope).map((setting) => [setting.key, settingSchema(setting)]));
}

function settingSchema(setting: Setting): Schema {
  const schema: Schema = { title: setting.label, description: setting.doc };
  if (setting.default !== undefined) schema['default'] = setting.default as Schema;
  if (setting.trl !== undefined) schema['x-trl-default'] = setting.trl as Schema;
  const value = valueSchema(setting);
  return { ...schema, ...(setting.nullable ? { anyOf: [value, { type: 'null' }] } : value) };
}

function valueSchema({ type, range, choices }: Setting): Schema {
  switch (type) {
    case 'number':
    case 'integer':
      return {
        type,
        ...(range.min === undefined ? {} : { minimum: range.min }),
        ...(range.above === undefined ? {} : { exclusiveMinimum: range.above }),
        ...(range.max === undefined ? {} : { maximum: range.max }),
        ...(range.below === undefined ? {} : { exclusiveMaximum: range.below }),
      };
    case 'choice':
      return { enum: choices };
    case 'boolean':
      return { type };
    case 'text':
      return { type: 'string', pattern: '\\S' };
    case 'texts':
      return { type: 'array', items: { type: 'string', pattern: '\\S' }, minItems: 1, uniqueItems: true };
    case 'labeller':
      return objectSchema(
        { kind: { const: 'rule' }, name: { enum: LABELLERS }, ...propertiesOf('labeller') },
        ['kind', 'name'],
      );
    case 'reward':
      return {
        oneOf: [
          objectSchema({ kind: { const: 'model' } }, ['kind']),
          objectSchema({ kind: { const: 'rule' }, name: { enum: Object.keys(rules) } }, ['kind', 'name']),
          objectSchema(
            {
              kind: { const: 'tokens' },
              weights: { type: 'object', minProperties: 1, additionalProperties: { type: 'number' } },
            },
            ['kind', 'weights'],
          ),
        ],
      };
  }
}
