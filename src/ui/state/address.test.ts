// A link that was sent once must open for ever, so each version's fixture is never changed, only added to.

import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SettingValue } from '../../shared/setting';
import { parseExperiment } from '../../shared/validate';
import { settingsAt, writeSetting, type Place } from '../lib/draft';
import {
  differences,
  filesBehind,
  parseAddress,
  plainExperiment,
  withDifferences,
  writeAddress,
  type Address,
} from './address';

const file = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const { experiment: base } = parseExperiment(file('../../../experiments/kind-endings.json'), 'base');

const NOTHING: Address = {
  experiment: null,
  open: null,
  stages: null,
  changes: {},
  from: null,
  view: null,
  at: null,
  live: false,
  backend: 'auto',
};

interface Fixture {
  link: string;
  opens: Partial<Address>;
  sets: Record<string, unknown>;
}

const versions = readdirSync(new URL('../../../tests/fixtures/links', import.meta.url));

describe.each(versions)('links of %s', (version) => {
  const fixtures = JSON.parse(file(`../../../tests/fixtures/links/${version}`)) as Fixture[];

  it.each(fixtures)('$link opens', ({ link, opens, sets }) => {
    const { address, faults } = parseAddress({ hash: link, search: '' });
    expect(address).toEqual({ ...NOTHING, ...opens });
    const from = address.stages ? plainExperiment(address.stages) : base;
    const { experiment, faults: more } = withDifferences(from, address.changes);
    expect([...faults, ...more]).toEqual([]);
    for (const [path, value] of Object.entries(sets)) {
      const at = path
        .split('.')
        .reduce<unknown>((of, key) => (of as Record<string, unknown>)[key], experiment);
      expect(at, path).toEqual(value);
    }
  });
});

describe('an address', () => {
  const word = fc.stringMatching(/^[\w-]{1,12}$/);
  const anything = fc.record({
    experiment: fc.option(word),
    open: fc.option(fc.webUrl({ withQueryParameters: true, withFragments: true })),
    stages: fc.option(fc.array(word, { minLength: 1 })),
    changes: fc.dictionary(fc.stringMatching(/^[a-z]{1,6}\.[a-z_]{1,8}$/), fc.string({ unit: 'grapheme' })),
    from: fc.constantFrom('ppo' as const, null),
    view: fc.option(word),
    at: fc.option(fc.record({ stage: word, step: fc.nat() })),
    live: fc.boolean(),
    backend: fc.constantFrom('auto' as const, 'wasm' as const, 'webgpu' as const),
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(anything, (address) => {
        const hash = writeAddress(address);
        expect(parseAddress({ hash, search: '' })).toEqual({ address, faults: [] });
        const { hash: again } = new URL(hash, 'https://a.b/');
        expect(parseAddress({ hash: again, search: '' }).address).toEqual(address);
      }),
    );
  });

  it('may stand after the question mark; what is after # goes before it', () => {
    const { address, faults } = parseAddress({
      search: '?experiment=a&seed=1&backend=wasm&utm_source=mail',
      hash: '#v=1&seed=2',
    });
    expect(address).toEqual({ ...NOTHING, experiment: 'a', changes: { seed: '2' }, backend: 'wasm' });
    expect(faults, 'what others add after "?" is none of our business').toEqual([]);
  });

  it('says which of its words mean nothing, and keeps the others', () => {
    const { address, faults } = parseAddress({
      hash: '#v=1&experiment=a&colour=red&at=late&from=dpo&backend=abacus&seed=3&view=ppo',
      search: '',
    });
    expect(address).toEqual({ ...NOTHING, experiment: 'a', changes: { seed: '3' }, view: 'ppo' });
    expect(faults.join(' ')).toMatch(/“colour”.*from=dpo.*at=late.*like ppo@12.*backend=abacus/);
  });

  it('of another version is refused in words', () => {
    expect(() => parseAddress({ hash: '#v=9', search: '' })).toThrow('version 9');
  });
});

