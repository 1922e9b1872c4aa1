// Where a score comes from. PPO and best-of-n know only this shape: completions in, one number each out.

import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { RewardSource } from '../shared/experiment';
import { rules } from '../shared/rules';
import { learnedReward, type RewardModel } from './learned';
import { tokenReward } from './tokens';

/** A completion with what it completes. */
export interface Scorable {
  /** The prompt as written, and as the model read it. */
  prompt: string;
  promptIds: readonly number[];
  /** The tokens that were produced, EOS included if it was. */
  tokens: readonly number[];
}

export type RewardFunction = (rows: readonly Scorable[]) => Promise<number[]>;

/** The reward an experiment names; `warn` hears of what in it cannot count. Throws `bad-experiment` when it cannot be had. */
export function rewardFunction(
  source: RewardSource,
  model: LanguageModel,
  rewardModel: RewardModel | null,
  warn: (message: string, fix: string) => void = () => undefined,
): RewardFunction {
  if (source.kind === 'tokens') return tokenReward(source.weights, model, warn);
  if (source.kind === 'model') {
    if (rewardModel) return learnedReward(model, rewardModel);
    throw new PlaygroundError(
      'bad-experiment',
      'PPO asks for the reward model, and no reward stage came before it.',
      'Put a reward stage before it, or use a rule: {"kind": "rule", "name": "…"}.',
    );
  }
  const rule = Object.hasOwn(rules, source.name) ? rules[source.name] : undefined;
  const { tokenizer } = model;
  if (!rule || !tokenizer) {
    throw new PlaygroundError(
      'bad-experiment',
      rule ? `${model.name} has no tokenizer, and rules read text.` : `There is no rule "${source.name}".`,
      rule ? 'Use a token reward.' : `The rules are: ${Object.keys(rules).join(', ')}.`,
    );
  }
  return (rows) =>
    Promise.resolve(
      rows.map(({ prompt, tokens }) => rule(prompt, tokenizer.decode(tokens, { skipSpecial: true }))),
    );
}
