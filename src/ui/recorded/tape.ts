// A recorded run as what a worker would have told while it ran, step by step: the page shows both by the same way.

import { stageNames } from '../../shared/experiment';
import type { Event } from '../../shared/protocol';
import type { RecordedRun } from '../../shared/recording';

/** A step of the run and when it was done, in seconds since the run began. */
export interface Tick {
  stage: string;
  step: number;
  seconds: number;
}

export interface Tape {
  ticks: Tick[];
  /** What was told at each tick, in order; the last tick also ends the run. */
  events: Event[][];
}

export function tapeOf({ experiment, metrics, samples, changes, report }: RecordedRun): Tape {
  const names = stageNames(experiment.stages);
  const byStage = grouped(metrics, ({ stage }) => stage);
  const of = (stage: string) => byStage.get(stage) ?? [];
  const unscored = samples.filter(({ kl }) => kl === undefined);
  const watched = grouped(unscored, ({ checkpoint }) => checkpoint);
  const told = (checkpoint: string): Event[] =>
    (watched.get(checkpoint) ?? []).map((sample) => {
      const [stage = '', step = '0'] = checkpoint.split('@');
      return { type: 'sample', stage, step: Number(step), sample };
    });
  const stageEvent = (name: string, state: 'running' | 'finished'): Event => ({
    type: 'stage',
    name,
    kind: experiment.stages[names.indexOf(name)]!.kind,
    state,
    totalSteps: of(name).slice(-1)[0]?.step ?? 0,
    seconds: state === 'finished' ? (report?.seconds[name] ?? 0) : 0,
  });

  const ticks: Tick[] = [];
  const events: Event[][] = [];
  let seconds = 0;
  for (const stage of names) {
    const rows = of(stage);
    // Settings that were changed on the way, from the step they held from.
    const waiting = changes.filter((change) => change.stage === stage);
    const taken = (step: number): Event[] => {
      const now = waiting.filter((change) => change.step < step);
      waiting.splice(0, now.length);
      return now.map((change) => ({ type: 'changed', change }));
    };
    const pace = (report?.seconds[stage] ?? 0) / Math.max(1, rows.length);
    rows.forEach((row, i) => {
      seconds += typeof row['seconds'] === 'number' ? row['seconds'] : pace;
      ticks.push({ stage, step: row.step, seconds });
      const before = names.slice(0, names.indexOf(stage));
      events.push([
        // Older recordings call what the bare model wrote before training "base".
        ...(events.length === 0 ? ['base', 'base@0'].flatMap(told) : []),
        ...(i === 0
          ? [...before.map((name) => stageEvent(name, 'finished')), stageEvent(stage, 'running')]
          : []),
        ...taken(row.step),
        { type: 'metrics', row, secondsLeft: null },
        ...told(`${stage}@${row.step}`),
      ]);
    });
  }
  events
    .slice(-1)[0]
    ?.push(
      ...(report ? names.map((name) => stageEvent(name, 'finished')) : []),
      ...samples
        .filter(({ kl }) => kl !== undefined)
        .map((sample): Event => ({ type: 'sample', stage: sample.checkpoint, step: 0, sample })),
      ...(report ? [{ type: 'report' as const, report }] : []),
      { type: 'run', state: report ? 'finished' : 'stopped' },
    );
  return { ticks, events };
}

function grouped<T>(list: readonly T[], keyOf: (each: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of list) {
    const group = groups.get(keyOf(each));
    if (group) group.push(each);
    else groups.set(keyOf(each), [each]);
  }
  return groups;
}

/** The last tick done by a time; the first before that. */
export function tickAt(ticks: readonly Tick[], seconds: number): number {
  let low = 0;
  let high = ticks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ticks[middle]!.seconds <= seconds) low = middle;
    else high = middle - 1;
  }
  return low;
}
