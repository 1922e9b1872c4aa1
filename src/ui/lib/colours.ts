// Colours of roles for the canvas, which cannot read CSS variables itself.

const resolved = new Map<string, string>();

/** The colour that a role of app.css has while `theme` is in use. */
export function colourOf(role: string, theme: string): string {
  const key = `${theme} ${role}`;
  const known = resolved.get(key);
  if (known) return known;
  const probe = document.createElement('i');
  probe.style.color = `var(--${role})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  resolved.set(key, color);
  return color;
}
