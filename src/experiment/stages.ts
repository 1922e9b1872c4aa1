// From the stages of an experiment to running ones: this half of the list of methods says how each is made ready to
// run; the other half, shared/methods.ts, says what each is.

import type { StageOf } from '../shared/experiment';
import type { StageKind } from '../shared/methods';
import { dpo } from '../train/dpo';
import { grpo } from '../train/grpo';
import { kto } from '../train/kto';
import { onlineDpo } from '../train/online-dpo';
import { orpo } from '../train/orpo';
import { reinforce } from '../train/reinforce';
import { rft } from '../train/rft';
import { rloo } from '../train/rloo';
import { simpo } from '../train/simpo';
import { openEvaluation } from './evaluation';
import {
  learningFrom,
  openPretrain,
  openReward,
  openSft,
  readLabelled,
  readPreferences,
} from './stages-rows';
import { learningFromSamples, openPairs, openPpo } from './stages-samples';
import type { RunningStage, Workshop } from './workshop';

type Opener<K extends StageKind> = (
  workshop: Workshop,
  index: number,
  stage: StageOf<K>,
) => Promise<RunningStage>;

export const OPENERS: { [K in StageKind]: Opener<K> } = {
  pretrain: openPretrain,
  sft: openSft,
  pairs: openPairs,
  reward: openReward,
  ppo: openPpo,
  dpo: learningFrom(readPreferences, dpo),
  kto: learningFrom(readLabelled, kto),
  orpo: learningFrom(readPreferences, orpo),
  simpo: learningFrom(readPreferences, simpo),
  grpo: learningFromSamples(grpo),
  rloo: learningFromSamples(rloo),
  reinforce: learningFromSamples(reinforce),
  online_dpo: learningFromSamples(onlineDpo),
  rft: learningFromSamples(rft),
  evaluate: openEvaluation,
};

export function openStage(workshop: Workshop, index: number): Promise<RunningStage> {
  const stage = workshop.experiment.stages[index]!;
  return (OPENERS[stage.kind] as Opener<StageKind>)(workshop, index, stage);
}
