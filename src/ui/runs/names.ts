// How a run is called in the table of runs, and when it began.

import type { Experiment } from '../../shared/experiment';
import { titleOf } from '../lib/format';
import type { About } from '../state/about';

export function nameOf({ experiment, about }: { experiment: Experiment; about: About }): string {
  return about.title ?? titleOf(experiment.name);
}

/** When a run began, from its id; null of an id that does not say. */
export function beganAt(runId: string): Date | null {
  const [, day, time] = /^(\d{4}-\d\d-\d\d)T(\d\d-\d\d-\d\d)/.exec(runId) ?? [];
  return day && time ? new Date(`${day}T${time.replaceAll('-', ':')}Z`) : null;
}
