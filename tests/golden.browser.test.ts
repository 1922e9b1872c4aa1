// The engine against PyTorch on both backends: every case of the golden directories (make_golden.py says how they were
// made), a trained Llama's texts, and the bundled model's log-probabilities and greedy text.

import { describe, expect, test } from 'vitest';
import { tf } from '../src/engine/tf';
import { runGolden } from '../src/experiment/golden';
import { checkTexts } from '../src/experiment/golden-texts';
import { hiddenStates } from '../src/model/forward';
import { disposeModel, loadModel } from '../src/model/load';
import { Adapter } from '../src/model/lora';
import { directory } from './browser-files';
import stories from './fixtures/stories-neo.json';
import { full } from './full';
import { DEVICES, useDevice } from './kernels';

const DORA = { r: 3, lora_alpha: 6, lora_dropout: 0, use_rslora: false, use_dora: true };

// What suits a GPU costs a software adapter dearly, and tiny models have little of it: there it is one text of the
// bundled model. The longest of its texts is what WebGPU computes otherwise; `FULL=1` has it compute all.
const AS_GPU = 'webgpu as on a GPU';

describe.each(DEVICES)('%s', (device) => {
  useDevice(device);

  test.skipIf(device === AS_GPU).each([
    ['gpt-neo-tiny', 116],
    ['gpt-neo-odd', 564],
    ['gpt2-odd', 116],
    ['gpt-neo-dora', 190],
    ['gpt2-dora', 150],
    ['llama-odd', 212],
    ['mistral-odd', 92],
    ['gpt-neox-odd', 68],
    ['gpt-neox-serial', 92],
    ['llama-stories260K', 15],
  ])(
    'every golden tensor of %s within 1e-4 of its largest value',
    { timeout: 180_000 },
    async (name, count) => {
      const before = tf.memory().numTensors;
      const rows = await runGolden(directory(`fixtures/${name}`));
      expect(rows).toHaveLength(count);
      expect(rows.filter(({ error }) => !(error <= 1e-4))).toEqual([]);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test('a new DoRA adapter changes nothing, to the bit', async () => {
    const before = tf.memory().numTensors;
    const model = await loadModel('dora', directory('fixtures/gpt-neo-dora/model'));
    const adapter = Adapter.create(model, { ...DORA, target_modules: ['q_proj', 'c_fc', 'out_proj'] }, 1);
    const ids = Int32Array.from({ length: 12 }, (_, i) => 3 * i);
    const batch = { ids, mask: new Int32Array(12).fill(1), batch: 2, length: 6 };
    const speak = (speaker: Adapter | null): Promise<ArrayLike<number>> =>
      tf.tidy(() => hiddenStates(model, speaker, batch)).data();
    const [bare, adapted] = await Promise.all([speak(null), speak(adapter)]);
    expect(adapted).toEqual(bare);
    adapter.dispose();
    disposeModel(model);
    expect(tf.memory().numTensors).toBe(before + 2);
  });

  test('the bundled model gives PyTorch’s log-probabilities and greedy text', async () => {
    const before = tf.memory().numTensors;
    const model = await loadModel('stories-neo', directory('../models/stories-neo'));
    const brief = stories.slice(0, 1).map(({ ids, token_logprobs }) => ({ ids, token_logprobs }));
    const texts = device === AS_GPU ? brief : device === 'wasm' || full ? stories : stories.slice(-1);
    await checkTexts(model, texts, (kase, tensor, actual, expected) => {
      if (tensor === 'ids') return; // the reference read an end token before each text
      const largest = Math.max(...Array.from(expected, Math.abs));
      const error = Math.max(...Array.from(expected, (value, t) => Math.abs(value - actual[t]!))) / largest;
      expect(error, `${kase} ${tensor}`).toBeLessThanOrEqual(tensor.startsWith('greedy') ? 0 : 1e-4);
    });
    disposeModel(model);
    expect(tf.memory().numTensors).toBe(before);
  });
});
