// The link to what is before a person: where it starts from, what differs, which station and which moment.

import { stageNames } from '../../shared/experiment';
import { DEFAULT_EXPERIMENT } from '../recorded/shipped';
import { differences, plainExperiment, writeAddress } from '../state/address';
import type { Playground } from '../state/playground.svelte';

const PLAIN = `#v=1&experiment=${DEFAULT_EXPERIMENT}`;

/** The words after "#" for the experiment, the view and the moment as they are now; '' where nothing is to be said. */
export function hashOf(playground: Playground): string {
  const { origin, shipped, draft, playback, view } = playground;
  const { place } = playback;
  const own = differences(shipped, draft);
  const named = own !== null && (origin.experiment !== null || origin.open !== null);
  const stages = named ? null : draft.stages.map(({ kind }) => kind);
  return writeAddress({
    experiment: named ? origin.experiment : null,
    open: named ? origin.open : null,
    from: named ? origin.from : null,
    stages,
    changes: named ? own : (differences(plainExperiment(stages ?? []), draft) ?? {}),
    view,
    at: place && stageNames(draft.stages).includes(place.stage) ? place : null,
    live: false,
    backend: 'auto',
  });
}

/** The whole link. */
export function linkOf(playground: Playground): string {
  return `${location.origin}${location.pathname}${hashOf(playground)}`;
}

/** Writes down in the address bar what is before the person. */
export function keepAddress(words: string): void {
  // The page as it opens by itself needs no words.
  const hash = words === PLAIN ? '' : words;
  if (hash === location.hash) return;
  history.replaceState({ own: true }, '', `${location.pathname}${location.search}${hash}`);
}

/** Whether the address is the one that this page itself wrote, and not a link that was followed. */
export function isOwnAddress(): boolean {
  const state: unknown = history.state;
  return typeof state === 'object' && state !== null && 'own' in state;
}