describe('differences', () => {
  const places: Place[] = ['experiment', 'lora', 'data', ...base.stages.keys()];
  const settings = places.flatMap((place) => settingsAt(base, place).map((setting) => ({ place, setting })));
  const OTHERS: Partial<Record<string, SettingValue>> = {
    text: 'builtin:kind-endings/prompts',
    texts: ['a', 'b,c'],
    reward: { kind: 'tokens', weights: { ' happy': 1, a: -0.5 } },
  };

  it('say every setting, one by one, and give the same experiment back', () => {
    let tried = 0;
    for (const { place, setting } of settings) {
      const { type, key, choices, nullable, range } = setting;
      if (type === 'labeller' || key === 'model') continue;
      const value: SettingValue =
        OTHERS[type] ??
        (nullable
          ? null
          : type === 'choice'
            ? choices.at(-1)!
            : type === 'boolean'
              ? true
              : type === 'integer'
                ? Math.min(range.max ?? Infinity, Number(setting.default) + 1)
                : (range.max ?? Number(setting.default) / 2));
      const draft = writeSetting(base, place, setting, value);
      const changes = differences(base, draft) ?? {};
      const read = parseAddress({ hash: writeAddress({ ...NOTHING, changes }), search: '' });
      expect(read, key).toEqual({ address: { ...NOTHING, changes }, faults: [] });
      const { experiment: back, faults } = withDifferences(base, read.address.changes);
      // A link cannot make what a file may not hold: two settings that contradict each other.
      expect(faults.length > 0 ? base : draft, key).toEqual(back);
      tried += Number(faults.length === 0);
    }
    expect(tried).toBeGreaterThan(settings.length / 2);
  });

  it('are none for the same experiment, and unknown for other stages', () => {
    expect(differences(base, base)).toEqual({});
    expect(differences(base, { ...base, stages: base.stages.slice(1) })).toBeNull();
  });

  it('that mean nothing are named, and the others hold', () => {
    const { experiment, faults } = withDifferences(base, {
      'ppo.kl_coeff': '0',
      'ppo.kl_coef': 'much',
      'ppo.reward': '{',
      'pairs.labeller.noise': '0.3',
      seed: '9',
    });
    expect(faults).toEqual([
      'The link sets ppo.kl_coeff, and this experiment has no such setting.',
      expect.stringContaining('“much”. It may be a number'),
      expect.stringContaining('“{”'),
    ]);
    expect(experiment).toEqual(
      withDifferences(base, { 'pairs.labeller.noise': '0.3', seed: '9' }).experiment,
    );
    expect(experiment.seed).toBe(9);
    expect(() => plainExperiment(['sft', 'magic'])).toThrow('“magic”');
  });

  it('that need one another come together; one that does not go with the rest stays behind', () => {
    const together = { 'sft.max_steps': '5', 'sft.warmup_steps': '1' };
    expect(withDifferences(base, together).faults).toEqual([]);
    const torn = withDifferences(base, { 'ppo.reward': '{"kind":"magic"}', ...together });
    expect(torn.experiment).toEqual(withDifferences(base, together).experiment);
    expect(torn.faults).toEqual([expect.stringContaining('ppo.reward')]);
  });
});

it('tells what a link names and does not bring along', () => {
  const changes = {
    model: 'own:tiny',
    'data.preferences': 'preferences.jsonl',
    'data.sft_model_path': 'adapters/sft',
    'data.prompts': 'builtin:kind-endings/prompts',
    'data.sft': '',
    'ppo.kl_coef': '0.1',
  };
  expect(filesBehind(changes)).toEqual(['own:tiny', 'preferences.jsonl', 'adapters/sft']);
  expect(filesBehind({ model: 'hf:EleutherAI/gpt-neo-125m' })).toEqual([]);
  expect(filesBehind({ 'data.sft_model_path': 'base' })).toEqual([]);
});
