// The settings of the experiment being edited, as fields show them: what a field holds, what "default" means for it, when
// a change takes hold, and what keeps the whole from being run.

import { SvelteMap } from 'svelte/reactivity';
import { liveSettings } from '../../shared/changes';
import { contradictions, type Problem } from '../../shared/contradictions';
import type { PlainError } from '../../shared/errors';
import { type Experiment, stageNames } from '../../shared/experiment';
import { stepName } from '../../shared/methods';
import type { Setting, SettingValue } from '../../shared/setting';
import { readSetting, sameValue, settingsAt, startingFrom, writeSetting, type Place } from '../lib/draft';
import { type Station, stationsOf } from '../lib/stations';
import type { Playground } from './playground.svelte';

export class Form {
  /** What stands in fields and is no value, in words, by field. */
  readonly unread = new SvelteMap<string, string>();

  constructor(private readonly playground: Playground) {}

  /** Places whose settings belong to a station. */
  placesOf({ name, kind }: Station): Place[] {
    if (kind === 'model') return ['experiment', 'lora'];
    if (kind === 'data') return ['data'];
    return [this.playground.stations.findIndex((station) => station.name === name) - 2];
  }

  value(place: Place, setting: Setting): SettingValue | undefined {
    return readSetting(this.playground.draft, place, setting);
  }

  /** Of a stage that is not shipped, the table's default. */
  shippedValue(place: Place, setting: Setting): SettingValue | undefined {
    const { shipped, stations } = this.playground;
    if (typeof place !== 'number') return readSetting(shipped, place, setting);
    const at = stageNames(shipped.stages).indexOf(stations[place + 2]?.name ?? '');
    return at < 0 ? setting.default : readSetting(shipped, at, setting);
  }

  /** When a value takes hold that the run at work does not have; '' where it has it, or none is at work. */
  waits(place: Place, setting: Setting): string {
    const { draft, stations, session } = this.playground;
    const { busy, experiment } = session;
    if (!busy || !experiment) return '';
    const stage = typeof place === 'number' ? draft.stages[place] : undefined;
    const same = stage === undefined || experiment.stages[place as number]?.kind === stage.kind;
    if (same && sameValue(this.value(place, setting), readSetting(experiment, place, setting))) return '';
    const name = stations[(place as number) + 2]?.name ?? '';
    const live = stage && liveSettings(stage).some(({ key }) => key === setting.key);
    const still = same && live && session.stage(name)?.state !== 'finished';
    return still ? `next ${stepName(name)}` : 'next run';
  }

  change(place: Place, setting: Setting, value: SettingValue | undefined): void {
    this.playground.draft = writeSetting(this.playground.draft, place, setting, value);
  }

  /** Takes an adapter to start from, in the place of the SFT stage; null for none, and the stage again. */
  chooseAdapter(source: string | null): void {
    this.playground.draft = startingFrom(this.playground.draft, source, this.playground.shipped);
  }

  /** How many settings of a station differ from what is shipped. */
  changes(station: Station): number {
    return this.placesOf(station).reduce<number>(
      (sum, place) =>
        sum +
        settingsAt(this.playground.draft, place).filter(
          (setting) => !sameValue(this.value(place, setting), this.shippedValue(place, setting)),
        ).length,
      0,
    );
  }

  /** Settings of a station that cannot go together, errors before warnings. */
  problems(station: Station): Problem[] {
    const { draft } = this.playground;
    return contradictions(draft)
      .filter((problem) => stationOf(draft, problem).name === station.name)
      .sort((a, b) => Number(b.level === 'error') - Number(a.level === 'error'));
  }

  /** Why an experiment cannot be run as the fields and settings are, and at which station; null where it can. */
  refusal(experiment: Experiment): { station: string | null; error: PlainError } | null {
    const [unread] = this.unread.values();
    if (unread !== undefined) {
      const fix = 'Correct it, then run.';
      return { station: null, error: { code: 'bad-settings', message: unread, fix } };
    }
    const wrong = contradictions(experiment).find(({ level }) => level === 'error');
    if (!wrong) return null;
    const { name, label } = stationOf(experiment, wrong);
    const message = `${label}: ${wrong.message}`;
    return { station: name, error: { code: 'bad-settings', message, fix: wrong.fix } };
  }
}

/** The station whose settings a contradiction is of. */
function stationOf({ stages }: Experiment, { path }: Problem): Station {
  const [, index] = /^stages\[(\d+)\]/.exec(path) ?? [];
  return stationsOf(stages)[index === undefined ? 0 : Number(index) + 2]!;
}
