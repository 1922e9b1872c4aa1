// What the button beside an error does. The table of errors (shared/errors.ts) says which remedy fits; here stands how
// it is done, and whether it can be done now.

import { ERRORS, type PlainError, type Remedy } from '../../shared/errors';
import { settingsAt } from '../lib/draft';
import { formatNumber } from '../lib/format';
import type { Playground } from '../state/playground.svelte';
import { actions } from './registry.svelte';

export interface Cure {
  label: string;
  run: () => void;
}

/** Null where nothing but the person can help, or nothing can be done just now. */
export function cureOf({ code }: PlainError, playground: Playground): Cure | null {
  const { remedy } = ERRORS[code];
  return remedy && CURES[remedy](playground);
}

const CURES: Record<Remedy, (playground: Playground) => Cure | null> = {
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
        playground.change(found.place, found.setting, rate);
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
        playground.change(rows.place, rows.setting, rows.value / 2);
        playground.change(accumulated.place, accumulated.setting, accumulated.value * 2);
        playground.session.error = null;
      },
    };
  },

  'use-cpu': () => ({ label: 'Use the CPU', run: () => location.assign('?backend=wasm') }),
  'look-at-data': (playground) => ({ label: 'Look at the data', run: () => playground.choose('data') }),
  'choose-model': (playground) => ({ label: 'Choose a model', run: () => playground.choose('model') }),
  'fetch-model': fetchModel('Fetch it from huggingface.co'),
  retry: fetchModel('Try again'),
  'free-space': () => {
    const runs = actions.find('runs');
    return runs ? { label: 'See what is kept', run: runs.run } : null;
  },
  reload: () => ({ label: 'Reload the page', run: () => location.reload() }),
};

function fetchModel(label: string): (playground: Playground) => Cure {
  return ({ models, draft }) => ({ label, run: () => models.load(draft.model) });
}

/** A number among the settings of the stage that the run is in. */
function settingOfCurrent(playground: Playground, key: string) {
  const place = playground.stations.findIndex(({ name }) => name === playground.session.current?.name) - 2;
  const setting =
    place < 0 ? undefined : settingsAt(playground.draft, place).find((each) => each.key === key);
  const value = setting && playground.value(place, setting);
  return setting && typeof value === 'number' ? { place, setting, value } : null;
}
