// Which settings may be changed while a run is at work, and what such a change does to the experiment of the run.

import { PlaygroundError } from './errors';
import { type Experiment, type Stage, stageNames } from './experiment';
import type { SettingChange } from './protocol';
import { allowed, fits, type Setting } from './setting';
import { settingsOf } from './settings';

/** The settings of a stage that it reads afresh at every step. */
export function liveSettings({ kind }: Stage): Setting[] {
  return settingsOf(kind).filter(({ applies }) => applies === 'now');
}

/** Throws `bad-arguments` for a stage there is not, a setting that waits for the next run, or a value it may not have. */
export function checkChange({ stages }: Experiment, { stage: name, key, value }: SettingChange): void {
  const stage = stages[stageNames(stages).indexOf(name)];
  const setting = stage && liveSettings(stage).find((each) => each.key === key);
  if (!setting) {
    const known = stage ? liveSettings(stage).map((each) => each.key) : stageNames(stages);
    throw new PlaygroundError(
      'bad-arguments',
      stage ? `${key} of stage ${name} cannot be changed while it runs.` : `The run has no stage ${name}.`,
      known.length > 0 ? `It may be one of: ${known.join(', ')}.` : 'Change it for the next run.',
    );
  }
  if (fits(setting, value)) return;
  throw new PlaygroundError('bad-arguments', `${key} is ${String(value)}.`, `It may be ${allowed(setting)}.`);
}

/** The experiment as it is after the changes, each a setting of a stage. */
export function withChanges(experiment: Experiment, changes: readonly SettingChange[]): Experiment {
  const names = stageNames(experiment.stages);
  const stages = experiment.stages.map((stage, i) =>
    changes
      .filter((change) => change.stage === names[i])
      .reduce<Stage>((changed, { key, value }) => ({ ...changed, [key]: value }), stage),
  );
  return { ...experiment, stages };
}

/** The changes that lead from one experiment to another, as far as a run at work can take them up. */
export function changesBetween(before: Experiment, after: Experiment): SettingChange[] {
  const names = stageNames(before.stages);
  return before.stages.flatMap((stage, i) => {
    const other = after.stages[i];
    if (other?.kind !== stage.kind) return [];
    const values = (of: Stage, key: string) => (of as unknown as Record<string, number | null>)[key] ?? null;
    return liveSettings(stage)
      .filter(({ key }) => values(stage, key) !== values(other, key))
      .map(({ key }) => ({ stage: names[i]!, key, value: values(other, key) }));
  });
}
