// From samples to the report: what the judge and the text metrics say of each checkpoint, with 95 % intervals by
// bootstrap over prompts, and each checkpoint against the reference, paired.

import { MEASURES } from '../shared/measures';
import type { Interval, Report } from '../shared/protocol';
import { distinct2 } from '../shared/text-metrics';
import { bootstrap, bootstrapMean, recentredBootstrap } from './bootstrap';
import { type EvaluatedSample, opponent } from './evaluate';
import { judge } from './judge';

/** A checkpoint's samples by prompt, in the order of the prompts; as many for each. */
type Samples = Measured[][];

interface Measured extends EvaluatedSample {
  /** What is measured of one completion; its mean is reported. */
  measures: Record<string, number>;
  /** The judge's graded score. */
  score: number;
}

/** Every checkpoint's figures in the order of the samples, best-of-n last; n is the number of samples a prompt. */
export function measureAll(
  samples: readonly EvaluatedSample[],
  prompts: number,
  reference: string,
  seed: number,
): Pick<Report, 'evaluation' | 'comparisons'> {
  const measured = samples.map(measure);
  const groups = new Map<string, Samples>();
  for (const { checkpoint } of samples)
    if (!groups.has(checkpoint)) groups.set(checkpoint, byPrompt(measured, prompts, checkpoint));
  const opponents = groups.get(opponent(reference));
  for (const checkpoint of [...groups.keys()]) groups.delete(opponent(checkpoint));
  const others = groups.get(reference);
  const best = others && bestOf(others);
  if (best) groups.set(`best-of-${others[0]?.length ?? 0}`, best);

  const evaluation: Report['evaluation'] = {};
  const comparisons: Report['comparisons'] = {};
  for (const [checkpoint, group] of groups) {
    evaluation[checkpoint] = figures(group, seed);
    if (checkpoint === reference || !others) continue;
    // The best of the reference's samples meets a sample that was not among those it was chosen from.
    const against = group === best && opponents ? opponents : others;
    comparisons[`${checkpoint}>${reference}`] = {
      win_rate: bootstrapMean(
        group.map((mine, p) => winRate(mine, against[p]!)),
        seed,
      ),
      differences: differences(group, others, seed),
    };
  }
  return { evaluation, comparisons };
}

/** A checkpoint's samples prompt by prompt. */
export function byPrompt<S extends EvaluatedSample>(
  samples: readonly S[],
  prompts: number,
  checkpoint: string,
): S[][] {
  const rows = samples.filter((sample) => sample.checkpoint === checkpoint);
  const draws = rows.length / prompts;
  return Array.from({ length: prompts }, (_, p) => rows.slice(p * draws, (p + 1) * draws));
}

function measure(sample: EvaluatedSample): Measured {
  const { happy, score } = judge(sample.completion);
  const judged = { ...sample, happy };
  const told = MEASURES.map(({ name, of }) => [name, of(judged)] as const);
  const measures = Object.fromEntries(told.filter((each): each is [string, number] => each[1] !== undefined));
  return { ...judged, score, measures };
}

/** For each prompt the sample with the highest reward, null without rewards. Chosen samples are draws of no policy we
 *  have log-probabilities of, so they have no KL (it is at most log n - (n - 1) / n; Beirami et al. 2024). */
function bestOf(group: Samples): Samples | null {
  if (group.some((rows) => rows.some(({ reward }) => reward === undefined))) return null;
  return group.map((rows) => {
    const best = rows.reduce((best, row) => (row.reward! > best.reward! ? row : best));
    return [{ ...best, measures: without(best.measures, 'kl') }];
  });
}

function without(measures: Record<string, number>, key: string): Record<string, number> {
  return Object.fromEntries(Object.entries(measures).filter(([name]) => name !== key));
}

function figures(group: Samples, seed: number): Record<string, Interval> {
  const intervals = Object.keys(group[0]![0]!.measures).map((key): [string, Interval] => [
    key,
    bootstrapMean(
      group.map((rows) => meanOf(rows, key)),
      seed,
    ),
  ]);
  const distinct = recentredBootstrap(group.length, seed, (draw) => distinctness(group, draw));
  return { ...Object.fromEntries(intervals), distinct_2: distinct };
}

/** Distinct bigrams over one completion a prompt, the mean over draws: comparable whatever the number of draws. */
function distinctness(group: Samples, draw: Int32Array): number {
  const draws = group[0]!.length;
  let sum = 0;
  for (let k = 0; k < draws; k++) sum += distinct2(Array.from(draw, (p) => group[p]![k]!.completion));
  return sum / draws;
}

/** Checkpoint minus reference, prompt by prompt. */
function differences(group: Samples, reference: Samples, seed: number): Record<string, Interval> {
  return Object.fromEntries(
    Object.keys(group[0]![0]!.measures).map((key) => [
      key,
      bootstrapMean(
        group.map((rows, p) => meanOf(rows, key) - meanOf(reference[p]!, key)),
        seed,
      ),
    ]),
  );
}

/** How often the judge scores one of `mine` above one of `theirs`, over all pairs; ties count half. */
function winRate(mine: readonly Measured[], theirs: readonly Measured[]): number {
  let wins = 0;
  for (const a of mine) for (const b of theirs) wins += a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0;
  return wins / (mine.length * theirs.length);
}

const meanOf = (rows: readonly Measured[], key: string): number =>
  rows.reduce((sum, { measures }) => sum + measures[key]!, 0) / rows.length;

/** Share of right answers with its interval, over groups that belong together (the pairs of one prompt). */
export function shareOf(groups: readonly (readonly boolean[])[], seed: number): Interval {
  return bootstrap(groups.length, seed, (draw) => {
    let right = 0;
    let all = 0;
    for (const g of draw) {
      all += groups[g]!.length;
      for (const one of groups[g]!) right += Number(one);
    }
    return right / all;
  });
}
