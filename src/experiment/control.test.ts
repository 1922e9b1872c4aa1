// A run that is failed from outside, as by a device that reports an error no call returns.
import { expect, test } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { MemoryStore } from '../../tests/memory-store';
import { jsonl, rowsOf, tinyRun } from '../../tests/tiny-run';
import { openDevice } from '../engine/device';
import { disposeModel, loadModel } from '../model/load';
import { parseExperiment } from '../shared/validate';
import { Control } from './control';

const MODEL = 'tests/fixtures/gpt-neo-tiny/model';
const rows = Array.from({ length: 16 }, (_, i) => ({ prompt: `p${i}:`, completion: `C${i}.` }));

const problem = new Error('no memory left');

/** Fails once that step was allowed and before it is done. */
class FailsInStep extends Control {
  private begun = 0;

  constructor(private readonly last: number) {
    super();
  }

  override takeChanges() {
    if (++this.begun === this.last) this.fail(problem);
    return super.takeChanges();
  }
}

test('ends for that reason, waiting or computing, and keeps nothing of the step after', async () => {
  const device = await openDevice('wasm');
  const model = await loadModel('tiny', nodeDirectory(MODEL));
  const given = {
    ...{ format: 1, model: 'tiny', data: { sft: 'sft.jsonl' } },
    lora: { r: 2, lora_alpha: 4, lora_dropout: 0, target_modules: ['q_proj'] },
    stages: [{ kind: 'sft', per_device_train_batch_size: 4, warmup_steps: 0, max_steps: 6 }],
  };
  const { experiment } = parseExperiment(JSON.stringify(given), 'x.json');
  const readData = () => Promise.resolve(new TextEncoder().encode(jsonl(rows)));
  for (const waiting of [false, true]) {
    const [control, store] = [waiting ? new Control() : new FailsInStep(4), new MemoryStore()];
    let steps = 0;
    const failed = tinyRun({
      ...{ experiment, model, device, readData, control, store },
      tell: (event) => {
        if (event.type === 'stage' && event.state === 'paused') control.fail(problem);
        if (event.type !== 'metrics') return;
        steps++;
        if (waiting && steps === 3) control.pause();
      },
    });
    await expect(failed).rejects.toThrow('no memory left');
    expect(steps).toBe(3);
    expect(rowsOf(store, 'metrics.jsonl')).toHaveLength(3);
  }
  disposeModel(model);
});
