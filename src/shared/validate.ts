// From the text of an experiment file to an Experiment with every default filled in. Everything is checked against
// the settings table; what is wrong is named with file, line, place, value and what it may be, and nothing is
// corrected in silence.

import { contradictions, type Problem } from './contradictions';
import { PlaygroundError } from './errors';
import { BUILTIN, LABELLERS, type Experiment, type RewardSource, type Stage } from './experiment';
import { parseJson, toValue, type JsonNode } from './json';
import { STAGE_KINDS, type StageKind } from './methods';
import { nearest } from './nearest';
import { rules } from './rules';
import { allowed, fits, type Scope, type Setting } from './setting';
import { settingsOf } from './settings';

/** The versions of the experiment file this playground opens. */
export const FORMATS: readonly number[] = [1];

type Fields = Record<string, unknown>;
type ObjectNode = Extract<JsonNode, { kind: 'object' }>;

/**
 * Reads an experiment file. `source` is its name in messages. Throws PlaygroundError('bad-experiment') at the first
 * fault; warnings are what is allowed and probably not meant.
 */
export function parseExperiment(
  text: string,
  source: string,
): { experiment: Experiment; warnings: Problem[] } {
  const root = parseJson(text, source, 'bad-experiment');
  const experiment = new Reader(source).experiment(root);
  const problems = contradictions(experiment);
  const error = problems.find(({ level }) => level === 'error');
  if (error) {
    throw new PlaygroundError(
      'bad-experiment',
      `${source}, line ${lineOf(root, error.path)}, ${error.path}: ${error.message}`,
      error.fix,
    );
  }
  return { experiment, warnings: problems };
}

/** A stage with every setting at our default. */
export function defaultStage<K extends StageKind>(kind: K): Extract<Stage, { kind: K }> {
  // The table and the types are held equal by settings.test.ts, which is what makes this cast true.
  return { kind, ...defaultsOf(kind) } as Extract<Stage, { kind: K }>;
}

function defaultsOf(scope: Scope): Fields {
  const settings = settingsOf(scope).filter(({ optional }) => !optional);
  return Object.fromEntries(settings.map(({ key, default: value }) => [key, copied(value)]));
}

/** A copy of a default that can be changed in place; most are plain values, and an experiment has hundreds. */
function copied(value: unknown): unknown {
  return typeof value === 'object' ? structuredClone(value) : value;
}

/** The line of a field, at a path like `data.sft`, of the text of an experiment file. */
export function lineOfField(text: string, source: string, path: string): number {
  return lineOf(parseJson(text, source, 'bad-experiment'), path);
}

/** The line of the node at a path like `stages[1].learning_rate`, or of its nearest ancestor that is written. */
function lineOf(root: JsonNode, path: string): number {
  let node = root;
  for (const step of path.match(/[^.[\]]+/g) ?? []) {
    const child: JsonNode | undefined =
      node.kind === 'object'
        ? node.entries.get(step)
        : node.kind === 'array'
          ? node.items[Number(step)]
          : undefined;
    if (child === undefined) break;
    node = child;
  }
  return node.line;
}

class Reader {
  constructor(private readonly source: string) {}

  experiment(root: JsonNode): Experiment {
    const object = this.object(root, '', 'an experiment like {"format": 1, "stages": […]}');
    this.format(object);
    this.knownKeys(object, '', ['format', 'lora', 'data', 'stages', ...keysOf('experiment')]);
    const stages = object.entries.get('stages');
    if (stages === undefined) {
      this.fail(object, 'stages', 'is missing', 'Add "stages": a list like [{"kind": "sft"}].');
    }
    if (stages.kind !== 'array' || stages.items.length === 0) {
      this.refuse(stages, 'stages', 'a list of at least one stage');
    }
    const fields = {
      format: 1,
      ...this.settings(object, '', 'experiment'),
      lora: this.section(object, 'lora'),
      data: this.section(object, 'data'),
      stages: stages.items.map((stage, i) => this.stage(stage, `stages[${i}]`)),
    };
    this.modelName(object);
    return fields as unknown as Experiment;
  }

