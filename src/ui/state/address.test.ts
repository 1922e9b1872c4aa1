// A link that was sent once must open for ever, so each version's fixture is never changed, only added to.

import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SettingValue } from '../../shared/setting';
import { parseExperiment } from '../../shared/validate';
import { settingsAt, writeSetting, type Place } from '../lib/draft';
import {
  differences,
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
    const address = parseAddress({ hash: link, search: '' });
    expect(address).toEqual({ ...NOTHING, ...opens });
    const experiment = withDifferences(
      address.stages ? plainExperiment(address.stages) : base,
      address.changes,
    );
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
        expect(parseAddress({ hash, search: '' })).toEqual(address);
        expect(parseAddress({ hash: new URL(hash, 'https://a.b/').hash, search: '' })).toEqual(address);
      }),
    );
  });

  it('may stand after the question mark; what is after # goes before it', () => {
    const address = parseAddress({ search: '?experiment=a&seed=1&backend=wasm', hash: '#v=1&seed=2' });
    expect(address).toEqual({ ...NOTHING, experiment: 'a', changes: { seed: '2' }, backend: 'wasm' });
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
      let back;
      try {
        back = withDifferences(base, changes);
      } catch (error) {
        // A link cannot make what a file may not hold: two settings that contradict each other.
        expect((error as { code: string }).code, key).toBe('bad-experiment');
        continue;
      }
      expect(back).toEqual(draft);
      tried++;
    }
    expect(tried).toBeGreaterThan(settings.length / 2);
  });

  it('are none for the same experiment, and unknown for other stages', () => {
    expect(differences(base, base)).toEqual({});
    expect(differences(base, { ...base, stages: base.stages.slice(1) })).toBeNull();
  });

  it('that mean nothing are named', () => {
    expect(() => withDifferences(base, { 'ppo.kl_coeff': '0' })).toThrow('ppo.kl_coeff');
    expect(() => withDifferences(base, { 'ppo.kl_coef': 'much' })).toThrow('“much”. It may be a number');
    expect(() => withDifferences(base, { 'ppo.reward': '{' })).toThrow('“{”');
    expect(() => plainExperiment(['sft', 'magic'])).toThrow('“magic”');
  });
});
