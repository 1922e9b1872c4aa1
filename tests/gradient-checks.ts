// Every loss's gradient against finite differences, as tests on every backend run it: through LoRA A, LoRA B and DoRA's
// magnitudes of a small model, and through the scalar head where there is one. Along the gradient itself the slope must be
// its length; along directions that are partly random it must be what the gradient says. (Of A and B under DoRA it is
// not, as the norm is left out of the gradient: src/model/dora.test.ts.)

import { normals } from '../src/engine/random';
import { tf } from '../src/engine/tf';
import { knowledge, lossOf, type MethodCases } from '../src/experiment/golden-methods';
import { completions } from '../src/experiment/golden-tools';
import { MAGNITUDE, outputNorms } from '../src/model/dora';
import { completionValues, sequenceScores } from '../src/model/heads';
import { disposeModel, loadModel } from '../src/model/load';
import { completionLogprobs } from '../src/model/logprobs';
import { Adapter, type AdapterValue } from '../src/model/lora';
import { readPeft } from '../src/model/peft';
import type { LanguageModel, ReadFile } from '../src/model/types';
import { bradleyTerryLoss, ppoPolicyLoss, ppoValueLoss, sftLoss } from '../src/train/losses';
import { accumulateGradients } from '../src/train/optimizer';

const ADAPTED = ['lora_A.weight', 'lora_B.weight', MAGNITUDE];
const HEAD = 'score.weight';

/** Golden cases of the methods, whose loss is put together as the trainers do it. */
const GOLDEN = [
  ...[
    'dpo_smoothed',
    'dpo_robust',
    'dpo_hinge',
    'dpo_ipo',
    'dpo_ipo_whole',
    'dpo_rpo',
    'kto',
    'orpo',
    'simpo',
  ],
  ...['grpo_dapo', 'grpo_grpo', 'grpo_bnpo', 'grpo_dr_grpo', 'grpo_sequence', 'rloo', 'reinforce'],
];
const OWN = ['sft', 'ppo policy', 'entropy bonus', 'ppo value', 'Bradley–Terry'];
/** Losses that read a scalar head. */
const HEADED = ['ppo value', 'Bradley–Terry'];

/** Every loss with every part it depends on. */
export const CHECKS = [...GOLDEN, ...OWN].flatMap((loss) =>
  [...ADAPTED, ...(HEADED.includes(loss) ? [HEAD] : [])].map((part) => [loss, part] as const),
);

export async function gradientTask(read: ReadFile) {
  const model = await loadModel('odd', (path) => read(`model/${path}`));
  const policy = await readPeft(model, (path) => read(`adapter/${path}`), 'policy');
  const plain = await readPeft(model, (path) => read(`critic/${path}`), 'critic');
  const head = normals(model.config.width, 1, 'head').map((z) => 0.3 * z);
  const critic = plain.clone('critic', head);
  const stretched = {
    policy: await withMagnitudes(model, policy),
    critic: await withMagnitudes(model, critic),
  };
  const methods = JSON.parse(new TextDecoder().decode((await read('methods.json'))!)) as MethodCases;
  const batch = completions(methods.batch, methods.batch.completion_mask);
  const shape: [number, number] = [batch.batch, batch.length];
  /** Random numbers at completion tokens, [B, T]. */
  const noise = (purpose: string, scale: number): tf.Tensor2D =>
    tf.mul(
      tf.tensor2d(normals(batch.batch * batch.length, 1, purpose), shape),
      tf.mul(tf.tensor2d(Float32Array.from(batch.completion), shape), scale),
    );
  /** Who has the part that a check is about. */
  const speaker = (part: string): Adapter => (part === MAGNITUDE ? stretched.policy : policy);
  const valuer = (part: string): Adapter => (part === MAGNITUDE ? stretched.critic : critic);
  const under = (of: Adapter): tf.Tensor2D =>
    completionLogprobs(model, of, batch, { temperature: 1 }).logprobs;

  /** The loss, and what it is computed from besides. */
  async function lossFor(name: string, part: string): Promise<{ loss: () => tf.Scalar; given: tf.Tensor[] }> {
    const of = HEADED.includes(name) ? valuer(part) : speaker(part);
    const near = (values: () => tf.Tensor2D, purpose: string, scale: number): tf.Tensor2D =>
      tf.tidy(() => tf.add(values(), noise(purpose, scale)));
    switch (name) {
      case 'sft':
        return { loss: () => sftLoss(under(of), 20), given: [] };
      case 'ppo policy': {
        const [old, advantages] = [near(() => under(of), 'old', 0.05), tf.tidy(() => noise('advantages', 1))];
        return {
          loss: () => ppoPolicyLoss(under(of), old, advantages, 0.2, 20).loss,
          given: [old, advantages],
        };
      }
      case 'entropy bonus': {
        const options = { temperature: 1.3, entropyGradient: true };
        const entropy = () => completionLogprobs(model, of, batch, options).entropy; // [B, T]
        return { loss: () => tf.div(tf.sum(entropy()), 20), given: [] };
      }
      case 'ppo value': {
        const values = () => completionValues(model, of, batch); // [B, T]
        const [old, returns] = [near(values, 'old', 0.05), tf.tidy(() => noise('returns', 1))];
        return { loss: () => ppoValueLoss(values(), old, returns, 0.2, 20).loss, given: [old, returns] };
      }
      case 'Bradley–Terry':
        return {
          loss: () => {
            const [chosen, rejected] = tf.split(sequenceScores(model, of, batch), 2) as [
              tf.Tensor1D,
              tf.Tensor1D,
            ];
            return bradleyTerryLoss(chosen, rejected, { centering: 0.01 });
          },
          given: [],
        };
      default: {
        const kase = methods.cases.find((one) => one.name === name)!;
        const [reference, old] = [
          near(() => under(of), 'reference', 0.3),
          near(() => under(of), 'old', 0.05),
        ];
        const known = await knowledge(methods, reference);
        const loss = () => lossOf(kase, { logprobs: under(of), reference, old, methods, batch, known });
        return { loss, given: [reference, old] };
      }
    }
  }

  return {
    /** Of a loss in the variables whose name ends so: found slope over what the gradient says, less 1, `along` the
     *  gradient and in each of the partly random directions; `apart` looks at each variable by itself. */
    async slopes(
      name: string,
      part: string,
      { along = true, directions = 2, apart = false } = {},
    ): Promise<number[]> {
      const { loss, given } = await lossFor(name, part);
      const of = HEADED.includes(name) ? valuer(part) : speaker(part);
      const variables = [...of.variables]
        .filter(([key]) => key.endsWith(part))
        .map(([, variable]) => variable);
      const gradient = await gradientOf(loss, variables);
      const errors = along ? [await slopeAlong(loss, variables, gradient)] : [];
      const sets = apart
        ? variables.map((variable, i) => ({ some: [variable], theirs: [gradient[i]!] }))
        : [{ some: variables, theirs: gradient }];
      for (const { some, theirs } of sets)
        for (let k = 0; k < directions; k++) errors.push(await slopeAcross(loss, some, theirs, k));
      tf.dispose(given);
      return errors;
    },
    dispose: () => {
      for (const adapter of [policy, plain, critic, stretched.policy, stretched.critic]) adapter.dispose();
      disposeModel(model);
    },
  };
}

