// What the machine gives, and what the page makes of it: memory told of before a run, what smaller weights cost, the same
// memory after ten runs in one tab as after two, and the end of what computes.

import { expect, test, type Page } from '@playwright/test';
import type { MemoryReport } from '../../src/shared/protocol';
import { button, field, runAgain, tab, timeline } from './fixtures/parts';
import { fewRows } from './fixtures/short-run';
import { fileOfNewestRun, rowsOf } from './fixtures/store';
import { expectAccessible, watch } from './fixtures/witness';

test.use({ actionTimeout: 30_000 });

// No settings make the bundled model more than it is given, since long batches are written and learnt from in parts:
// refusals are held where the model is larger (src/experiment/budget.test.ts, tests/out-of-memory.browser.test.ts).
test('what a run takes is told before it begins, stage by stage, and follows its settings', async ({
  page,
}) => {
  const witness = watch(page);
  await page.goto('./?backend=wasm');
  const budget = page.getByRole('region', { name: 'Memory a run takes' });
  await expect(budget.getByRole('row')).toHaveCount(6, { timeout: 60_000 });
  await expect(budget.getByRole('row', { name: /^SFT/ })).toContainText(/MB.*23\.7\sMB.*MB.*MB.*MB/);
  await expectAccessible(page);
  await tab(page, 'PPO').click();
  const settings = page.getByRole('region', { name: 'Settings' });
  const taken = async (): Promise<number> => {
    const text = await settings.getByText(/^This stage takes/).textContent();
    return Number(/takes (\d+)\sMB/.exec(text ?? '')?.[1]);
  };
  await expect.poll(taken).toBeGreaterThan(100);
  const before = await taken();
  for (const [name, value] of [
    ['Episodes', '4096'],
    ['Batch size', '1024'],
    ['Longest completion', '400'],
  ] as const) {
    await field(page, name).fill(value);
    await page.keyboard.press('Tab');
  }
  await expect.poll(taken).toBeGreaterThan(1.5 * before);
  expect(await taken()).toBeLessThan(1000);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});

test('what smaller base weights cost in exactness is measured on a button', async ({ page }) => {
  const witness = watch(page);
  await page.goto('./?backend=wasm#v=1&quantization=nf4');
  await button(page, 'Measure it against float32').click({ timeout: 60_000 });
  const cost = page.getByRole('region', { name: 'What smaller weights cost' });
  await expect(cost).toContainText(/On [\d,]+ tokens of 12 rows/, { timeout: 60_000 });
  const words = ((await cost.textContent()) ?? '').replaceAll(/\s+/g, ' ');
  const [kl = NaN, packed = NaN, whole = NaN, same = NaN] =
    /([\d.]+) nats.* is ([\d.]+) in place of ([\d.]+), .* in ([\d.]+) %/.exec(words)?.slice(1).map(Number) ??
    [];
  expect(kl).toBeGreaterThan(0.001);
  expect(kl).toBeLessThan(0.1);
  expect(packed).toBeGreaterThan(whole);
  expect(same).toBeGreaterThan(90);
  await expectAccessible(page);
  expect(witness).toEqual({ complaints: [], foreign: [] });
});

/** What the worker last told of its memory. */
const told = (page: Page): Promise<MemoryReport> =>
  page.evaluate(() => (globalThis as unknown as { memory: MemoryReport }).memory);

/** Bytes that the page's own thread holds, after what nobody holds any more has gone. What the browser compiles of functions
 *  that are called often is not the page's to hold, and grows for as long as there are such. */
async function heapOf(page: Page): Promise<number> {
  const devtools = await page.context().newCDPSession(page);
  const parts: string[] = [];
  devtools.on('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => parts.push(chunk));
  await devtools.send('HeapProfiler.collectGarbage');
  await devtools.send('HeapProfiler.takeHeapSnapshot', { reportProgress: false });
  await devtools.detach();
  const { snapshot, nodes } = JSON.parse(parts.join('')) as {
    snapshot: { meta: { node_fields: string[]; node_types: [string[], ...unknown[]] } };
    nodes: number[];
  };
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, size, code] = [fields.indexOf('type'), fields.indexOf('self_size'), types[0].indexOf('code')];
  let bytes = 0;
  for (let at = 0; at < nodes.length; at += fields.length)
    if (nodes[at + type] !== code) bytes += nodes[at + size]!;
  return bytes;
}

