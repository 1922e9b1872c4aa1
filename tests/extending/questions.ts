// How often a completion asks something.

import type { Measure } from '../../src/shared/measures';

export const QUESTIONS: Measure = {
  name: 'questions',
  label: 'Asks something',
  unit: 'share',
  tells: 'Share of completions that hold a question mark.',
  bad: 'Rising in a stage that should answer: questions pay.',
  try: ['reward', 'kl_coef'],
  trl: 'ours',
  of: ({ completion }) => Number(completion.includes('?')),
};
