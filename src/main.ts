// Mounts the page, then, once it stands, wakes the worker that carries the engine.

import { mount } from 'svelte';
import App from './ui/App.svelte';
import './ui/app.css';
import { connect } from './ui/connect';
import { isolate } from './ui/isolate';

const target = document.getElementById('app');
if (target) {
  const { playground, wake } = connect();
  mount(App, { target, props: { playground } });
  const begin = async (): Promise<void> => {
    if (!(await isolate())) await wake();
  };
  requestAnimationFrame(() => setTimeout(() => void begin()));
}
