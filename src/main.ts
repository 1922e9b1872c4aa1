// Mounts the page with what there is to show. A recording is most often there at once; then nothing is drawn before it
// that would be drawn over.

import './ui/recorded/early';
import { mount } from 'svelte';
import App from './ui/App.svelte';
import './ui/app.css';
import { connect } from './ui/connect';
import { isolate } from './ui/isolate';

/** Milliseconds that the first picture may wait for a recording. */
const PATIENCE = 400;

const target = document.getElementById('app');
if (target) {
  const { playground, wake } = connect();
  const begin = async (): Promise<void> => {
    if (!(await isolate())) await wake();
  };
  await Promise.race([begin(), new Promise((done) => setTimeout(done, PATIENCE))]);
  mount(App, { target, props: { playground } });
}
