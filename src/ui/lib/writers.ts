// Who can write on this page: the bare model, and the adapters that the stages of a run have left.

import { type Experiment, givenSft } from '../../shared/experiment';
import { methodNamed } from '../../shared/methods';
import { stationsOf } from './stations';

export interface Writer {
  /** Stage of the run that left the adapter; null is the bare model. */
  adapter: string | null;
  label: string;
  /** Whether the adapter is there yet. */
  ready: boolean;
}

/** The bare model first, then policies in the order in which they are trained. */
export function writersOf(experiment: Experiment | null, finished: (stage: string) => boolean): Writer[] {
  const given = experiment !== null && givenSft(experiment.data) !== undefined;
  const policies = stationsOf(experiment?.stages ?? []).filter(
    ({ kind }) => methodNamed(kind)?.leaves === 'policy',
  );
  return [
    { adapter: null, label: 'Base', ready: true },
    ...(given && !policies.some(({ name }) => name === 'sft')
      ? [{ adapter: 'sft', label: 'SFT', ready: true }]
      : []),
    ...policies.map(({ name, label }) => ({ adapter: name, label, ready: finished(name) })),
  ];
}
