// The result in one sentence: the share of happy endings of base, SFT and the last trained checkpoint, with their
// intervals, and the rest of the report as rows of a table.

import type { Interval, Report } from '../../shared/protocol';

export interface HeadlineValue {
  checkpoint: string;
  label: string;
  interval: Interval;
}

export interface Headline {
  metric: string;
  values: HeadlineValue[];
}

const METRIC = 'happy';

const LABELS: Record<string, string> = {
  base: 'base model',
  sft: 'after SFT',
  ppo: 'after PPO',
};

/** What a checkpoint is called on the page. */
export function checkpointLabel(checkpoint: string): string {
  return LABELS[checkpoint] ?? checkpoint;
}

/** Happy endings of the checkpoints in the order in which they were trained, or null without a report. */
export function headline(report: Report | null): Headline | null {
  if (!report) return null;
  const values = Object.entries(report.evaluation).flatMap(([checkpoint, metrics]): HeadlineValue[] => {
    const interval = metrics[METRIC];
    return interval && checkpoint in LABELS ? [{ checkpoint, label: checkpointLabel(checkpoint), interval }] : [];
  });
  return values.length > 0 ? { metric: METRIC, values } : null;
}
