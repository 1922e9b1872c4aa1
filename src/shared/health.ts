// Is this run well? A pure function from the metrics of a stage to notices in plain words, for the page and the
// command line. It looks for the ways in which RLHF is known to fail, and says nothing otherwise.

import { advise, nearer } from './advice';
import { METHOD_CHECKS } from './health-methods';
import { methodNamed, stepName } from './methods';
import { metricOf } from './metrics';
import type { MetricsRow } from './protocol';

export interface Notice {
  level: 'info' | 'warning' | 'error';
  metric: string;
  /** What is seen and what it means. */
  message: string;
  /** What to change, one sentence. */
  try: string;
}

/** What is notable about the stage of the last row, undefined before there is one, by the stage's history. */
export function checkHealth(last: MetricsRow | undefined, history: History): Notice[] {
  if (last === undefined) return [];
  const broken = notFinite(last);
  // Beside a number that is none, every other check would only repeat the bad news.
  if (broken) return [broken];
  const checks = [...CHECKS, ...(methodNamed(last.stage)?.checks ?? [])];
  return checks.flatMap((check) => check(history, last.stage) ?? []);
}

/** The values of a metric in the stage so far, oldest first; rows without it left out. */
type History = (name: string) => readonly number[];

export type Check = (history: History, stage: string) => Notice | null;

const CHECKS: readonly Check[] = [
  policyNotMoving,
  klNegative,
  klHigh,
  ratioFar,
  entropyCollapsed,
  rewardWithoutSignal,
  finishRateFalling,
  heldOutLossRising,
  rewardModelGuessing,
  ...METHOD_CHECKS,
];

function notFinite(last: MetricsRow): Notice | null {
  const found = Object.entries(last).find(
    ([, value]) => value === 'NaN' || (typeof value === 'number' && !Number.isFinite(value)),
  );
  if (!found) return null;
  return {
    level: 'error',
    metric: found[0],
    message: `${found[0]} is ${found[1]} at ${stepName(last.stage)} ${last.step}: the computation has broken down, and the weights with it.`,
    try: `Go back to the last checkpoint. ${advise(last.stage, 'lower learning_rate', 'set max_grad_norm')}`,
  };
}

/** A loss and a KL of exactly 0 while "training": the classic way to fail without noticing. */
function policyNotMoving(history: History): Notice | null {
  const moved = history('policy/approxkl_avg').slice(-2);
  const rates = history('lr').slice(-2);
  if (moved.length < 2 || moved.some((value) => value !== 0) || rates.some((rate) => rate === 0)) return null;
  const kl = lastOf(history('objective/kl'));
  if (kl === 0) {
    return {
      level: 'error',
      metric: 'policy/approxkl_avg',
      message: 'The policy is exactly where it started: updates do not reach its weights.',
      try: 'Raise learning_rate; if it stays at 0, this is a fault of the playground: please report it.',
    };
  }
  return {
    level: 'info',
    metric: 'policy/approxkl_avg',
    message: 'The samples are always learnt from by the very policy that wrote them, so clipping never acts.',
    try: 'That is normal with one epoch and one minibatch; otherwise set num_ppo_epochs to 2 or more.',
  };
}

/** Estimates scatter around a small KL, so only a clear or a lasting minus counts. */
function klNegative(history: History, stage: string): Notice | null {
  const recent = history('objective/kl').slice(-3);
  const kl = lastOf(recent);
  const least = metricOf(stage, 'objective/kl')?.healthy?.min;
  if (kl === undefined || least === undefined) return null;
  const lasting = recent.length === 3 && recent.every((value) => value < least);
  if (kl >= least - 0.5 && !lasting) return null;
  return {
    level: 'warning',
    metric: 'objective/kl',
    message: `KL is ${show(kl)} nats. A true KL is never negative, but an estimate from few completions can be; lasting, it says that they are not drawn from the policy that is scored, and earn reward by that.`,
    try: `${advise(stage, 'raise per_device_train_batch_size')} If it then stays below 0, this is a fault of the playground: please report it.`,
  };
}

function klHigh(history: History, stage: string): Notice | null {
  const kl = lastOf(history('objective/kl'));
  const most = metricOf(stage, 'objective/kl')?.healthy?.max;
  if (kl === undefined || most === undefined || kl <= most) return null;
  return {
    level: 'warning',
    metric: 'objective/kl',
    message: `KL is ${show(kl)} nats, above ${most}: the policy has moved so far that it likely games the reward. Read the samples.`,
    try: advise(stage, ...nearer(stage), 'lower learning_rate'),
  };
}

