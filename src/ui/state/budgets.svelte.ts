// What the experiment being edited would take of the device: asked of the worker a moment after a setting or the model
// has changed, so that it stands on the page before a run is started.

import { type Budget, refusalOf } from '../../shared/budget';
import type { PlainError } from '../../shared/errors';
import type { Experiment } from '../../shared/experiment';
import type { Playground } from './playground.svelte';

/** Milliseconds of quiet before it is asked again. */
const QUIET = 300;

export class Budgets {
  private told = $state.raw<{ of: Experiment; budget: Budget } | null>(null);

  constructor(private readonly playground: Playground) {}

  /** Of the draft, or of what it was a moment ago; null while the model is not loaded. */
  get now(): Budget | null {
    return this.told?.budget ?? null;
  }

  /** Why the draft cannot be run on this device. */
  get refusal(): PlainError | null {
    const { told } = this;
    const refused = told?.of === this.playground.draft && refusalOf(told.budget, told.of);
    return refused ? { code: 'out-of-memory', ...refused } : null;
  }

  /** The draft with settings that fit, where it does not and there are any. */
  get fits(): Experiment | null {
    return this.refusal && (this.now?.fits ?? null);
  }

  /** An effect: asks about the draft. A run at work is not disturbed. */
  follow(): (() => void) | undefined {
    const { draft, session, models } = this.playground;
    if (session.busy) return;
    if (!session.device || !session.model || models.asked !== draft.model) {
      this.told = null;
      return;
    }
    const ask = async (): Promise<void> => {
      // Rows that cannot be read are told of where they stand.
      const budget = await session.budget(draft).catch(() => null);
      if (this.playground.draft === draft) this.told = budget && { of: draft, budget };
    };
    const later = setTimeout(() => void ask(), QUIET);
    return () => clearTimeout(later);
  }
}
