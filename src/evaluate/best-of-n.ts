// Best-of-n where everything can be enumerated: the exact distribution of the best of n samples (Beirami et al. 2024),
// against which sampling it, and teaching it to a policy, can be held.

/** The probability of each outcome being the best of n independent ones: F(y)^n − F(y⁻)^n for the outcomes of one score
 *  together, with F the probability of scoring at most so; among equals it is shared by their own probabilities. */
export function bestOfN(probabilities: readonly number[], scores: readonly number[], n: number): number[] {
  const total = (below: (score: number) => boolean): number =>
    probabilities.reduce((sum, p, i) => (below(scores[i]!) ? sum + p : sum), 0);
  return probabilities.map((p, i) => {
    const own = scores[i]!;
    const before = total((score) => score < own);
    const equal = total((score) => score === own);
    return equal === 0 ? 0 : (p / equal) * ((before + equal) ** n - before ** n);
  });
}

/** log n − (n − 1)/n: what the KL of best-of-n from its reference never exceeds, and comes near to where scores are
 *  many and distinct. In nats. */
export const bestOfNBound = (n: number): number => Math.log(n) - (n - 1) / n;