function ratioFar(history: History, stage: string): Notice | null {
  const ratio = lastOf(history('val/ratio'));
  const { min, max } = metricOf(stage, 'val/ratio')?.healthy ?? {};
  if (ratio === undefined || min === undefined || max === undefined || (ratio >= min && ratio <= max))
    return null;
  return {
    level: 'warning',
    metric: 'val/ratio',
    message: `The probability ratio is ${show(ratio)}, far from 1: updates are too drastic.`,
    try: advise(stage, 'lower learning_rate', 'lower num_ppo_epochs'),
  };
}

/** Against where the stage began, since what is natural depends on the task. */
function entropyCollapsed(history: History, stage: string): Notice | null {
  const name = metricOf(stage, 'entropy') ? 'entropy' : 'policy/entropy_avg';
  const values = history(name);
  const least = metricOf(stage, name)?.healthy?.min;
  if (values.length < 4 || least === undefined) return null;
  const began = mean(values.slice(0, 2));
  const now = mean(values.slice(-2));
  if (now >= least && now >= 0.2 * began) return null;
  return {
    level: 'warning',
    metric: name,
    message: `Entropy fell from ${show(began)} to ${show(now)} nats a token: the model has nearly one answer for everything.`,
    try: advise(stage, ...nearer(stage), 'lower max_steps', 'lower learning_rate', 'stop earlier'),
  };
}

function rewardWithoutSignal(history: History, stage: string): Notice | null {
  const scores = history('objective/scores');
  const spread = history('objective/scores_std');
  const least = metricOf(stage, 'objective/scores_std')?.healthy?.min;
  if (spread.length >= 2 && least !== undefined && spread.slice(-2).every((value) => value < least)) {
    return {
      level: 'warning',
      metric: 'objective/scores_std',
      message: `All completions of a batch score the same (${show(lastOf(scores) ?? 0)}): there is nothing left to learn from.`,
      try: 'If it is the best score, stop here; otherwise check that the reward can tell completions apart.',
    };
  }
  if (scores.length < 12 || spread.length === 0) return null;
  const quarter = Math.floor(scores.length / 4);
  const gain = mean(scores.slice(-quarter)) - mean(scores.slice(0, quarter));
  if (Math.abs(gain) > 0.1 * mean(spread)) return null;
  return {
    level: 'info',
    metric: 'objective/scores',
    message: `The score has moved by ${show(gain)} in ${scores.length} updates, a fraction of its spread within a batch.`,
    try: advise(
      stage,
      'raise learning_rate',
      'lower kl_coef where KL is small too',
      'lower beta where KL is small too',
    ),
  };
}

function finishRateFalling(history: History, stage: string): Notice | null {
  const rates = history('finish_rate');
  if (rates.length < 6) return null;
  const smooth = rates.slice(2).map((_, i) => mean(rates.slice(i, i + 3)));
  const best = Math.max(...smooth);
  const now = lastOf(smooth) ?? best;
  if (best - now <= 0.15) return null;
  return {
    level: 'warning',
    metric: 'finish_rate',
    message: `Completions that end by themselves fell from ${percent(best)} to ${percent(now)}: going on seems to pay.`,
    try: advise(stage, 'set missing_eos_penalty', ...nearer(stage), 'lower max_steps', 'lower learning_rate'),
  };
}

function heldOutLossRising(history: History, stage: string): Notice | null {
  const losses = history('eval_loss');
  const now = lastOf(losses);
  if (now === undefined || losses.length < 3) return null;
  const best = Math.min(...losses);
  if (now <= 1.05 * best) return null;
  return {
    level: 'warning',
    metric: 'eval_loss',
    message: `The held-out loss rose from ${show(best)} to ${show(now)}: the model is learning its rows by heart.`,
    try: advise(stage, 'set early_stopping_patience', 'lower max_steps'),
  };
}

function rewardModelGuessing(history: History, stage: string): Notice | null {
  const accuracies = history('eval_accuracy');
  const now = lastOf(accuracies);
  const least = metricOf(stage, 'eval_accuracy')?.healthy?.min;
  if (now === undefined || least === undefined || accuracies.length < 3 || now >= least) return null;
  return {
    level: 'warning',
    metric: 'eval_accuracy',
    message: `On pairs it never saw, the reward model is right in ${percent(now)}, hardly better than guessing.`,
    try: advise(stage, 'give it more pairs (count)', 'raise max_steps', 'raise learning_rate', 'lower noise'),
  };
}

function lastOf(values: readonly number[]): number | undefined {
  return values[values.length - 1];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function show(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
