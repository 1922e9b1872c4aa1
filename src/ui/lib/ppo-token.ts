// PPO's arithmetic at one token, with the numbers in: KL, reward, surprise, advantage and the clipped objective, as
// src/train/ppo.ts computes them, from what was written down of the token.

import type { PpoStage } from '../../shared/experiment';
import type { TokenColumns } from '../../shared/protocol';
import { formatFixed, formatNumber } from './format';
import { tokenValues } from './tokens';

export interface PpoToken {
  /** As the objective takes it: brought to mean 0 and deviation 1 where that is asked for and the batch is known. */
  advantage: number;
  /** New to old probability, where the update has been and was measured. */
  ratio: number | null;
  /** The formulas in their order, each with a line that says what it is for. */
  steps: { says: string; formula: string }[];
}

type Prices = Pick<
  PpoStage,
  'kl_coef' | 'kl_target' | 'kl_estimator' | 'gamma' | 'lam' | 'whiten_rewards' | 'whiten_advantages'
>;

/** Null where the completion was not written by PPO, so that there are no such numbers. */
export function ppoToken(tokens: TokenColumns, t: number, stage: Prices): PpoToken | null {
  const { logprob, ref_logprob, reward, value, advantage } = tokens;
  if (!reward || !value || !advantage || advantage[t] === undefined) return null;
  const last = t === advantage.length - 1;
  const kl = tokenValues(tokens, 'kl')?.[t] ?? 0;
  const nats = stage.kl_estimator === 'k1' ? kl : Math.expm1(-kl) + kl;
  // A steered coefficient is known from the reward that it led to.
  const beta = stage.kl_target === null || last || nats === 0 ? stage.kl_coef : -(reward[t] ?? 0) / nats;
  const paid = -beta * nats;
  const score = (reward[t] ?? 0) - paid;
  const steps = [
    {
      says: 'Its KL: how much likelier the policy finds it than the reference does, in nats',
      formula: `KL_t = log π - log π_ref = ${fill(logprob[t])} - ${fill(ref_logprob[t], true)} = ${fill(kl)}`,
    },
    {
      says: last
        ? 'Its reward: the price of that KL and, since it is the last, the score'
        : 'Its reward: nothing but the price of that KL',
      formula: `r_t = -β KL_t${last ? ' + "score"' : ''} = -${fill(beta)} ${stage.kl_estimator === 'k1' ? '·' : '· k_3 ='} ${fill(nats, true)}${
        last ? ` + ${fill(score, true)}` : ''
      } = ${fill(reward[t])}`,
    },
  ];
  // Advantages of whitened rewards follow from numbers of the whole batch.
  if (!last && !stage.whiten_rewards) {
    const delta = (reward[t] ?? 0) + stage.gamma * (value[t + 1] ?? 0) - (value[t] ?? 0);
    steps.push(
      {
        says: 'The surprise: the reward and what the critic expects next, against what it expected here',
        formula: `δ_t = r_t + γ V_{t+1} - V_t = ${fill(reward[t])} + ${fill(stage.gamma)} · ${fill(value[t + 1], true)} - ${fill(value[t], true)} = ${fill(delta)}`,
      },
      {
        says: 'Its advantage: this surprise and, fading, those that follow',
        formula: `A_t = δ_t + γ λ A_{t+1} = ${fill(delta)} + ${fill(stage.gamma)} · ${fill(stage.lam)} · ${fill(advantage[t + 1], true)} = ${fill(advantage[t])}`,
      },
    );
  } else {
    steps.push({
      says: 'Its advantage: what came after all, against what the critic expected here',
      formula: `A_t = ${fill(advantage[t])} ", with" V_t = ${fill(value[t])}`,
    });
  }
  const used = tokens.whitened?.[t];
  const after = tokens.new_logprob?.[t];
  if (used !== undefined && stage.whiten_advantages)
    steps.push({
      says: 'That advantage beside those of the whole batch, brought to mean 0 and deviation 1',
      formula: `A_t = ${fill(advantage[t])} → ${fill(used)}`,
    });
  if (after === undefined) return { advantage: used ?? advantage[t], ratio: null, steps };
  const ratio = Math.exp(after - (logprob[t] ?? after));
  steps.push({
    says: 'What the update made of it: its probability after, as a multiple of its probability before',
    formula: `ρ_t = e^{log π_new - log π_old} = e^{${fill(after)} - ${fill(logprob[t], true)}} = ${fill(ratio)}`,
  });
  return { advantage: used ?? advantage[t], ratio, steps };
}

/** PPO's objective at a probability ratio; `cut` where the clip has taken its gradient away. */
export function clippedObjective(
  ratio: number,
  advantage: number,
  cliprange: number,
): { value: number; clipped: number; cut: boolean } {
  const clipped = Math.max(1 - cliprange, Math.min(1 + cliprange, ratio)) * advantage;
  return {
    value: Math.min(ratio * advantage, clipped),
    clipped,
    cut: clipped < ratio * advantage,
  };
}

/** A number to be filled in, in brackets where a minus would follow another sign. */
function fill(value: number | undefined, inside = false): string {
  const number = value ?? 0;
  const text = Math.abs(number) < 0.1 ? formatNumber(number) : formatFixed(number);
  return inside && number < 0 ? `(⟨${text}⟩)` : `⟨${text}⟩`;
}
