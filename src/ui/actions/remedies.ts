// What the buttons beside an error do. The table of errors (shared/errors.ts) says which remedies fit; here stands how
// each is done, and whether it can be done now.

import { ERRORS, type Remedy } from '../../shared/errors';
import { settingsAt } from '../lib/draft';
import { formatNumber } from '../lib/format';
import type { Playground } from '../state/playground.svelte';
import type { Trouble } from '../state/trouble';
import { actions } from './registry.svelte';

export interface Cure {
  label: string;
  run: () => void;
}

/** None where only the person can help, or nothing can be done just now. */
export function curesOf(error: Trouble, playground: Playground): Cure[] {
  const remedies: readonly Remedy[] = ERRORS[error.code].remedies;
  return remedies.flatMap((remedy) => CURES[remedy](playground, error) ?? []);
}

const CURES: Record<Remedy, (playground: Playground, error: Trouble) => Cure | null> = {
  continue: (playground) =>
    playground.canContinue
      ? { label: 'Continue from the last checkpoint', run: () => void playground.continue() }
      : null,

  gentler: (playground) => {
    const found = settingOfCurrent(playground, 'learning_rate');
    if (!found || !playground.canContinue) return null;
    const rate = Number((found.value / 3).toPrecision(2));
    return {
      label: `Continue with a learning rate of ${formatNumber(rate)}`,
      run: () => {
        playground.form.change(found.place, found.setting, rate);
        void playground.continue();
      },
    };
  },

  'smaller-batch': (playground) => {
    const { fits } = playground.budgets;
    if (fits) return { label: 'Use the settings that fit', run: () => (playground.draft = fits) };
    const rows = settingOfCurrent(playground, 'per_device_train_batch_size');
    const accumulated = settingOfCurrent(playground, 'gradient_accumulation_steps');
    if (!rows || !accumulated || rows.value < 2 || rows.value % 2 > 0) return null;
    return {
      label: `Take ${rows.value / 2} rows at once, twice as often`,
      run: () => {
        playground.form.change(rows.place, rows.setting, rows.value / 2);
        playground.form.change(accumulated.place, accumulated.setting, accumulated.value * 2);
      },
    };
  },

  undo: (playground) =>
    playground.canUndo ? { label: 'Undo the last change', run: () => playground.undo() } : null,
  stop: (playground) =>
    playground.session.busy ? { label: 'Stop the run', run: () => playground.command('stop') } : null,
  'go-back': () => actionCure('go-back', 'Go back to a checkpoint'),
  'use-cpu': () => ({
    label: 'Use the CPU',
    // What the address says of settings stays.
    run: () => location.assign(`${location.pathname}?backend=wasm${location.hash}`),
  }),
  'look-at-data': (playground) => stationCure(playground, 'data', 'Look at the data'),
  'choose-model': (playground) => stationCure(playground, 'model', 'Choose a model'),
  'fetch-model': ({ models, draft }) => ({
    label: 'Fetch it from huggingface.co',
    run: () => models.load(models.refused ?? draft.model),
  }),
  retry: (_, { again }) => (again ? { label: 'Try again', run: again } : null),
  'free-space': () => actionCure('runs', 'See what is kept'),
  'open-file': () => actionCure('open-file', 'Open another file'),
  'open-plain': () => ({
    label: 'Open the page without it',
    run: () => location.assign(location.pathname),
  }),
  reload: () => ({ label: 'Reload the page', run: () => location.reload() }),
};

/** Leads to a station; null to those who are there. */
function stationCure(playground: Playground, kind: 'data' | 'model', label: string): Cure | null {
  return playground.focus.kind === kind ? null : { label, run: () => playground.choose(kind) };
}

function actionCure(id: string, label: string): Cure | null {
  const action = actions.find(id);
  return action?.enabled() ? { label, run: action.run } : null;
}

/** A number among the settings of the stage that the run is in. */
function settingOfCurrent(playground: Playground, key: string) {
  const place = playground.stations.findIndex(({ name }) => name === playground.session.current?.name) - 2;
  const setting =
    place < 0 ? undefined : settingsAt(playground.draft, place).find((each) => each.key === key);
  const value = setting && playground.form.value(place, setting);
  return setting && typeof value === 'number' ? { place, setting, value } : null;
}
