// A way in which KTO alone is known to fail; its row in the list of methods names this check.

import type { Check } from './health';

/** KTO's point of comparison is clamped at 0 when mismatched completions got less likely. */
export const ktoKlZero: Check = (history) => {
  const values = history('kl');
  const rewards = history('rewards/rejected').slice(-10);
  if (values.length < 12 || values.slice(-10).some((value) => value > 0)) return null;
  if (rewards.every((value) => value === 0)) return null;
  return {
    level: 'info',
    metric: 'kl',
    message:
      'KTO’s KL has stayed at 0: completions got less likely even under prompts they do not belong to, so gain and loss are measured from the reference itself.',
    try: 'Lower learning_rate or undesirable_weight if good completions lose as well; a larger batch measures it better.',
  };
};
