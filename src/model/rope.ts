// The angles of rotary position embeddings: which frequencies a config.json asks for, and their cosines and sines at
// given positions. Computed on the host in float64, since a GPU's cosine of a large angle is coarse.

import { tf } from '../engine/tf';
import type { ConfigReader } from './architectures/config';
import { isObject } from './json';

/** Turns a position's angle for each pair of a head's numbers: radians a position, [R/2]. */
export type Frequencies = Float64Array;

interface Angles {
  /** [N, R/2] each. */
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
}

/** Gives cos and sin of the angles at `positions` [N]: the same tensors to every block, or, where blocks are computed
 *  twice and outlive the forward pass, new ones. */
export function angles(
  frequencies: Frequencies,
  positions: Int32Array,
  gradientCheckpointing = false,
): () => Angles {
  const shape: [number, number] = [positions.length, frequencies.length];
  const cos = new Float32Array(shape[0] * shape[1]);
  const sin = new Float32Array(cos.length);
  positions.forEach((position, n) =>
    frequencies.forEach((frequency, d) => {
      cos[n * shape[1] + d] = Math.cos(position * frequency);
      sin[n * shape[1] + d] = Math.sin(position * frequency);
    }),
  );
  const tensors = (): Angles => ({ cos: tf.tensor2d(cos, shape), sin: tf.tensor2d(sin, shape) });
  if (gradientCheckpointing) return tensors;
  const shared = tensors();
  return () => shared;
}

/**
 * θ^(−2d/R) for the first `rotated` numbers R of a head, changed as "rope_scaling" says: linear (Chen et al. 2023) and
 * llama3 (Grattafiori et al. 2024) are known, any other kind is refused. `theta` is the field that holds θ.
 */
export function ropeFrequencies(
  json: Record<string, unknown>,
  config: ConfigReader,
  rotated: number,
  theta: string,
): Frequencies {
  // Newer files keep both fields in one object.
  const newer = isObject(json['rope_parameters']) ? json['rope_parameters'] : null;
  const base = newer?.['rope_theta'] ?? json[theta] ?? 10_000;
  if (typeof base !== 'number' || !(base > 0)) throw config.bad(theta, 'must be a number above 0');
  const plain = Float64Array.from({ length: rotated / 2 }, (_, d) => base ** ((-2 * d) / rotated));
  const field = newer ? 'rope_parameters' : 'rope_scaling';
  const scaling = newer ?? json['rope_scaling'] ?? null;
  if (scaling === null) return plain;
  const kind: unknown = isObject(scaling)
    ? (scaling['rope_type'] ?? scaling['type'] ?? 'default')
    : undefined;
  if (!isObject(scaling) || !['default', 'linear', 'llama3'].includes(String(kind))) {
    throw config.bad(field, 'is of a kind that is not supported: only default, linear and llama3 are');
  }
  const number = (name: string): number => {
    const value = scaling[name];
    if (typeof value !== 'number' || !(value > 0))
      throw config.bad(field, `lacks "${name}", a number above 0`);
    return value;
  };
  if (kind === 'default') return plain;
  if (kind === 'linear') return plain.map((frequency) => frequency / number('factor'));
  const [factor, low, high] = [number('factor'), number('low_freq_factor'), number('high_freq_factor')];
  const context = number('original_max_position_embeddings');
  // Frequencies that turn often in the old context stay, those that turn seldom slow down, between them both mix.
  return plain.map((frequency) => {
    const turns = (context * frequency) / (2 * Math.PI);
    const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return frequency * (kept + (1 - kept) / factor);
  });
}
