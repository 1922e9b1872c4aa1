// Names of the checkpoints a run keeps, for those who write them and for the page, which lists them to go back to.

/** Steps done of a stage, by its place in the experiment; step 0 is before its first. */
export interface CheckpointPlace {
  stage: number;
  step: number;
}

export function checkpointId({ stage, step }: CheckpointPlace): string {
  return `stage-${stage}-step-${step}`;
}

/** The checkpoint whose state a file holds, null for any other file. */
export function checkpointOf(path: string): CheckpointPlace | null {
  const [, stage, step] = /^checkpoint\/stage-(\d+)-step-(\d+)\.json$/.exec(path) ?? [];
  return step === undefined ? null : { stage: Number(stage), step: Number(step) };
}

export function isLater(a: CheckpointPlace, b: CheckpointPlace): boolean {
  return a.stage === b.stage ? a.step > b.step : a.stage > b.stage;
}
