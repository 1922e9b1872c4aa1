// Joins the page to its worker: which experiment the address names, what is sent and what comes back, and the run
// that the last visit left in this browser. The engine is not loaded before the page stands.

import { PlaygroundError, toPlainError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import type { Command, Event } from '../shared/protocol';
import { parseExperiment } from '../shared/validate';
import { startWorker, type WorkerClient } from '../worker/client';
import { Playground } from './state/playground.svelte';
import { isHeld } from './state/locks';
import { lastRun, samplesOf } from './state/saved';
import { Session } from './state/session.svelte';

const SHIPPED = import.meta.glob<string>('../../experiments/*.json', {
  query: '?raw',
  import: 'default',
  eager: true,
});
const DEFAULT = 'kind-endings';
const MINUTE = 60_000;

/** The experiment shipped under a name. Throws PlaygroundError('not-found') naming those there are. */
function shippedExperiment(name: string): Experiment {
  const file = `../../experiments/${name}.json`;
  const text = SHIPPED[file];
  if (text === undefined) {
    const names = Object.keys(SHIPPED).map((path) => path.replace(/^.*\/|\.json$/g, ''));
    throw new PlaygroundError(
      'not-found',
      `There is no experiment called “${name}” on this site.`,
      `Open the page without it, or with one of: ${names.join(', ')}.`,
    );
  }
  return parseExperiment(text, `${name}.json`).experiment;
}

/** The page's state, and `wake`, which starts the worker. */
export function connect(address: URLSearchParams): { playground: Playground; wake: () => Promise<void> } {
  let worker: WorkerClient | null = null;
  const waiting: Command[] = [];
  const send = (command: Command): void => {
    if (worker) worker.send(command);
    else waiting.push(command);
  };
  const session = new Session(send);
  let experiment: Experiment;
  try {
    experiment = shippedExperiment(address.get('experiment') ?? DEFAULT);
  } catch (error) {
    experiment = shippedExperiment(DEFAULT);
    session.error = toPlainError(error);
  }
  const playground = new Playground(session, experiment, send);
  session.reset(null, experiment);

  /** When the device was last lost. */
  let lost = -Infinity;

  /** All that the worker held is gone with its device: a new one takes its place, and a run at work goes on from its
   *  last checkpoint. Twice in a minute is once too often. */
  async function replaceWorker(): Promise<void> {
    const again = performance.now() - lost < MINUTE;
    lost = performance.now();
    const wasBusy = session.busy;
    worker?.close();
    start();
    if (again) session.receive({ type: 'run', state: 'failed' });
    else if (wasBusy) await playground.recover();
  }

  function start(): void {
    worker = startWorker(hear);
    const backend = address.get('backend');
    worker.send({
      type: 'open',
      backend: backend === 'webgpu' || backend === 'wasm' ? backend : 'auto',
    });
    void playground.models.loadIfHere(playground.draft.model);
  }

  const hear = (event: Event): void => {
    session.receive(event);
    if (event.type === 'error' && event.error.code === 'device-lost') {
      void replaceWorker().catch((error: unknown) => (session.error = toPlainError(error)));
    }
    if (event.type === 'run' && !session.busy) playground.release();
    const { runId } = session;
    if (event.type !== 'report' || runId === null) return;
    samplesOf(runId).then(
      (samples) => session.addSamples(samples),
      (error: unknown) => (session.error = toPlainError(error)),
    );
  };

  const wake = async (): Promise<void> => {
    try {
      const saved = await lastRun();
      if (saved && !session.busy) {
        playground.restore(saved);
        if (!saved.report && (await isHeld(saved.runId))) void playground.open(saved.runId);
      }
    } catch (error) {
      session.error = toPlainError(error);
    }
    start();
    for (const command of waiting.splice(0)) send(command);
  };
  return { playground, wake };
}
