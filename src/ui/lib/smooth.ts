// Smoothing of curves as TensorBoard does it: an exponential moving average, freed of its pull towards zero at the
// beginning. Gaps stay gaps, and a curve of one value stays what it is.

/** `weight` in [0, 1): 0 changes nothing. */
export function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  const known = values.filter((value) => value !== null);
  if (weight <= 0 || known.every((value) => value === known[0])) return [...values];
  let sum = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    count += 1;
    return sum / (1 - weight ** count);
  });
}
