// Mounts the page with what there is to show. A recording is most often there at once; then nothing is drawn before it
// that would be drawn over.

import { mount } from 'svelte';
import App from './ui/App.svelte';
import './ui/app.css';
import { connect, readAddress } from './ui/connect';
import { isolate } from './ui/isolate';

/** Milliseconds that the page may wait for a recording: with nothing to be seen, and behind its first picture. */
const PATIENCE = { blank: 400, pictured: 3000 };

// A link that is followed from this very page changes nothing but what stands after "#".
addEventListener('hashchange', () => location.reload());

const target = document.getElementById('app');
if (target) {
  const opening = readAddress();
  const late = new Promise<null>((done) =>
    setTimeout(() => done(null), target.inert ? PATIENCE.pictured : PATIENCE.blank),
  );
  const arrived = opening.recording?.run.catch(() => null); // what is wrong with it is told when it is shown
  const run = await Promise.race([arrived ?? null, late]);
  const { playground, wake } = connect(opening, run && run.experiment);
  const begin = async (): Promise<void> => {
    if (!(await isolate())) await wake();
  };
  await Promise.race([begin(), late]);
  target.replaceChildren(); // in place of the first picture
  target.inert = false;
  mount(App, { target, props: { playground } });
}
