// The actions there are at the moment, and the one place that listens for their keys.

import { recall, remember } from '../state/remember';
import { isCharacter, matches, showKey } from './keys';
import type { Action } from './actions';

const STORED = 'single-keys';

class Registry {
  /** Those that views have added come last. */
  list = $state.raw<readonly Action[]>([]);
  /** The same: a view that goes reads state as it was before the one in its place came. */
  private now: readonly Action[] = [];
  /** Keys of a single character can be switched off (WCAG 2.1.4). */
  private characters = $state(recall(STORED) !== 'off');
  private readonly mac = /Mac|iPhone|iPad/.test(navigator.userAgent);

  get singleKeys(): boolean {
    return this.characters;
  }

  set singleKeys(on: boolean) {
    this.characters = on;
    remember(STORED, on ? 'on' : 'off');
  }

  /** Adds actions; the answer takes them away again, as a Svelte effect wants it. */
  add(actions: readonly Action[]): () => void {
    const set = (list: readonly Action[]): void => void (this.list = this.now = list);
    set([...this.now, ...actions]);
    return () => set(this.now.filter((action) => !actions.includes(action)));
  }

  find(id: string): Action | undefined {
    return this.list.findLast((action) => action.id === id);
  }

  /** The key of an action as a person reads it, '' if it has none or it is switched off. */
  keyOf({ keys }: Action): string {
    const key = keys.find((each) => this.characters || !isCharacter(each));
    return key === undefined ? '' : showKey(key, this.mac);
  }

  /** Runs what a key press stands for, unless the press belongs to a field, a button or an open dialog. */
  readonly handle = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.repeat || document.querySelector('dialog[open]')) return;
    const target = event.target instanceof Element ? event.target : null;
    const field = target?.closest<HTMLInputElement>(
      'input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]',
    );
    // In the field of a setting that holds no half-typed value, undo means the setting.
    const settled = (event.ctrlKey || event.metaKey) && field?.dataset['shown'] === field?.value;
    // Space presses the button or tab that has the focus.
    const own = event.key === ' ' && target?.closest('button, a, summary, input, [role=slider]');
    if ((field && !settled) || own) return;
    const action = this.list.findLast(
      ({ keys, enabled }) =>
        keys.some((key) => (this.characters || !isCharacter(key)) && matches(key, event)) && enabled(),
    );
    if (!action) return;
    event.preventDefault();
    action.run();
  };
}

export const actions = new Registry();
