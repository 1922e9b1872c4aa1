// The worker as the page uses it, on wasm: commands in, events out, a run kept in IndexedDB and resumed after the tab
// was closed in the middle of it.
import { beforeAll, expect, it } from 'vitest';
import { deleteRun, idbRunStore, listRuns } from '../src/storage/idb-store';
import { readText } from '../src/storage/run-store';
import type { Experiment, Stage } from '../src/shared/experiment';
import type { Command, Event } from '../src/shared/protocol';
import { defaultStage } from '../src/shared/validate';
import { startWorker } from '../src/worker/client';

const MODEL = 'dir:/tests/fixtures/gpt-neo-tiny/model';

/** A worker whose events can be waited for. */
function open() {
  const events: Event[] = [];
  const waiters = new Set<() => void>();
  const client = startWorker((event) => {
    events.push(event);
    for (const wake of [...waiters]) wake();
  });
  /** The first event, past or to come, that `pick` takes; rejects on an error event. */
  const until = <E extends Event['type']>(
    type: E,
    pick: (event: Extract<Event, { type: E }>) => boolean = () => true,
  ) =>
    new Promise<Extract<Event, { type: E }>>((resolve, reject) => {
      const look = (): void => {
        const failed = events.find((event) => event.type === 'error');
        const found = events.find(
          (event): event is Extract<Event, { type: E }> =>
            event.type === type && pick(event as Extract<Event, { type: E }>),
        );
        if (!found && !failed) return;
        waiters.delete(look);
        if (found) resolve(found);
        else if (failed?.type === 'error') reject(new Error(failed.error.message));
      };
      waiters.add(look);
      look();
    });
  const send = (command: Command): void => client.send(command);
  return { send, until, events, close: () => client.close() };
}

const training = {
  per_device_train_batch_size: 4,
  gradient_accumulation_steps: 1,
  save_steps: 2,
  learning_rate: 1e-2,
  lr_scheduler_type: 'constant' as const,
  warmup_steps: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0,
  max_grad_norm: 1,
};
const rows = Array.from(
  { length: 12 },
  (_, i) => `${JSON.stringify({ prompt: `p${i}:`, completion: `C${i}.` })}\n`,
);
const experiment: Experiment = {
  format: 1,
  name: 'tiny',
  model: MODEL,
  seed: 1,
  lora: { r: 2, lora_alpha: 4, lora_dropout: 0, target_modules: ['q_proj'], use_rslora: false },
  data: { sft: URL.createObjectURL(new Blob(rows)), prompts: URL.createObjectURL(new Blob(rows)) },
  stages: [
    {
      kind: 'sft',
      ...training,
      max_steps: 6,
      eval_fraction: 0.25,
      eval_steps: 3,
      early_stopping_patience: null,
      group_by_length: false,
      curriculum_steps: 0,
      metric_for_best_model: 'eval_loss',
    },
    {
      ...defaultStage('ppo'),
      ...training,
      reward: { kind: 'tokens', weights: { a: 1 } },
      total_episodes: 16,
      num_mini_batches: 1,
      num_ppo_epochs: 2,
      response_length: 6,
      temperature: 1,
      kl_coef: 0.05,
      kl_estimator: 'k1',
      kl_target: null,
      kl_horizon: 10_000,
      cliprange: 0.2,
      cliprange_value: 0.2,
      vf_coef: 0.1,
      gamma: 1,
      lam: 0.95,
      whiten_rewards: false,
      missing_eos_penalty: null,
      target_kl: null,
    },
  ],
};

beforeAll(async () => {
  for (const run of await listRuns()) await deleteRun(run);
});

it('opens a device, loads a model, tells memory, and answers for the bare model', async () => {
  const worker = open();
  worker.send({ type: 'open', backend: 'wasm' });
  worker.send({ type: 'loadModel', request: 3, model: MODEL });
  expect((await worker.until('device')).device.backend).toBe('wasm');
  expect(await worker.until('model')).toMatchObject({ request: 3, model: { vocabulary: 97, context: 64 } });
  await worker.until('memory', ({ memory }) => memory.tensors > 0 && memory.bytes > 0);
  const options = { maxNewTokens: 5, minNewTokens: 0, temperature: 0, topK: 0, topP: 1, seed: 0 };
  worker.send({ type: 'generate', request: 4, runId: null, adapter: null, prompts: ['ab', 'c'], options });
  const { completions } = await worker.until('generated', ({ request }) => request === 4);
  expect(completions.map(({ length }) => length)).toEqual([5, 5]);
  worker.close();
});

