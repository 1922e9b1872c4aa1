// What cannot go together in the settings of several methods that learn from preferences: a part of contradictions.ts.

import type { Problem, Reporter } from './contradictions';

export function withoutBeta(beta: number, report: Reporter): Problem | null {
  return beta === 0
    ? report(
        'error',
        'beta',
        'with beta 0 the implicit reward is 0 whatever the policy does, and nothing can be learnt.',
        'Set beta above 0.',
      )
    : null;
}