  /** Asked first: a file of another version would otherwise fail on some key that it alone knows. */
  private format(object: ObjectNode): void {
    const versions = `format ${FORMATS.join(' or ')}`;
    const node = object.entries.get('format');
    if (node === undefined) {
      this.fail(object, 'format', 'is missing', `Add "format": this playground opens ${versions}.`);
    }
    if (node.kind === 'scalar' && FORMATS.includes(Number(node.value)) && typeof node.value === 'number')
      return;
    this.fail(node, 'format', `is ${show(node)}`, `This playground opens ${versions}.`);
  }

  private modelName(object: ObjectNode): void {
    const node = object.entries.get('model');
    if (node?.kind !== 'scalar') return;
    const name = String(node.value);
    const wrong =
      (name.startsWith('bundled:') && !/^bundled:[\w.-]+$/.test(name)) ||
      (name.startsWith('hf:') && !/^hf:[\w.-]+\/[\w.-]+(@[\w./-]+)?$/.test(name));
    if (wrong)
      this.refuse(node, 'model', 'bundled:NAME, hf:OWNER/NAME, hf:OWNER/NAME@REVISION, or a directory');
  }

  private section(parent: ObjectNode, key: 'lora' | 'data'): Fields {
    const node = parent.entries.get(key);
    if (node === undefined) return defaultsOf(key);
    const object = this.object(node, key, `an object with keys out of ${keysOf(key).join(', ')}`);
    this.knownKeys(object, key, keysOf(key));
    if (key === 'data') this.builtins(object);
    return this.settings(object, key, key);
  }

  private builtins(data: ObjectNode): void {
    for (const [key, node] of data.entries) {
      const value = toValue(node);
      if (typeof value !== 'string' || !value.startsWith('builtin:') || BUILTIN.test(value)) continue;
      this.refuse(
        node,
        `data.${key}`,
        'builtin:NAME/sft, …/prompts, …/eval, …/preferences, …/sft_model, …/reward_model, or a path',
      );
    }
  }

  private stage(node: JsonNode, path: string): Stage {
    const kinds = STAGE_KINDS.map((kind) => JSON.stringify(kind)).join(', ');
    const object = this.object(node, path, `a stage like {"kind": "sft"}, the kind out of ${kinds}`);
    const kindNode = object.entries.get('kind');
    if (kindNode === undefined)
      this.fail(object, `${path}.kind`, 'is missing', `Add "kind", one of ${kinds}.`);
    const kind = STAGE_KINDS.find((known) => kindNode.kind === 'scalar' && kindNode.value === known);
    if (kind === undefined) this.refuse(kindNode, `${path}.kind`, `one of ${kinds}`, STAGE_KINDS);
    this.knownKeys(object, path, ['kind', ...keysOf(kind)]);
    const fields = this.settings(object, path, kind);
    // Without rows held out there is nothing to watch: a patience that only the default asks for is none.
    const patience = 'early_stopping_patience';
    if (fields['eval_fraction'] === 0 && !object.entries.has(patience)) fields[patience] = null;
    return { kind, ...fields } as unknown as Stage;
  }

  /** The settings of `scope` in an object, defaults filled in. Keys of other scopes are the caller's. */
  private settings(object: ObjectNode, path: string, scope: Scope): Fields {
    const fields = defaultsOf(scope);
    for (const setting of settingsOf(scope)) {
      const node = object.entries.get(setting.key);
      if (node !== undefined) fields[setting.key] = this.value(node, join(path, setting.key), setting);
    }
    return fields;
  }

  private value(node: JsonNode, path: string, setting: Setting): unknown {
    const value = toValue(node);
    if (!fits(setting, value)) this.refuse(node, path, allowed(setting), setting.choices);
    if (setting.type === 'labeller') return this.labeller(node, path, setting);
    if (setting.type === 'reward') return this.reward(node, path, setting);
    return value;
  }

  private labeller(node: JsonNode, path: string, setting: Setting): Fields {
    const object = this.object(node, path, allowed(setting));
    this.knownKeys(object, path, ['kind', 'name', ...keysOf('labeller')]);
    this.kind(object, path, ['rule'], setting);
    return {
      kind: 'rule',
      name: this.ruleName(object, path, LABELLERS),
      ...this.settings(object, path, 'labeller'),
    };
  }

