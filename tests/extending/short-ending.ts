// Short endings are good: 1 for a single word, ½ for two, and so on.

import type { Rule } from '../../src/shared/rules';

export const shortEnding: Rule = (_prompt, completion) =>
  1 / Math.max(1, completion.split(/\s+/).filter(Boolean).length);
