// Advantages and the KL controller of PPO on plain numbers: they are a few thousand values an update, so
// float64 in JavaScript is exact, quick and easy to hold to the golden scalars. Rows are ragged: a response's
// real positions only, so no mask appears anywhere.

/** Generalised advantage estimation (Schulman et al. 2016, eq. 16), backwards over one response.
 *  delta_t = r_t + gamma V_{t+1} - V_t with V_T = 0; A_t = delta_t + gamma lam A_{t+1}; returns = A + V. */
export function gae(
  rewards: ArrayLike<number>,
  values: ArrayLike<number>,
  gamma: number,
  lam: number,
): { advantages: Float64Array; returns: Float64Array } {
  const length = rewards.length;
  const advantages = new Float64Array(length);
  const returns = new Float64Array(length);
  let lastAdvantage = 0;
  let nextValue = 0;
  for (let t = length - 1; t >= 0; t--) {
    const delta = rewards[t]! + gamma * nextValue - values[t]!;
    lastAdvantage = delta + gamma * lam * lastAdvantage;
    advantages[t] = lastAdvantage;
    returns[t] = lastAdvantage + values[t]!;
    nextValue = values[t]!;
  }
  return { advantages, returns };
}

/** Rows brought together to mean 0 and deviation 1 (variance with Bessel's correction, eps 1e-8), as TRL's
 *  masked_whiten. With `shiftMean` false the mean is put back: scale only. A single value has no variance. */
export function whiten(rows: readonly ArrayLike<number>[], shiftMean = true): Float64Array[] {
  let count = 0;
  let sum = 0;
  for (const row of rows) {
    count += row.length;
    for (let i = 0; i < row.length; i++) sum += row[i]!;
  }
  const mean = sum / count;
  let squares = 0;
  for (const row of rows) for (let i = 0; i < row.length; i++) squares += (row[i]! - mean) ** 2;
  const scale = 1 / Math.sqrt(squares / Math.max(1, count - 1) + 1e-8);
  const shift = shiftMean ? 0 : mean;
  return rows.map((row) => Float64Array.from(row, (value) => (value - mean) * scale + shift));
}

/** Follows the mean and variance of all scores so far (Chan et al. 1979), as TRL's RunningMoments. */
export function follow(scalars: Record<string, number>, scores: readonly number[]): void {
  const before = scalars['scores_seen'] ?? 0;
  const count = before + scores.length;
  const own = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const delta = own - (scalars['scores_mean'] ?? 0);
  const squares = scores.reduce((sum, score) => sum + (score - own) ** 2, 0);
  scalars['scores_squares'] =
    (scalars['scores_squares'] ?? 0) + squares + (delta ** 2 * before * scores.length) / count;
  scalars['scores_mean'] = (scalars['scores_mean'] ?? 0) + (delta * scores.length) / count;
  scalars['scores_seen'] = count;
}

/** Scores as PPO takes them, in the order of TRL (up to 0.11): brought to the deviation 1 of all scores so far, with
 *  `use_score_norm` also to their mean 0, then cut off at ±score_clip. As long as all scores were the same there is no
 *  deviation to bring to 1, and they stay as large as they are. */
export function scaleScores(
  scores: readonly number[],
  scalars: Readonly<Record<string, number>>,
  settings: { use_score_scaling: boolean; use_score_norm: boolean; score_clip: number | null },
): number[] {
  const { use_score_scaling, use_score_norm, score_clip: most } = settings;
  const { scores_seen: seen = 0, scores_mean: mean = 0, scores_squares: squares = 0 } = scalars;
  const spread = Math.sqrt(squares / Math.max(1, seen - 1));
  // Equal scores differ from their mean by rounding.
  const deviation = spread > 1e-8 * (1 + Math.abs(mean)) ? spread : 1;
  return scores.map((score) => {
    const scaled = use_score_scaling ? (score - (use_score_norm ? mean : 0)) / deviation : score;
    return most === null ? scaled : Math.min(most, Math.max(-most, scaled));
  });
}

/** The adaptive KL controller of Ziegler et al. 2019: the coefficient grows while `kl` (nats a completion) lies
 *  above `target`, by at most 20 % of `episodes / horizon` an update. */
export function adaptKlCoef(
  klCoef: number,
  kl: number,
  { target, episodes, horizon }: { target: number; episodes: number; horizon: number },
): number {
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1));
  return klCoef * (1 + (error * episodes) / horizon);
}
