// The action table: one record for each thing a person can do to the page as a whole. Its keys, its entry in the menu,
// the tooltip of its buttons and its line in the help all come from that record. A view that brings actions of its own
// adds them while it is shown (registry.svelte.ts).

import type { IconName } from '../parts/icons';
import type { Playground } from '../state/playground.svelte';
import { present } from '../state/present.svelte';
import { theme } from '../state/theme.svelte';

/** Headings of menu and help, in their order. */
export const GROUPS = ['Run', 'Settings', 'Look', 'Judge', 'Share', 'Page'] as const;

export interface Action {
  /** Unique; of two actions with one key, the one added last that is enabled gets it. */
  id: string;
  group: (typeof GROUPS)[number];
  /** As an order, like "Pause": the menu, the help and tooltips say it. */
  label: string;
  /** See keys.ts; the first is the one that is shown. */
  keys: readonly string[];
  icon?: IconName;
  /** Whether it can be done now; read in a reactive place. */
  enabled: () => boolean;
  run: () => void;
}

/** Seconds of rest before every step, from none to slow enough to talk over. */
export const PACES = [0, 0.5, 1, 2, 5];

const always = (): boolean => true;

/** What can be done on every view. */
export function pageActions(
  playground: Playground,
  open: Record<'help' | 'checkpoints' | 'runs', () => void>,
): Action[] {
  const { session } = playground;
  return [
    {
      id: 'run',
      group: 'Run',
      label: 'Run all stages',
      keys: ['r'],
      icon: 'play',
      enabled: () => !session.busy,
      run: () => void playground.start(),
    },
    {
      id: 'continue',
      group: 'Run',
      label: 'Continue the run from its checkpoint',
      keys: ['r'],
      icon: 'play',
      enabled: () => playground.canContinue,
      run: () => void playground.continue(),
    },
    {
      id: 'pause',
      group: 'Run',
      label: 'Pause',
      keys: [' '],
      icon: 'pause',
      enabled: () => session.busy && session.run === 'running',
      run: () => playground.command('pause'),
    },
    {
      id: 'resume',
      group: 'Run',
      label: 'Resume',
      keys: [' '],
      icon: 'play',
      enabled: () => session.busy && session.run === 'paused',
      run: () => playground.command('resume'),
    },
    {
      id: 'step',
      group: 'Run',
      label: 'One step, then pause',
      keys: ['n'],
      icon: 'step',
      enabled: () => session.busy,
      run: () => playground.command('step'),
    },
    {
      id: 'stop',
      group: 'Run',
      label: 'Stop the run, keeping what was learnt',
      keys: ['x'],
      icon: 'stop',
      enabled: () => session.busy,
      run: () => playground.command('stop'),
    },
    {
      id: 'go-back',
      group: 'Run',
      label: 'Go back to a checkpoint…',
      keys: ['b'],
      icon: 'rewind',
      enabled: () => session.runId !== null && session.recorded === null && !playground.elsewhere,
      run: open.checkpoints,
    },
    {
      id: 'runs',
      group: 'Run',
      label: 'Runs kept in this browser…',
      keys: ['l'],
      icon: 'list',
      enabled: always,
      run: open.runs,
    },
    {
      id: 'slower',
      group: 'Run',
      label: 'Slower: rest longer before every step',
      keys: ['-'],
      icon: 'minus',
      enabled: () => playground.pace < PACES[PACES.length - 1]!,
      run: () => (playground.pace = PACES.find((pace) => pace > playground.pace) ?? playground.pace),
    },
    {
      id: 'faster',
      group: 'Run',
      label: 'Faster: rest less',
      keys: ['+'],
      icon: 'plus',
      enabled: () => playground.pace > 0,
      run: () => (playground.pace = PACES.findLast((pace) => pace < playground.pace) ?? 0),
    },
    {
      id: 'undo',
      group: 'Settings',
      label: 'Undo the last change of a setting',
      keys: ['Mod+z'],
      icon: 'undo',
      enabled: () => playground.canUndo,
      run: () => playground.undo(),
    },
    {
      id: 'redo',
      group: 'Settings',
      label: 'Redo it',
      keys: ['Mod+Shift+z', 'Mod+y'],
      icon: 'redo',
      enabled: () => playground.canRedo,
      run: () => playground.redo(),
    },
    {
      id: 'reset',
      group: 'Settings',
      label: 'Set everything back to what is shipped',
      keys: [],
      icon: 'again',
      enabled: () => playground.differs,
      run: () => playground.reset(),
    },
    {
      id: 'previous-station',
      group: 'Look',
      label: 'Station to the left',
      keys: [','],
      icon: 'left',
      enabled: always,
      run: () => playground.chooseBeside(-1),
    },
    {
      id: 'next-station',
      group: 'Look',
      label: 'Station to the right',
      keys: ['.'],
      icon: 'right',
      enabled: always,
      run: () => playground.chooseBeside(1),
    },
    {
      id: 'present',
      group: 'Look',
      label: 'Present: large type, one chart',
      keys: ['p'],
      icon: 'present',
      enabled: always,
      run: () => present.toggle(),
    },
    {
      id: 'theme',
      group: 'Page',
      label: 'Light or dark',
      keys: ['t'],
      icon: 'moon',
      enabled: always,
      run: () => theme.toggle(),
    },
    {
      id: 'help',
      group: 'Page',
      label: 'Keys and help',
      keys: ['?'],
      icon: 'info',
      enabled: always,
      run: open.help,
    },
  ];
}
