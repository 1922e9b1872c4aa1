// How far a run of several stages is. A stage's own pace tells the time it still needs; stages that have not begun
// are guessed from their share of the work and the pace so far, which is rough, so the page says "about".

import { newTokens } from '../../shared/budget';
import { type Stage, TOLD_APART } from '../../shared/experiment';
import type { StageState } from '../../shared/protocol';

export interface StageProgress {
  state: StageState;
  /** Work of this stage in tokens through the model, a unit only good for ratios. */
  weight: number;
  step: number;
  totalSteps: number;
  /** Seconds this stage has run. */
  seconds: number;
}

/** Tokens a stage sends through the model, counted so that a token of training weighs three of a forward pass. */
export function stageWork(stage: Stage, evaluationPrompts = 200): number {
  const prompt = 60;
  if ('total_episodes' in stage) {
    const epochs = 'num_ppo_epochs' in stage ? stage.num_ppo_epochs : 1;
    return stage.total_episodes * (prompt + newTokens(stage)) * (4 + 6 * epochs);
  }
  if ('max_steps' in stage) {
    const rows = stage.max_steps * stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
    return rows * (stage.kind === 'sft' ? 100 : 200) * 3;
  }
  const tokens = prompt + stage.max_new_tokens;
  return stage.kind === 'pairs'
    ? ((2 * stage.count) / (TOLD_APART * Math.max(1, stage.num_generations - 1))) * tokens
    : evaluationPrompts * stage.samples_per_prompt * 4 * tokens;
}

/** Steps a stage is set to take, 0 where its settings do not tell. */
export function plannedSteps(stage: Stage | undefined): number {
  if (!stage) return 0;
  if ('max_steps' in stage) return stage.max_steps;
  if (!('total_episodes' in stage)) return 0;
  return Math.ceil(
    stage.total_episodes / (stage.per_device_train_batch_size * stage.gradient_accumulation_steps),
  );
}

function shareDone(stage: StageProgress): number {
  if (stage.state === 'finished') return 1;
  return stage.totalSteps > 0 ? Math.min(1, stage.step / stage.totalSteps) : 0;
}

/** Share of the whole run that is done, in [0, 1]. */
export function runShare(stages: readonly StageProgress[]): number {
  const total = stages.reduce((sum, stage) => sum + stage.weight, 0);
  if (total === 0) return 0;
  return stages.reduce((sum, stage) => sum + stage.weight * shareDone(stage), 0) / total;
}

/** Seconds left of the whole run, or null while nothing has been measured. `now` is the running stage's own figure. */
export function secondsLeft(stages: readonly StageProgress[], now: number | null): number | null {
  let work = 0;
  let seconds = 0;
  let left = 0;
  let waiting = 0;
  for (const stage of stages) {
    const done = shareDone(stage);
    work += stage.weight * done;
    seconds += stage.seconds;
    if (done === 0) waiting += stage.weight;
    else if (done < 1) left += now ?? (stage.seconds * (1 - done)) / done;
  }
  if (work === 0 || seconds === 0) return null;
  return left + (waiting * seconds) / work;
}
