// In which settings runs differ from one another: the columns of the table of runs. Only what at least two runs have is
// compared, so that a run without SFT does not differ from the others in every setting of it.

import { type Experiment, stageNames } from '../../shared/experiment';
import type { SettingValue } from '../../shared/setting';
import { type Place, readSetting, sameValue, settingsAt, showValue } from '../lib/draft';
import { stationsOf } from '../lib/stations';

export interface Difference {
  /** `ppo.kl_coef`. */
  key: string;
  /** "PPO: KL coefficient". */
  label: string;
  /** One per run, as it is shown; empty where the run has no such setting. */
  values: string[];
}

/** The stages themselves first, then settings in the order of the experiment file. */
export function differences(experiments: readonly Experiment[]): Difference[] {
  const pipelines = experiments.map((experiment) =>
    stationsOf(experiment.stages)
      .slice(2)
      .map(({ label }) => label)
      .join(', '),
  );
  const rows = new Map<string, { label: string; values: (SettingValue | undefined)[] }>();
  experiments.forEach((experiment, run) => {
    const names = stageNames(experiment.stages);
    const stations = stationsOf(experiment.stages).slice(2);
    const places: { place: Place; name: string; title: string }[] = [
      { place: 'experiment', name: '', title: '' },
      { place: 'lora', name: 'lora.', title: '' },
      ...names.map((name, i) => ({ place: i, name: `${name}.`, title: `${stations[i]!.label}: ` })),
    ];
    for (const { place, name, title } of places) {
      for (const setting of settingsAt(experiment, place)) {
        const key = `${name}${setting.key}`;
        const row = rows.get(key) ?? { label: `${title}${setting.label}`, values: [] };
        rows.set(key, row);
        row.values[run] = readSetting(experiment, place, setting);
      }
    }
  });
  return [
    ...(new Set(pipelines).size > 1 ? [{ key: 'stages', label: 'Stages', values: pipelines }] : []),
    ...Array.from(rows, ([key, { label, values }]) => ({ key, label, values })).flatMap((row) => {
      const there = row.values.filter((value) => value !== undefined);
      if (there.every((value) => sameValue(value, there[0]))) return [];
      const show = (value: SettingValue | undefined) => (value === null ? 'off' : showValue(value));
      return { ...row, values: experiments.map((_, run) => show(row.values[run])) };
    }),
  ];
}
