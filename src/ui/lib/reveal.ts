// Leads to a setting of the station in focus: unfolds what hides it, brings it into view and puts the cursor into it.

import { tick } from 'svelte';

/** False where the form has no such field. */
export async function revealSetting(key: string): Promise<boolean> {
  const find = () => document.querySelector(`[data-setting="${key}"]`);
  if (!find()) await unfold();
  const field = find();
  const input = field?.querySelector<HTMLElement>('input, select, textarea');
  if (!field || !input) return false;
  const folded = field.closest('details');
  if (folded) folded.open = true;
  input.focus({ preventScroll: true });
  field.scrollIntoView({ block: 'center' });
  return true;
}

/** Opens what the less common settings are folded into; they are made when it is opened. */
async function unfold(): Promise<void> {
  const folded = document.querySelector<HTMLDetailsElement>('[aria-labelledby="settings-title"] details');
  if (!folded || folded.open) return;
  const made = new Promise((done) => folded.addEventListener('toggle', done, { once: true }));
  folded.open = true;
  await made;
  await tick();
}
