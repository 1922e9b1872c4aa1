// The page as it stands when the recording that it opens on begins, as HTML: made when the site is built and written into
// index.html, so that a slow machine has its first picture before any of the page's code is run. page.ts then puts the
// page itself in its place.

import './no-browser';
import { render } from 'svelte/server';
import { readHead } from '../shared/recording';
import App from '../ui/App.svelte';
import { DEFAULT_EXPERIMENT } from '../ui/recorded/shipped';
import { Playground } from '../ui/state/playground.svelte';
import { Session } from '../ui/state/session.svelte';

/** The HTML of the page that opens on a recording, given the bytes of its file. Throws where they hold none. */
export function firstPicture(file: Uint8Array): string {
  const head = readHead(file, DEFAULT_EXPERIMENT, true);
  if (!head) throw new Error('The recording has no first line.');
  const { run } = head;
  const session = new Session(() => undefined);
  const origin = { experiment: DEFAULT_EXPERIMENT, open: null, from: null };
  const playground = new Playground(session, run.experiment, origin, () => undefined);
  const { playback } = playground;
  playback.open(null, run);
  playback.seek(0);
  playback.playing = true;
  session.receive({ type: 'run', state: 'running' });
  return render(App, { props: { playground } }).body;
}