  private reward(node: JsonNode, path: string, setting: Setting): RewardSource {
    const object = this.object(node, path, allowed(setting));
    const kind = this.kind(object, path, ['model', 'rule', 'tokens'], setting);
    if (kind === 'model') {
      this.knownKeys(object, path, ['kind']);
      return { kind };
    }
    if (kind === 'rule') {
      this.knownKeys(object, path, ['kind', 'name']);
      return { kind, name: this.ruleName(object, path, Object.keys(rules)) };
    }
    this.knownKeys(object, path, ['kind', 'weights']);
    const example = 'an object from the text of a token to its weight, like {" happy": 1}';
    const weights = object.entries.get('weights');
    if (weights === undefined)
      this.fail(object, `${path}.weights`, 'is missing', `Add "weights": ${example}.`);
    const { entries } = this.object(weights, `${path}.weights`, example);
    if (entries.size === 0) this.refuse(weights, `${path}.weights`, example);
    for (const [token, weight] of entries) {
      const finite =
        weight.kind === 'scalar' && typeof weight.value === 'number' && Number.isFinite(weight.value);
      if (!finite) this.refuse(weight, `${path}.weights[${JSON.stringify(token)}]`, 'a number');
    }
    return { kind: 'tokens', weights: toValue(weights) as Record<string, number> };
  }

  private kind<K extends string>(object: ObjectNode, path: string, kinds: readonly K[], setting: Setting): K {
    const node = object.entries.get('kind');
    if (node === undefined) this.fail(object, `${path}.kind`, 'is missing', `It may be ${allowed(setting)}.`);
    const kind = kinds.find((known) => node.kind === 'scalar' && node.value === known);
    return kind ?? this.refuse(node, `${path}.kind`, kinds.map((k) => JSON.stringify(k)).join(' or '), kinds);
  }

  private ruleName(object: ObjectNode, path: string, names: readonly string[]): string {
    const choices = names.map((name) => JSON.stringify(name)).join(' or ');
    const node = object.entries.get('name');
    if (node === undefined) this.fail(object, `${path}.name`, 'is missing', `Add "name": ${choices}.`);
    const name = names.find((known) => node.kind === 'scalar' && node.value === known);
    return name ?? this.refuse(node, `${path}.name`, choices, names);
  }

  private object(node: JsonNode, path: string, expected: string): ObjectNode {
    return node.kind === 'object' ? node : this.refuse(node, path || 'the file', expected);
  }

  private knownKeys(object: ObjectNode, path: string, known: readonly string[]): void {
    for (const [key, node] of object.entries) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      const others = STAGE_KINDS.filter((kind) => keysOf(kind).includes(key));
      const fix =
        near !== null
          ? `Did you mean "${near}"?`
          : others.length > 0 && path.startsWith('stages')
            ? `Take it out: it is a setting of ${others.join(', ')}.`
            : `It may be one of: ${known.join(', ')}.`;
      this.fail(node, join(path, key), 'is not a setting here', fix);
    }
  }

  /** The value itself is wrong: shown, with what it may be and, for a mistyped name, the nearest one. */
  private refuse(node: JsonNode, path: string, expected: string, names: readonly string[] = []): never {
    const text = node.kind === 'scalar' && typeof node.value === 'string' ? node.value : null;
    const near = text === null ? null : nearest(text, names);
    const hint = near === null ? '' : ` Did you mean "${near}"?`;
    return this.fail(node, path, `is ${show(node)}`, `It may be ${expected}.${hint}`);
  }

  private fail(node: JsonNode, path: string, what: string, fix: string): never {
    throw new PlaygroundError('bad-experiment', `${this.source}, line ${node.line}: ${path} ${what}.`, fix);
  }
}

function keysOf(scope: Scope): string[] {
  return settingsOf(scope).map(({ key }) => key);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function show(node: JsonNode): string {
  const value = toValue(node);
  if (value === Infinity || value === -Infinity) return 'a number too large to hold';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
