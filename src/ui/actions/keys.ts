// Keys of actions: how they are written in the action table, when a key press is one of them, and how they are shown.
// A key is what `KeyboardEvent.key` says (`n`, `?`, ` `, `ArrowLeft`), after `Mod+` (Ctrl, or Command on a Mac) and
// `Shift+` where they are held. Shift is asked for with letters only: it is part of how other characters are typed.

type Press = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>;

const NAMES: Record<string, string> = { ' ': 'Space', ArrowLeft: '←', ArrowRight: '→', '-': '\u2212' };

interface Key {
  mod: boolean;
  shift: boolean;
  key: string;
}

function parse(text: string): Key {
  const mod = text.startsWith('Mod+');
  const rest = mod ? text.slice(4) : text;
  const shift = rest.startsWith('Shift+');
  return { mod, shift, key: shift ? rest.slice(6) : rest };
}

/** Whether a key press is this key. */
export function matches(text: string, press: Press): boolean {
  const { mod, shift, key } = parse(text);
  const letter = /^[a-z]$/i.test(key);
  return (
    press.key.toLowerCase() === key.toLowerCase() &&
    (press.ctrlKey || press.metaKey) === mod &&
    (!letter || press.shiftKey === shift) &&
    !press.altKey
  );
}

/** A single character: such keys can be switched off, since speech input and other tools may press them unasked. */
export function isCharacter(text: string): boolean {
  const { mod, key } = parse(text);
  return !mod && key.length === 1;
}

/** The key as a person reads it. */
export function showKey(text: string, mac: boolean): string {
  const { mod, shift, key } = parse(text);
  const name = NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key);
  return [mod ? (mac ? '⌘' : 'Ctrl') : '', shift ? 'Shift' : '', name].filter(Boolean).join(mac ? ' ' : '+');
}

/** The key as aria-keyshortcuts writes it. */
export function ariaKey(text: string): string {
  const { mod, shift, key } = parse(text);
  const name = key === ' ' ? 'Space' : key === '+' ? 'Plus' : key;
  return [mod ? 'Control' : '', shift ? 'Shift' : '', name].filter(Boolean).join('+');
}
