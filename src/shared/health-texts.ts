// Health that is seen in texts and in no metric: whether what the policy writes repeats itself more and more. Its text
// gives a gamed reward away before any curve does.

import { advise, nearer } from './advice';
import type { Notice } from './health';
import type { SampleRow } from './protocol';
import { repetition } from './text-metrics';

type Text = Pick<SampleRow, 'checkpoint' | 'completion'>;

/** What is notable about a stage's watched completions, `texts` in the order in which they were written. */
export function checkTexts(texts: readonly Text[], stage: string): Notice[] {
  const own = texts.filter(({ checkpoint }) => checkpoint.split('@')[0] === stage);
  const checkpoints = [...new Set(own.map(({ checkpoint }) => checkpoint))];
  const [first, last] = [checkpoints[0], checkpoints[checkpoints.length - 1]];
  if (first === undefined || last === undefined || first === last) return [];
  const began = repetitionAt(own, first);
  const now = repetitionAt(own, last);
  if (now < 0.2 || now < began + 0.1) return [];
  return [
    {
      level: 'warning',
      metric: 'repetition',
      message: `The completions repeat themselves: ${percent(now)} of their two-word runs have come before, ${percent(began)} at the first checkpoint. A phrase that pays is likely said again and again.`,
      try: `Read the samples. ${advise(stage, ...nearer(stage), 'lower max_steps', 'lower learning_rate')}`,
    },
  ];
}

function repetitionAt(texts: readonly Text[], at: string): number {
  const shares = texts
    .filter(({ checkpoint }) => checkpoint === at)
    .map(({ completion }) => repetition(completion));
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
