// The recording that the page opens on, asked for before the rest of the page's code is run: on a slow machine it is on
// its way meanwhile. main.ts imports this first, and all else comes after it.

import { siteFile } from '../../shared/site';
import { opensOnRun } from '../state/visit';
import { DEFAULT_EXPERIMENT, SHIPPED_RECORDINGS } from './shipped';

/** Name of the shipped recording that an address opens on; null where it computes or opens something else. */
function recordingAt({ hash, search }: Location): string | null {
  const words = new URLSearchParams(`${hash.replace(/^#/, '')}&${search.replace(/^\?/, '')}`);
  if (opensOnRun() || ['live', 'open', 'stages', 'backend'].some((word) => words.has(word))) return null;
  const name = words.get('experiment') ?? DEFAULT_EXPERIMENT;
  return SHIPPED_RECORDINGS.some((each) => each.name === name) ? name : null;
}

const recordingUrl = (name: string): string => siteFile(`recorded/${name}.recording`);

const asked = recordingAt(location);
let answer = asked === null ? null : fetch(recordingUrl(asked));
answer?.catch(() => undefined); // whoever takes it is told

/** Whether the page will show what index.html holds already: the recording it opens on, from its beginning. */
export const opensOnFirstPicture =
  asked === DEFAULT_EXPERIMENT && location.hash.length <= 1 && !location.search;

/** The answer for a shipped recording: the one that was asked for already, or a new one. */
export function fetchRecording(name: string): Promise<Response> {
  const early = name === asked ? answer : null;
  answer = null; // its body can be read once
  return early ?? fetch(recordingUrl(name));
}
