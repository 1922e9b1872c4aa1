// Progress must never run backwards, and its guess must be exact when every stage keeps the same pace.

import { describe, expect, it } from 'vitest';
import { runShare, secondsLeft, type StageProgress } from './progress';

function stage(state: StageProgress['state'], weight: number, step: number, seconds: number): StageProgress {
  return { state, weight, step, totalSteps: 10, seconds };
}

describe('runShare', () => {
  it('weighs stages by their work', () => {
    expect(runShare([stage('finished', 30, 10, 3), stage('running', 70, 5, 3)])).toBeCloseTo(0.65);
    expect(runShare([])).toBe(0);
  });

  it('counts a stage that stopped early as whole', () => {
    expect(runShare([stage('finished', 50, 4, 3), stage('waiting', 50, 0, 0)])).toBeCloseTo(0.5);
  });
});

describe('secondsLeft', () => {
  it('knows nothing before the first step', () => {
    expect(secondsLeft([stage('running', 50, 0, 0), stage('waiting', 50, 0, 0)], null)).toBeNull();
  });

  it('is exact at a steady pace', () => {
    const stages = [stage('finished', 20, 10, 20), stage('running', 40, 5, 20), stage('waiting', 40, 0, 0)];
    expect(secondsLeft(stages, null)).toBeCloseTo(60);
  });

  it("takes the worker's own figure for the running stage", () => {
    expect(secondsLeft([stage('running', 50, 5, 25)], 7)).toBeCloseTo(7);
  });

  it('is zero at the end', () => {
    expect(secondsLeft([stage('finished', 50, 10, 25)], null)).toBe(0);
  });
});
