// How often a completion asks something, and its row of the metrics table.

import type { Metric } from '../../src/shared/metrics';

export const questions = (completion: string): number => Number(completion.includes('?'));

export const QUESTIONS: Metric = {
  name: 'questions',
  label: 'Asks something',
  unit: 'share',
  stages: ['evaluate'],
  tells: 'Share of completions that hold a question mark.',
  bad: 'Rising in a stage that should answer: questions pay.',
  try: ['reward', 'kl_coef'],
  trl: 'ours',
};
