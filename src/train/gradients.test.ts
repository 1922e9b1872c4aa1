// Gradients against finite differences: every loss through LoRA A and through LoRA B of a small model, and through the
// scalar head where there is one. The slope along the gradient itself must be its length.
import { beforeAll, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { normals } from '../engine/random';
import { tf } from '../engine/tf';
import { lossOf, type MethodCases } from '../experiment/golden-methods';
import { completions } from '../experiment/golden-tools';
import { completionValues, sequenceScores } from '../model/heads';
import { loadModel } from '../model/load';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import { readPeft } from '../model/peft';
import type { CompletionBatch, LanguageModel } from '../model/types';
import { bradleyTerryLoss, ppoPolicyLoss, ppoValueLoss, sftLoss } from './losses';
import { accumulateGradients } from './optimizer';

const read = nodeDirectory('tests/fixtures/gpt-neo-odd');
let model: LanguageModel;
let policy: Adapter;
let critic: Adapter;
let methods: MethodCases;
let batch: CompletionBatch;
/** Random numbers at completion tokens, [B, T]. */
const noise = (purpose: string, scale: number): tf.Tensor2D =>
  tf.mul(
    tf.tensor2d(normals(batch.batch * batch.length, 1, purpose), [batch.batch, batch.length]),
    tf.mul(tf.tensor2d(Float32Array.from(batch.completion), [batch.batch, batch.length]), scale),
  );

beforeAll(async () => {
  await openDevice('wasm');
  model = await loadModel('odd', (path) => read(`model/${path}`));
  policy = await readPeft(model, (path) => read(`adapter/${path}`), 'policy');
  const head = normals(model.config.width, 1, 'head').map((z) => 0.3 * z);
  critic = (await readPeft(model, (path) => read(`critic/${path}`), 'critic')).clone('critic', head);
  methods = JSON.parse(new TextDecoder().decode((await read('methods.json'))!)) as MethodCases;
  batch = completions(methods.batch, methods.batch.completion_mask);
});

const logprobs = (): tf.Tensor2D => completionLogprobs(model, policy, batch, { temperature: 1 }).logprobs;

/** Asserts it for the variables whose name ends so. */
async function holds(loss: () => tf.Scalar, adapter: Adapter, ending: string): Promise<void> {
  const variables = [...adapter.variables].filter(([name]) => name.endsWith(ending)).map(([, v]) => v);
  const gradients = accumulateGradients(loss, variables, null);
  const values = await Promise.all(gradients.map((gradient) => gradient.data()));
  const length = Math.sqrt(values.flatMap((some) => Array.from(some)).reduce((sum, g) => sum + g * g, 0));
  expect(length).toBeGreaterThan(1e-4);
  const at = async (h: number): Promise<number> => {
    const before = variables.map((variable) => tf.clone(variable));
    tf.tidy(() =>
      variables.forEach((v, i) => v.assign(tf.add(before[i]!, tf.mul(gradients[i]!, h / length)))),
    );
    const scalar = tf.tidy(loss);
    const value = (await scalar.data())[0]!;
    variables.forEach((variable, i) => variable.assign(before[i]!));
    tf.dispose([scalar, ...before]);
    return value;
  };
  // Steps that change the loss by about half a per cent: above float32's noise, and short of the kinks of clipping.
  // Richardson's extrapolation takes the third derivative out of the difference.
  const slope = async (h: number): Promise<number> => ((await at(h)) - (await at(-h))) / (2 * h);
  const step = (0.005 * Math.max(1, Math.abs(await at(0)))) / length;
  const found = (4 * (await slope(step / 2)) - (await slope(step))) / 3;
  tf.dispose(gradients);
  expect(Math.abs(found / length - 1)).toBeLessThan(0.01);
}

const NAMES = [
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
const HALVES = ['lora_A.weight', 'lora_B.weight'];

it.each(NAMES.flatMap((name) => HALVES.map((half) => [name, half] as const)))(
  '%s through %s',
  async (name, half) => {
    const kase = methods.cases.find((one) => one.name === name)!;
    const [reference, old] = tf.tidy(() => {
      const own = logprobs();
      return [tf.add(own, noise('reference', 0.3)), tf.add(own, noise('old', 0.05))] as [
        tf.Tensor2D,
        tf.Tensor2D,
      ];
    });
    await holds(() => lossOf(kase, { logprobs: logprobs(), reference, old, methods, batch }), policy, half);
    tf.dispose([reference, old]);
  },
);

it.each(HALVES)('sft through %s', (half) => holds(() => sftLoss(logprobs(), 20), policy, half));

it.each(HALVES)('the PPO policy loss through %s', async (half) => {
  const [old, advantages] = tf.tidy(
    () => [tf.add(logprobs(), noise('old', 0.05)), noise('advantages', 1)] as [tf.Tensor2D, tf.Tensor2D],
  );
  await holds(() => ppoPolicyLoss(logprobs(), old, advantages, 0.2, 20).loss, policy, half);
  tf.dispose([old, advantages]);
});

it.each(HALVES)('the entropy bonus through %s', (half) =>
  holds(
    () => {
      const { entropy } = completionLogprobs(model, policy, batch, { temperature: 1.3 }); // [B, T]
      return tf.div(tf.sum(entropy), 20);
    },
    policy,
    half,
  ),
);

it.each([...HALVES, 'score.weight'])('the PPO value loss through %s', async (half) => {
  const values = (): tf.Tensor2D => completionValues(model, critic, batch);
  const [old, returns] = tf.tidy(
    () => [tf.add(values(), noise('old', 0.05)), noise('returns', 1)] as [tf.Tensor2D, tf.Tensor2D],
  );
  await holds(() => ppoValueLoss(values(), old, returns, 0.2, 20).loss, critic, half);
  tf.dispose([old, returns]);
});

it.each([...HALVES, 'score.weight'])('Bradley–Terry through %s', (half) =>
  holds(
    () => {
      const [chosen, rejected] = tf.split(sequenceScores(model, critic, batch), 2) as [
        tf.Tensor1D,
        tf.Tensor1D,
      ];
      return bradleyTerryLoss(chosen, rejected, { centering: 0.01 });
    },
    critic,
    half,
  ),
);
