// Advice speaks of settings by their keys ("Lower learning_rate or num_ppo_epochs."); here they are found again, with
// the station whose setting is meant, so that the page can lead there.

import { settingsNamed } from '../../shared/advice';
import type { Experiment } from '../../shared/experiment';
import { SETTINGS, type SettingKey } from '../../shared/settings';
import { settingsAt } from './draft';
import { stationsOf, type Station } from './stations';

export interface Lead {
  key: SettingKey;
  label: string;
  station: Station;
}

/** The settings that a sentence names, where a stage of the experiment has them: that of the advice, else one before
 *  it, else the model's own. What no station can set is left out. */
export function leadsIn(advice: string, experiment: Experiment, stage: string): Lead[] {
  const stations = stationsOf(experiment.stages);
  const at = stations.findIndex(({ name }) => name === stage);
  const nearest = stations.slice(0, at + 1).reverse();
  return settingsNamed(advice).flatMap((key) => {
    const station = nearest.find((each) => keysOf(experiment, stations, each).includes(key));
    return station ? [{ key, label: SETTINGS[key].label, station }] : [];
  });
}

function keysOf(experiment: Experiment, stations: readonly Station[], { kind, name }: Station): string[] {
  if (kind === 'model')
    return [...settingsAt(experiment, 'experiment'), ...settingsAt(experiment, 'lora')].map(({ key }) => key);
  if (kind === 'data') return settingsAt(experiment, 'data').map(({ key }) => key);
  const at = stations.findIndex((station) => station.name === name) - 2;
  return settingsAt(experiment, at).map(({ key }) => key);
}
