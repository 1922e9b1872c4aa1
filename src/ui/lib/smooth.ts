// Smoothing of curves as TensorBoard does it: an exponential moving average, freed of its pull towards zero at the
// beginning. Gaps stay gaps, and a curve of one value stays what it is.

/** `weight` in [0, 1): 0 changes nothing. */
export function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight <= 0) return values.slice();
  const known = values.filter((value) => value !== null);
  if (known.every((value) => value === known[0])) return values.slice();
  let sum = 0;
  /** What is left of the weight of the time before the first value. */
  let rest = 1;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    rest *= weight;
    return sum / (1 - rest);
  });
}