/** Opens the page on a run of seconds; `changes` makes it longer. */
async function openTiny(page: Page, changes: Record<string, number> = {}): Promise<void> {
  await fewRows(page, 12, 'sft', 'prompts');
  const tiny = {
    'data.sft': 'builtin:kind-endings/sft',
    'data.prompts': 'builtin:kind-endings/prompts',
    'data.reward_model_path': 'builtin:kind-endings/reward_model',
    'sft.max_steps': 1,
    'sft.warmup_steps': 0,
    'sft.eval_steps': 100,
    'sft.per_device_train_batch_size': 2,
    'ppo.total_episodes': 2,
    'ppo.per_device_train_batch_size': 2,
    'ppo.response_length': 4,
    'ppo.warmup_steps': 0,
    ...changes,
  };
  const words = Object.entries(tiny).map(([key, value]) => `${key}=${value}`);
  await page.goto(`./?backend=wasm#v=1&stages=sft,ppo&${words.join('&')}`);
  await expect(tab(page, 'Model')).toContainText('5.9 million', { timeout: 60_000 });
}

test('ten runs in one tab leave as many tensors and bytes as two', async ({ page }) => {
  await page.addInitScript(() => {
    const { Worker } = globalThis;
    globalThis.Worker = class extends Worker {
      constructor(...from: ConstructorParameters<typeof Worker>) {
        super(...from);
        this.addEventListener('message', ({ data }: MessageEvent<{ type: string; memory: unknown }>) => {
          if (data.type === 'memory') Object.assign(globalThis, { memory: data.memory });
        });
      }
    };
  });
  await openTiny(page);
  const after: (MemoryReport & { heap: number })[] = [];
  for (let run = 1; run <= 10; run++) {
    if (run > 1) await runAgain(page);
    else await button(page, /^Run the/).click();
    await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
    // What is told each second is of the time before.
    await page.waitForTimeout(1100);
    after.push({ ...(await told(page)), heap: await heapOf(page) });
  }
  const [, second] = after;
  const last = after[9];
  expect(last?.tensors).toBe(second?.tensors);
  expect(last?.bytes).toBe(second?.bytes);
  expect(last?.allocatedBytes).toBe(second?.allocatedBytes);
  // Eight more rows in the list of runs, of about 22 kB with their fields and buttons.
  expect((last?.heap ?? Infinity) - (second?.heap ?? 0)).toBeLessThan(4e5);
});

test('a worker that dies under way: the page says so and what to do, and the run ends as one that was left alone', async ({
  page,
}) => {
  await openTiny(page, { 'ppo.total_episodes': 10, 'ppo.save_steps': 2 });
  const rows = async () =>
    rowsOf(await fileOfNewestRun(page, 'metrics.jsonl')).map((row) => ({ ...row, seconds: 0, eps: 0 }));
  await button(page, /^Run the/).click();
  await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
  const whole = await rows();
  expect(whole).toHaveLength(1 + 5);

  // Long enough at rest to be met between its third update and its fourth.
  for (let i = 0; i < 2; i++) await page.keyboard.press('-');
  await button(page, 'Run again').click();
  await expect(timeline(page)).toHaveAttribute('aria-valuetext', /^PPO, update 3 of 5/, { timeout: 60_000 });
  const [worker] = page.workers().filter((each) => /worker-worker/.test(each.url()));
  await worker!.evaluate(() => {
    setTimeout(() => {
      throw new Error('killed for the test');
    });
  });
  const notice = page.getByRole('alert').first();
  await expect(notice).toContainText('What computes has ended: ');
  await expect(notice).toContainText('Go on from the last checkpoint; what was kept is not lost.');
  await expect.poll(() => page.workers().includes(worker!)).toBe(false);
  expect(await rows()).not.toEqual(whole);

  for (let i = 0; i < 2; i++) await page.keyboard.press('+');
  await notice.getByRole('button', { name: 'Continue from the last checkpoint' }).click();
  await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
  expect(await rows()).toEqual(whole);
});

test('a worker that is gone without a word is noticed, and another takes its place', async ({ page }) => {
  await openTiny(page);
  const [worker] = page.workers().filter((each) => /worker-worker/.test(each.url()));
  await worker!.evaluate(() => self.close());
  const notice = page.getByRole('alert').first();
  await expect(notice).toContainText('What computes has ended: the browser has closed it');
  await button(page, /^Run the/).click();
  await expect(button(page, 'Run again')).toBeVisible({ timeout: 60_000 });
});