/** The same adapter with magnitudes. */
async function withMagnitudes(model: LanguageModel, adapter: Adapter): Promise<Adapter> {
  const values = new Map<string, AdapterValue>(adapter.variables);
  for (const key of adapter.variables.keys()) {
    const layer = key.slice(0, -'.lora_A.weight'.length);
    if (!key.endsWith('lora_A.weight')) continue;
    const norms = tf.tidy(() => outputNorms(model, null, layer));
    const read = await norms.data();
    norms.dispose();
    const z = normals(read.length, 1, layer);
    const magnitudes = Float32Array.from(read, (norm, i) => norm * (1 + 0.2 * z[i]!));
    values.set(`${layer}.${MAGNITUDE}`, { shape: [read.length], values: magnitudes });
  }
  return new Adapter(adapter.name, { ...adapter.settings, use_dora: true }, values);
}

const dot = (a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number =>
  a.reduce((sum, row, i) => sum + Array.from(row).reduce((part, x, j) => part + x * b[i]![j]!, 0), 0);

async function gradientOf(loss: () => tf.Scalar, variables: readonly tf.Variable[]): Promise<Float32Array[]> {
  const gradients = accumulateGradients(loss, variables, null);
  const values = await Promise.all(gradients.map((gradient) => gradient.data() as Promise<Float32Array>));
  tf.dispose(gradients);
  return values;
}

async function slopeAlong(
  loss: () => tf.Scalar,
  variables: readonly tf.Variable[],
  gradient: readonly Float32Array[],
): Promise<number> {
  const length = Math.sqrt(dot(gradient, gradient));
  if (!(length > 1e-4)) return NaN;
  const unit = gradient.map((row) => row.map((g) => g / length));
  return slopeError(loss, variables, unit, length);
}

/** Along the gradient with each of its numbers weighed at random, and as much that is random alone. */
async function slopeAcross(
  loss: () => tf.Scalar,
  variables: readonly tf.Variable[],
  gradient: readonly Float32Array[],
  k: number,
): Promise<number> {
  const length = Math.sqrt(dot(gradient, gradient));
  const count = gradient.reduce((sum, row) => sum + row.length, 0);
  const direction = gradient.map((row, i) => {
    const [weights, free] = [normals(row.length, k, i, 'weights'), normals(row.length, k, i, 'free')];
    return row.map((g, j) => (g / length) * (1 + 0.5 * weights[j]!) + free[j]! / Math.sqrt(count));
  });
  return slopeError(loss, variables, direction, dot(gradient, direction));
}

/** How far the slope in a direction is from what is said of it. A step changes the loss by about part a per cent: above
 *  float32's noise, and short of the kinks of clipping; where that is too long or too short for a loss, a third of it or
 *  three times as much is not, and no step makes a wrong gradient right. */
async function slopeError(
  loss: () => tf.Scalar,
  variables: readonly tf.Variable[],
  direction: readonly Float32Array[],
  said: number,
): Promise<number> {
  const before = variables.map((variable) => tf.clone(variable));
  const at = async (h: number): Promise<number> => {
    tf.tidy(() =>
      variables.forEach((variable, i) =>
        variable.assign(
          tf.add(
            before[i]!,
            tf.tensor(
              direction[i]!.map((d) => d * h),
              variable.shape,
            ),
          ),
        ),
      ),
    );
    const scalar = tf.tidy(loss);
    const value = (await scalar.data())[0]!;
    scalar.dispose();
    return value;
  };
  const difference = async (h: number): Promise<number> => ((await at(h)) - (await at(-h))) / (2 * h);
  const usual = (0.005 * Math.max(1, Math.abs(await at(0)))) / Math.abs(said);
  let least = Infinity;
  for (const step of [usual, usual / 3, 3 * usual]) {
    // Richardson's extrapolation takes the third derivative out of the difference.
    const found = (4 * (await difference(step / 2)) - (await difference(step))) / 3;
    const error = found / said - 1;
    if (Math.abs(error) < Math.abs(least)) least = error;
    if (Math.abs(least) < 5e-4) break;
  }
  variables.forEach((variable, i) => variable.assign(before[i]!));
  tf.dispose(before);
  return least;
}
