// What the adapter in use is like, where that decides how work is laid out, and so the order in which some sums are added
// up: the same one always on one adapter.

export interface AdapterTraits {
  /** It computes on the processor: a barrier costs more than the work it shares, and nothing runs beside the host. */
  software: boolean;
  /** Invocations that a subgroup has at least, a power of two; 1 where the device has no subgroups. */
  subgroup: number;
  /** It can read float16 as such (`shader-f16`). */
  half: boolean;
}

let traits: AdapterTraits = { software: false, subgroup: 1, half: false };

export const adapterTraits = (): AdapterTraits => traits;

/** From now on, as if the adapter were so. */
export function computeAs(wanted: Partial<AdapterTraits>): void {
  traits = { ...traits, ...wanted };
}
