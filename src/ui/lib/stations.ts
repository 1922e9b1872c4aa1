// The stations of the pipeline: model and data, then one per stage of the experiment. For each, what it is called and
// what it does in a sentence.

import { stageNames, type Stage } from '../../shared/experiment';
import { METHODS, methodOf, type StageKind } from '../../shared/methods';

export type StationKind = 'model' | 'data' | StageKind;

export interface Station {
  /** Name of the stage (`sft`, `sft-2`), or `model`, `data`. */
  name: string;
  kind: StationKind;
  label: string;
}

/** What each station does, for someone who meets it for the first time. */
export const PURPOSE = {
  model:
    'A small language model, trained on simple stories and then frozen. Every stage learns an adapter beside it.',
  data: 'What the stages learn from and are measured on, split by opening so that no stage is tested on what it saw.',
  ...(Object.fromEntries(Object.entries(METHODS).map(([kind, { purpose }]) => [kind, purpose])) as Record<
    StageKind,
    string
  >),
};

/** Stations of an experiment in the order in which they run. */
export function stationsOf(stages: readonly Stage[]): Station[] {
  const names = stageNames(stages);
  const own = stages.map(({ kind }, i): Station => {
    const name = names[i] ?? kind;
    return { name, kind, label: name.replace(kind, methodOf(kind).label).replace('-', '\u202f') };
  });
  return [
    { name: 'model', kind: 'model', label: 'Model' },
    { name: 'data', kind: 'data', label: 'Data' },
    ...own,
  ];
}
