// What the experiment being edited would take of the device: asked of the worker a moment after a setting or the model
// has changed, so that it stands on the page before a run is started.

import { type Budget, refusalOf } from '../../shared/budget';
import type { PlainError } from '../../shared/errors';
import type { Experiment } from '../../shared/experiment';
import type { Playground } from './playground.svelte';

/** Milliseconds of quiet before it is asked again. */
const QUIET = 300;

interface Told {
  of: Experiment;
  budget: Budget;
}

function refusal({ of, budget }: Told): PlainError | null {
  const refused = refusalOf(budget, of);
  return refused && { code: 'out-of-memory', ...refused };
}

export class Budgets {
  private told = $state.raw<Told | null>(null);

  constructor(private readonly playground: Playground) {}

  /** Of the draft, or of what it was a moment ago; null while the model is not loaded. */
  get now(): Budget | null {
    return this.told?.budget ?? null;
  }

  /** Why the draft cannot be run on this device. */
  get refusal(): PlainError | null {
    const { told } = this;
    return told?.of === this.playground.draft ? refusal(told) : null;
  }

  /** Why another experiment cannot, whose files a run keeps; null where the worker cannot tell before it begins. */
  async refusalOf(runId: string, experiment: Experiment): Promise<PlainError | null> {
    const { questions } = this.playground.session;
    const told = await questions.ask('budget', { runId, experiment }).catch(() => null);
    return told && refusal({ of: experiment, budget: told.budget });
  }

  /** The draft with settings that fit, where it does not and there are any. */
  get fits(): Experiment | null {
    return this.refusal && (this.now?.fits ?? null);
  }

  /** An effect: asks about the draft. A run at work is not disturbed. */
  follow(): (() => void) | undefined {
    const { draft, session } = this.playground;
    if (session.busy) return;
    if (!session.device || session.loaded?.source !== draft.model) {
      this.told = null;
      return;
    }
    const ask = async (): Promise<void> => {
      // Rows that cannot be read are told of where they stand.
      const { runId, questions } = session;
      const told = await questions.ask('budget', { runId, experiment: draft }).catch(() => null);
      if (this.playground.draft === draft) this.told = told && { of: draft, budget: told.budget };
    };
    const later = setTimeout(() => void ask(), QUIET);
    return () => clearTimeout(later);
  }
}
