// What the pairs stage makes of several completions of a prompt.
import { beforeAll, expect, test, vi } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { jsonl, rowsOf, tinyRun } from '../../tests/tiny-run';
import { openDevice } from '../engine/device';
import { loadModel } from '../model/load';
import type { LanguageModel } from '../model/types';
import type { Experiment, PairsStage } from '../shared/experiment';
import type { LabelledPair } from '../shared/first-rows';
import type { DeviceReport, MetricsRow } from '../shared/protocol';
import { defaultStage } from '../shared/validate';

// The tiny model writes single characters, about which the real labellers have nothing to say.
vi.mock('../feedback/labellers', () => ({ labellers: { length: (_: string, text: string) => text.length } }));

let device: DeviceReport;
let model: LanguageModel;

beforeAll(async () => {
  device = await openDevice('wasm');
  model = await loadModel('tiny', nodeDirectory('tests/fixtures/gpt-neo-tiny/model'));
});

/** One step of 128 completions or as many as make whole groups. */
async function written(group: number, noise = 0): Promise<{ pairs: LabelledPair[]; row: MetricsRow }> {
  const prompts = Array.from({ length: 64 }, (_, i) => ({
    prompt: `${String.fromCharCode(97 + (i % 26))}${i}:`,
  }));
  const stage: PairsStage = {
    ...defaultStage('pairs'),
    ...{ count: 20, num_generations: group, max_new_tokens: 6 },
    labeller: { kind: 'rule', name: 'length', noise },
  };
  const experiment: Experiment = {
    ...{ format: 1, name: 'tiny', model: 'tiny', seed: 7 },
    lora: { r: 2, lora_alpha: 4, lora_dropout: 0, target_modules: ['q_proj'], use_rslora: false },
    data: { prompts: 'prompts.jsonl' },
    stages: [stage],
  };
  const readData = () => Promise.resolve(new TextEncoder().encode(jsonl(prompts)));
  const { store } = await tinyRun({ experiment, model, device, readData });
  return { pairs: rowsOf(store, 'pairs.jsonl'), row: rowsOf<MetricsRow>(store, 'metrics.jsonl')[0]! };
}

test(
  'every two completions of a prompt are compared, and the better one is chosen',
  { timeout: 60_000 },
  async () => {
    const { pairs } = await written(5);
    expect(pairs.length).toBe(20);
    for (const { chosen, rejected } of pairs) expect(chosen.length).toBeGreaterThan(rejected.length);
    const own = pairs.filter(({ prompt }) => prompt === pairs[0]!.prompt);
    const texts = [...new Set(own.flatMap(({ chosen, rejected }) => [chosen, rejected]))];
    const compared = texts.flatMap((better) =>
      texts.filter((worse) => worse.length < better.length).map((worse) => `${better}|${worse}`),
    );
    expect(compared.length).toBeGreaterThan(1);
    expect(new Set(own.map(({ chosen, rejected }) => `${chosen}|${rejected}`))).toEqual(new Set(compared));
  },
);

test(
  'the labels of two completions say who is chosen, noise turns some round',
  { timeout: 60_000 },
  async () => {
    const [right, noisy] = [await written(2), await written(2, 0.5)];
    const said = ({ pairs }: { pairs: LabelledPair[] }) =>
      pairs.map(({ chosen, rejected }) => [chosen, rejected].sort());
    expect(said(noisy)).toEqual(said(right));
    const turned = noisy.pairs.filter(({ chosen, rejected }) => chosen.length < rejected.length);
    expect(turned).toEqual(noisy.pairs.filter(({ flipped }) => flipped));
    expect(turned.length).toBeGreaterThan(2);
    expect(right.row['tie_rate']).toBe(noisy.row['tie_rate']);
  },
);
