// What the page opens on, and what joins it to its worker. A link shows what it names; a page that is loaded again shows
// what it showed; else there is the run that the last visit left in this browser, or the recording that stands in for a
// run where there is none yet. The engine is loaded once something is to be computed.

import { toPlainError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import { Engine } from './engine';
import { shippedExperiment } from './experiments';
import type { Arriving } from './recorded/arrive';
import { Recordings } from './recorded/recordings.svelte';
import { DEFAULT_EXPERIMENT, SHIPPED_RECORDINGS } from './recorded/shipped';
import {
  badLink,
  differences,
  parseAddress,
  plainExperiment,
  type Reading,
  withDifferences,
} from './state/address';
import { isHeld } from './state/locks';
import { Playground } from './state/playground.svelte';
import { cameRecorded, lastRun, type SavedRun, savedRun } from './state/saved';
import { Session } from './state/session.svelte';
import { keepsRuns, opensOnRun, type Own, ownAddress } from './state/visit';

/** What the address says, the recording that it opens on, and what is wrong where it cannot be read at all. */
interface Opening extends Reading {
  /** Name of the experiment it starts from. */
  name: string;
  /** Whether there is a recording of that to stand in for a run. */
  replays: boolean;
  /** The recording, where it will most likely be shown. */
  recording: Arriving | null;
  broken: unknown;
}

/** Reads the address, and begins to read the recording it opens on. */
export function readAddress(): Opening {
  try {
    const reading = parseAddress(location);
    const { live, backend, open, stages, experiment } = reading.address;
    const name = experiment ?? DEFAULT_EXPERIMENT;
    // Whoever names a backend or says "live" wants to compute, not to look.
    const looks = !live && backend === 'auto' && !open && !stages;
    const replays = looks && SHIPPED_RECORDINGS.some((each) => each.name === name);
    const recording = replays && !opensOnRun() ? Recordings.fetchShipped(name) : null;
    return { ...reading, name, replays, recording, broken: null };
  } catch (broken) {
    const reading = parseAddress({ hash: '', search: '' });
    return { ...reading, name: DEFAULT_EXPERIMENT, replays: false, recording: null, broken };
  }
}

/** The page's state, and `wake`, which shows what there is to show. `known` is the experiment of the recording, where
 *  that is here already. */
export function connect(
  { address, faults, name, replays, recording, broken: unread }: Opening,
  known: Experiment | null,
): { playground: Playground; wake: () => Promise<void> } {
  let broken = unread;
  const engine = new Engine(address.backend, async (command) => {
    if ('runId' in command && command.runId !== null && cameRecorded(command.runId)) await recordings.keep();
  });
  const base = known ?? startingPoint();
  const session = new Session(engine.send);
  const origin = { experiment: address.stages ? null : name, open: null, from: null };
  const playground = new Playground(session, base, origin, engine.send);
  engine.serve(playground);
  const { recordings, playback } = playground;
  session.reset(null, base);

  const own = ownAddress();
  const shown = runToShow(own, recording).catch(() => null); // a browser that keeps nothing has none

  function startingPoint(): Experiment {
    try {
      return address.stages ? plainExperiment(address.stages) : shippedExperiment(name);
    } catch (error) {
      broken = error;
      return shippedExperiment(DEFAULT_EXPERIMENT);
    }
  }

  /** What differs in a link is set on top of what it starts from, and view and moment are the link's. */
  function applyLink(from: Experiment): void {
    const { experiment, faults: more } = withDifferences(from, address.changes);
    if (Object.keys(address.changes).length > 0) playground.draft = experiment;
    const { view, at } = address;
    const wrong = [...faults, ...more];
    if (view !== null) {
      if (playground.stations.some((station) => station.name === view)) playground.choose(view);
      else wrong.push(`The link shows a station “${view}”, which there is not.`);
    }
    const seen = at && playground.stations.some((station) => station.name === at.stage);
    if (at && !(seen && (playback.ticks.length === 0 || playback.seekTo(at)))) {
      wrong.push(`The link shows ${at.stage}@${at.step}, which there is not.`);
    }
    if (wrong.length > 0)
      session.error = toPlainError(badLink(wrong.join(' '), 'All else in the link holds.'));
  }

  /** A run as the page showed it before it was loaded again, with the settings that were changed and not run yet. */
  function restore(saved: SavedRun): void {
    playground.restore(saved);
    if (!own || address.open !== null) return;
    const { experiment } = withDifferences(base, address.changes);
    const since = differences(playground.draft, experiment);
    if (!since) playground.draft = experiment;
    else if (Object.keys(since).length > 0) {
      playground.draft = withDifferences(playground.draft, since).experiment;
    }
    if (address.view !== null) playground.choose(address.view);
    if (address.at) playback.seekTo(address.at);
  }

  async function open(): Promise<void> {
    const saved = await shown;
    if (session.busy) return;
    if (saved) {
      restore(saved);
      if (!saved.report && (await isHeld(saved.runId))) void playground.open(saved.runId);
      return;
    }
    if (replays) {
      const arriving = recording ?? Recordings.fetchShipped(name);
      await recordings.show(arriving, { origin, play: address.at === null, at: address.at });
    }
    if (address.open !== null) {
      const opened = (): void => applyLink(playground.draft);
      recordings.asked = { url: address.open, at: address.at, opened };
      return;
    }
    if (address.from === 'ppo') await recordings.proposePpo();
    applyLink(playground.draft);
  }

  const wake = async (): Promise<void> => {
    await session.attempt(open);
    if (broken !== null) session.error = toPlainError(broken);
    playground.settled = true;
    if (session.recorded !== null || recordings.asked !== null) return;
    // The engine is not loaded before the page stands.
    requestAnimationFrame(() => setTimeout(() => engine.wake()));
  };
  return { playground, wake };
}

/** The run to show in place of a recording, if there is one. */
async function runToShow(own: Own | null, recording: Arriving | null): Promise<SavedRun | null> {
  if (own) return own.runId === null ? null : savedRun(own.runId);
  if (location.hash.length > 1) return null;
  if (keepsRuns() || !recording) return lastRun();
  // Most likely there is none, and the recording does not wait for it.
  return Promise.race([lastRun(), recording.run.then(() => null)]);
}