it('trains, is killed with its tab, resumes and ends as a run that was left alone', async () => {
  const metrics = async (runId: string): Promise<string[]> =>
    ((await readText(idbRunStore(runId), 'metrics.jsonl')) ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.stringify({ ...(JSON.parse(line) as object), seconds: 0, eps: 0 }));
  const start = (runId: string, resume: boolean) => {
    const worker = open();
    worker.send({ type: 'open', backend: 'wasm' });
    worker.send({ type: 'start', runId, experiment, resume });
    return worker;
  };
  const whole = start('whole', false);
  await whole.until('run', ({ state }) => state === 'finished');
  // Samples with a finished stage's adapter.
  const options = { maxNewTokens: 4, minNewTokens: 4, temperature: 1, topK: 0, topP: 1, seed: 3 };
  whole.send({ type: 'generate', request: 1, runId: 'whole', adapter: 'ppo', prompts: ['a'], options });
  expect((await whole.until('generated')).completions[0]!.length).toBe(4);
  expect(whole.events.filter(({ type }) => type === 'metrics').length).toBe(10);
  // Writes pairs for a person to judge, the same again by their numbers.
  const ask = (request: number, from: number, count: number) => {
    whole.send({ type: 'samplePairs', request, runId: 'whole', adapter: 'ppo', experiment, from, count });
    return whole.until('sampledPairs', (event) => event.request === request);
  };
  const { pairs } = await ask(2, 0, 6);
  expect(pairs.length).toBeGreaterThan(0);
  for (const { id, prompt, answers, labelled } of pairs) {
    expect(id).toMatch(/^ppo:[0-5]$/);
    expect(prompt.text).toMatch(/^p\d+:$/);
    expect(answers[0].text).not.toBe(answers[1].text);
    expect(labelled).toBeNull();
  }
  const { pairs: later } = await ask(3, 2, 4);
  expect(later).toEqual(pairs.filter(({ id }) => Number(id.slice(4)) >= 2));
  whole.close();

  const killed = start('killed', false);
  await killed.until('metrics', ({ row }) => row.stage === 'ppo' && row.step === 3);
  killed.close();
  const resumed = start('killed', true);
  await resumed.until('run', ({ state }) => state === 'finished');
  resumed.close();
  expect(await metrics('killed')).toEqual(await metrics('whole'));
  const adapter = 'adapters/ppo/adapter_model.safetensors';
  expect(await idbRunStore('killed').read(adapter)).toEqual(await idbRunStore('whole').read(adapter));
});

it('starts a run from pairs and adapters that lie beside its experiment', async () => {
  const [from, store] = [idbRunStore('whole'), idbRunStore('judged')];
  for (const path of await from.list('adapters/')) await store.write(path, (await from.read(path))!);
  const pair = (i: number) => JSON.stringify({ prompt: `p${i}:`, chosen: 'aa', rejected: `B${i}` });
  await store.append('preferences.jsonl', Array.from({ length: 8 }, (_, i) => `${pair(i)}\n`).join(''));
  const judged: Experiment = {
    ...experiment,
    data: {
      prompts: experiment.data.prompts!,
      preferences: 'preferences.jsonl',
      policy_model_path: 'adapters/sft',
    },
    stages: [
      { ...defaultStage('reward'), ...training, max_steps: 2, eval_fraction: 0.25, eval_steps: 2 },
      { ...experiment.stages[1]!, reward: { kind: 'model' }, total_episodes: 8 } as Stage,
    ],
  };
  const worker = open();
  worker.send({ type: 'open', backend: 'wasm' });
  worker.send({ type: 'start', runId: 'judged', experiment: judged, resume: false });
  await worker.until('run', ({ state }) => state === 'finished');
  const { row } = await worker.until('metrics', (event) => event.row.stage === 'ppo');
  // It goes on from the policy it was given, away from its reference, the bare model.
  expect(row['objective/kl']).not.toBe(0);
  expect(await store.list('adapters/policy/')).not.toEqual([]);
  worker.close();
});

it('says what is wrong with a command, and of which', async () => {
  const worker = open();
  worker.send({ type: 'open', backend: 'wasm' });
  await worker.until('device');
  worker.send({ type: 'golden', request: 7, directory: '/tests/fixtures/nowhere' });
  await expect(worker.until('goldenResult')).rejects.toThrow('cases.json');
  expect(worker.events.find(({ type }) => type === 'error')).toMatchObject({ request: 7 });
  worker.close();
});
