// Joins the page to its worker: which experiment the address names, what is sent and what comes back, the recording
// that stands in for a run where there is none yet, and the run that the last visit left in this browser. The engine
// is loaded once something is to be computed.

import { PlaygroundError, toPlainError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import type { Command, Event } from '../shared/protocol';
import { parseExperiment } from '../shared/validate';
import { startWorker, type WorkerClient } from '../worker/client';
import { Recordings } from './recorded/recordings.svelte';
import { DEFAULT_EXPERIMENT, SHIPPED_RECORDINGS } from './recorded/shipped';
import { isOwnAddress } from './share/link';
import { type Address, parseAddress, plainExperiment, withDifferences } from './state/address';
import { isHeld } from './state/locks';
import { Playground } from './state/playground.svelte';
import { cameRecorded, lastRun, samplesOf } from './state/saved';
import { Session } from './state/session.svelte';

const SHIPPED = import.meta.glob<string>('../../experiments/*.json', {
  query: '?raw',
  import: 'default',
  eager: true,
});

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

/** What the address says, and the experiment it starts from; what is wrong with it is told and left out. */
function readAddress(tell: (error: unknown) => void): { address: Address; experiment: Experiment } {
  try {
    const address = parseAddress(location);
    const experiment = address.stages
      ? plainExperiment(address.stages)
      : shippedExperiment(address.experiment ?? DEFAULT_EXPERIMENT);
    return { address, experiment };
  } catch (error) {
    tell(error);
    return {
      address: parseAddress({ hash: '', search: '' }),
      experiment: shippedExperiment(DEFAULT_EXPERIMENT),
    };
  }
}

/** The page's state, and `wake`, which shows what there is to show. */
export function connect(): { playground: Playground; wake: () => Promise<void> } {
  let worker: WorkerClient | null = null;
  let line: Promise<void> = Promise.resolve();

  const send = (command: Command): void => {
    line = line.then(() => deliver(command)).catch(tell);
  };
  const session = new Session(send);
  const tell = (error: unknown): void => void (session.error = toPlainError(error));

  const { address, experiment } = readAddress((error) => queueMicrotask(() => tell(error)));
  const base = address.experiment ?? DEFAULT_EXPERIMENT;
  const origin = { experiment: address.stages ? null : base, open: null, from: null };
  const playground = new Playground(session, experiment, origin, send);
  const { recordings } = playground;
  session.reset(null, experiment);

  // Whoever names a backend or says "live" wants to compute, not to look.
  const replays = !address.live && address.backend === 'auto' && !address.open && !address.stages;
  const recording =
    replays && SHIPPED_RECORDINGS.some(({ name }) => name === base) ? Recordings.fetchShipped(base) : null;

  // The page writes its own address as one goes; only what somebody sent is a link.
  const isLink = location.hash.length > 1 && !isOwnAddress();
  const last = isLink ? Promise.resolve(null) : lastRun();

  async function deliver(command: Command): Promise<void> {
    if ('runId' in command && command.runId !== null && cameRecorded(command.runId)) await recordings.keep();
    (worker ?? start()).send(command);
  }

  function start(): WorkerClient {
    const started = (worker = startWorker(hear));
    started.send({ type: 'open', backend: address.backend });
    void playground.models.loadIfHere(playground.draft.model);
    return started;
  }

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
    if (again) hear({ type: 'run', state: 'failed' });
    else if (wasBusy) await playground.continue();
  }

  const hear = (event: Event): void => {
    session.receive(event);
    if (event.type === 'error' && event.error.code === 'device-lost') void replaceWorker().catch(tell);
    if (event.type === 'run' && !session.busy) playground.release();
    const { runId } = session;
    if (event.type !== 'report' || runId === null) return;
    samplesOf(runId).then((samples) => session.addSamples(samples), tell);
  };

  /** What differs in a link is set on top of what it starts from, and the view is the link's. */
  async function applyLink(): Promise<void> {
    if (address.from === 'ppo') await recordings.proposePpo();
    if (Object.keys(address.changes).length > 0)
      playground.draft = withDifferences(playground.draft, address.changes);
    if (address.view !== null) playground.choose(address.view);
  }

  const wake = async (): Promise<void> => {
    try {
      const saved = await last;
      if (saved && !session.busy) {
        playground.restore(saved);
        if (!saved.report && (await isHeld(saved.runId))) void playground.open(saved.runId);
      } else if (recording && !session.busy) {
        await recordings.show(recording, { origin, play: address.at === null, at: address.at });
      }
      if (address.open !== null) recordings.asked = { url: address.open, at: address.at, opened: applyLink };
      else if (!saved) await applyLink();
    } catch (error) {
      tell(error);
    }
    playground.settled = true;
    if (session.recorded !== null || address.open !== null) return;
    // The engine is not loaded before the page stands.
    requestAnimationFrame(() => setTimeout(() => (worker ??= start())));
  };
  return { playground, wake };
}
