// Leads to a setting of the station in focus: unfolds what hides it, brings it into view and puts the cursor into it.

/** False where the form has no such field. */
export function revealSetting(key: string): boolean {
  const field = document.querySelector(`[data-setting="${key}"]`);
  const input = field?.querySelector<HTMLElement>('input, select, textarea');
  if (!field || !input) return false;
  const folded = field.closest('details');
  if (folded) folded.open = true;
  input.focus({ preventScroll: true });
  field.scrollIntoView({ block: 'center' });
  return true;
}
