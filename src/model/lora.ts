// LoRA (Hu et al. 2021): a low-rank change beside frozen linear layers, y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ. Policy, reference,
// reward model and critic are Adapters over one base and are never merged into it: whoever is passed speaks. In full
// fine-tuning the adapter has parameters of its own for all of the base's, which speak in their place.

import { normals, uniforms } from '../engine/random';
import { tf } from '../engine/tf';
import { PlaygroundError } from '../shared/errors';
import type { LoraSettings } from '../shared/experiment';
import { MAGNITUDE, outputNorms } from './dora';
import type { LanguageModel, LinearLayer } from './types';

/** The scalar head of a reward model or critic, [1, C]. */
export const HEAD = 'score.weight';

interface CreateOptions {
  name?: string;
  /** With a scalar head, N(0, 1/(C+1)) (Ziegler et al. 2019). */
  head?: boolean;
}

export class Adapter {
  readonly name: string;
  readonly settings: LoraSettings;
  /**
   * Trainable tensors by their PEFT names without `base_model.model.`: `MODULE.lora_A.weight` [r, in],
   * `MODULE.lora_B.weight` [out, r], with DoRA `MODULE.lora_magnitude_vector` [out]; or with `use_peft` off all of the
   * model's own parameters. Perhaps `score.weight` [1, C]. The order is the same for equal settings.
   */
  readonly variables: ReadonlyMap<string, tf.Variable>;

  /** Takes the values as they are; `create`, `clone` and peft.ts are the ways to get an adapter. */
  constructor(name: string, settings: LoraSettings, values: ReadonlyMap<string, AdapterValue>) {
    this.name = name;
    this.settings = settings;
    this.variables = new Map(
      Array.from(values, ([key, value]) => [key, tf.tidy(() => tf.variable(tensorOf(value)))]),
    );
  }

  /** A new adapter that changes nothing yet: A uniform in ±1/√in as PEFT has it, B zero; or a copy of all parameters.
   *  Throws `bad-adapter`. */
  static create(
    model: LanguageModel,
    settings: LoraSettings,
    seed: number,
    options: CreateOptions = {},
  ): Adapter {
    const { name = 'adapter', head = false } = options;
    const values = new Map<string, AdapterValue>();
    const layers = settings.use_peft === false ? [] : targetLayers(model, settings);
    if (settings.use_peft === false) for (const [key, value] of parameters(model)) values.set(key, value);
    for (const layer of layers) {
      for (const [key, shape] of loraShapes(layer, settings)) {
        if (key.endsWith(MAGNITUDE)) {
          values.set(
            key,
            tf.tidy(() => outputNorms(model, null, layer.name)),
          );
          continue;
        }
        const size = tf.util.sizeFromShape(shape);
        const bound = 1 / Math.sqrt(layer.inputs);
        const initial = key.endsWith('lora_A.weight')
          ? uniforms(size, -bound, bound, seed, 'lora', key)
          : new Float32Array(size);
        values.set(key, { shape, values: initial });
      }
    }
    if (head) values.set(HEAD, initialHead(model, seed));
    const adapter = new Adapter(name, settings, values);
    for (const [key, value] of values)
      if (value instanceof tf.Tensor && !model.weights.has(key)) value.dispose();
    return adapter;
  }

  /** A copy with its own variables; `head` [C] replaces the head or adds one. */
  clone(name: string, head?: Float32Array): Adapter {
    const values = new Map<string, AdapterValue>(this.variables);
    if (head) values.set(HEAD, { shape: [1, head.length], values: head });
    return new Adapter(name, this.settings, values);
  }

  /** s in the formula above: alpha/r, or alpha/√r for rsLoRA (Kalajdzievski 2023). */
  get scaling(): number {
    const { r, lora_alpha, use_rslora } = this.settings;
    return lora_alpha / (use_rslora ? Math.sqrt(r) : r);
  }

  /** The scalar head [1, C]. */
  head(): tf.Tensor2D {
    const head = this.variables.get(HEAD);
    if (!head) {
      throw new PlaygroundError(
        'bad-adapter',
        `adapter ${this.name} has no scalar head (${HEAD})`,
        'Use a reward model or critic here, not a policy.',
      );
    }
    return head as unknown as tf.Tensor2D;
  }

  dispose(): void {
    for (const variable of this.variables.values()) variable.dispose();
  }
}

export type AdapterValue = tf.Tensor | { shape: number[]; values: Float32Array };

function tensorOf(value: AdapterValue): tf.Tensor {
  return value instanceof tf.Tensor ? tf.clone(value) : tf.tensor(value.values, value.shape);
}

/** A head for a reward model that starts anew. */
export function initialHead(model: LanguageModel, seed: number): { shape: number[]; values: Float32Array } {
  const width = model.config.width;
  const deviation = 1 / Math.sqrt(width + 1);
  return { shape: [1, width], values: normals(width, seed, 'head').map((z) => z * deviation) };
}

/** The parameter `name` as the adapter sees it; undefined where the model has none of that name, or keeps it packed. */
export function parameter(
  model: LanguageModel,
  adapter: Adapter | null,
  name: string,
): tf.Tensor | undefined {
  return adapter?.variables.get(name) ?? model.weights.get(name);
}

/** All of a model's parameters, to be trained. Throws `bad-adapter` where some are packed. */
function parameters({ weights, packed, name }: LanguageModel): ReadonlyMap<string, tf.Tensor> {
  if (!packed) return weights;
  throw new PlaygroundError(
    'bad-adapter',
    `all weights of ${name} are to be trained, and they are kept packed, which no gradient can change`,
    'Set quantization to "none", or use_peft to true to train an adapter beside them.',
  );
}

export function loraShapes(
  { name, inputs, outputs }: LinearLayer,
  { r, use_dora }: LoraSettings,
): [string, number[]][] {
  const magnitude: [string, number[]][] = use_dora ? [[`${name}.${MAGNITUDE}`, [outputs]]] : [];
  return [[`${name}.lora_A.weight`, [r, inputs]], [`${name}.lora_B.weight`, [outputs, r]], ...magnitude];
}

/** The linear layers that `target_modules` names: the whole name or its end after a dot, as PEFT matches a list. */
export function targetLayers(model: LanguageModel, settings: LoraSettings): LinearLayer[] {
  const { r, lora_alpha, lora_dropout, target_modules: targets } = settings;
  const layers = model.architecture.linears(model.config);
  const says = (message: string): PlaygroundError => {
    const known = [...new Set(layers.map(({ name }) => name.slice(name.lastIndexOf('.') + 1)))].join(', ');
    return new PlaygroundError('bad-adapter', message, `Linear layers of this model: ${known}.`);
  };
  if (!Number.isInteger(r) || r < 1) throw says(`LoRA rank r must be a whole number of at least 1, not ${r}`);
  if (!Number.isFinite(lora_alpha)) throw says(`lora_alpha must be a number, not ${lora_alpha}`);
  if (!(lora_dropout >= 0 && lora_dropout < 1))
    throw says(`lora_dropout must be in [0, 1), not ${lora_dropout}`);
  if (targets.length === 0) throw says('target_modules is empty');
  const matches = (name: string, target: string): boolean => name === target || name.endsWith(`.${target}`);
  for (const target of targets) {
    if (!layers.some(({ name }) => matches(name, target))) {
      throw says(`target module "${target}" is no linear layer of ${model.name}`);
    }
  }
  return layers.filter(({ name }) => targets.some((target) => matches(name, target)));
}
