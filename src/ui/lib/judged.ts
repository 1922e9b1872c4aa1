// The final judge tells a happy ending of a story from a sad one, and of any other text nothing that is worth a word: an
// experiment on other data is shown without its verdict.

import type { Experiment } from '../../shared/experiment';
import type { Report, SampleRow } from '../../shared/protocol';

/** Whether what is evaluated are the stories that the judge was made for, or a person's copy of them. */
export const isJudged = ({ data }: Experiment): boolean =>
  /^(builtin|own):kind-endings\b/.test(data.eval_prompts ?? '');

/** What an evaluation found, without what only the judge says where it has nothing to say. */
export function shownReport(experiment: Experiment, report: Report | null): Report | null {
  if (!report || isJudged(experiment)) return report;
  const evaluation = Object.fromEntries(
    Object.entries(report.evaluation).map(([checkpoint, metrics]) => {
      const others = { ...metrics };
      delete others['happy'];
      return [checkpoint, others];
    }),
  );
  return { ...report, evaluation, comparisons: {} };
}

export function shownSample(experiment: Experiment, sample: SampleRow): SampleRow {
  if (isJudged(experiment)) return sample;
  const others = { ...sample };
  delete others.happy;
  return others;
}
