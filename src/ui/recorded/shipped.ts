// The recorded experiments that come with the page, for the shelf to show. What is not in public/recorded/ is not shown.

import { titleOf } from '../lib/format';

/** Names of the files in public/recorded/, put here by vite.config.ts. */
declare const __RECORDED__: readonly string[];

interface Shipped {
  /** Name of the experiment, and of its file. */
  name: string;
  title: string;
  /** What one sees in it, in a sentence. */
  tells: string;
  /** What to look at after it: the recording, and the words of the button that leads there. */
  next?: { name: string; label: string };
}

const ALL: readonly Shipped[] = [
  {
    name: 'kind-endings',
    title: 'Kind endings',
    tells: 'The whole way: SFT, a reward from judgements, PPO. The endings get kinder and stay readable.',
    next: { name: 'kind-endings-no-kl', label: 'Now without a price on KL' },
  },
  {
    name: 'kind-endings-no-kl',
    title: 'Without a price on KL',
    tells: 'kl_coef is 0: the reward climbs further, and the text shows what it is worth. Reward hacking.',
  },
  {
    name: 'kind-endings-noise',
    title: 'With noisy labels',
    tells: 'More of the judgements are wrong: how much of that reaches the reward, and how much the policy?',
  },
];

/** What the page opens on. */
export const DEFAULT_EXPERIMENT = 'kind-endings';

export const SHIPPED_RECORDINGS = ALL.filter(({ name }) => __RECORDED__.includes(`${name}.recording`));

/** What an experiment is called: by the shelf, else by its own name. */
export const experimentTitle = (experiment: string): string =>
  ALL.find(({ name }) => name === experiment)?.title ?? titleOf(experiment);

/** What a recording that has been played to its end leads to. */
export function nextAfter(experiment: string): Shipped['next'] | null {
  const { next } = SHIPPED_RECORDINGS.find(({ name }) => name === experiment) ?? {};
  return next && SHIPPED_RECORDINGS.some(({ name }) => name === next.name) ? next : null;
}
