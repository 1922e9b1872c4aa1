// The link to what is before a person: where it starts from, what differs, which station and which moment.

import { stageNames } from '../../shared/experiment';
import { DEFAULT_EXPERIMENT } from '../recorded/shipped';
import { type Address, differences, filesBehind, plainExperiment, writeAddress } from '../state/address';
import type { Playground } from '../state/playground.svelte';
import { ownAddress, writeOwnAddress } from '../state/visit';

const PLAIN = `#v=1&experiment=${DEFAULT_EXPERIMENT}`;

function addressOf(playground: Playground): Address {
  const { origin, shipped, draft, playback, view } = playground;
  const { place } = playback;
  const own = differences(shipped, draft);
  const named = own !== null && (origin.experiment !== null || origin.open !== null);
  const stages = named ? null : draft.stages.map(({ kind }) => kind);
  return {
    experiment: named ? origin.experiment : null,
    open: named ? origin.open : null,
    from: named ? origin.from : null,
    stages,
    changes: named ? own : (differences(plainExperiment(stages ?? []), draft) ?? {}),
    view,
    at: place && stageNames(draft.stages).includes(place.stage) ? place : null,
    live: false,
    backend: 'auto',
  };
}

/** The words after "#" for the experiment, the view and the moment as they are now; '' where nothing is to be said. */
export function hashOf(playground: Playground): string {
  return writeAddress(addressOf(playground));
}

/** What the link names and does not bring along: on another machine it would not be found. */
export function missingBehind(playground: Playground): string[] {
  return filesBehind(addressOf(playground).changes);
}

/** The whole link. */
export function linkOf(playground: Playground): string {
  return `${location.origin}${location.pathname}${hashOf(playground)}`;
}

/** Writes down in the address bar what is before the person, so that it is there again when the page is loaded again. */
export function keepAddress(words: string, runId: string | null): void {
  // The page as it opens by itself needs no words.
  const hash = words === PLAIN ? '' : words;
  if (hash !== location.hash || ownAddress()?.runId !== runId) writeOwnAddress(hash, { runId });
}
