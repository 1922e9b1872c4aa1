// Gradients against finite differences: every loss through LoRA A, through LoRA B and through DoRA's magnitudes of a small
// model, and through the scalar head where there is one. The slope along the gradient itself must be its length. (Of A and
// B under DoRA it is not, as the norm is left out of the gradient: model/dora.test.ts.)
import { beforeAll, expect, it } from 'vitest';
import { nodeDirectory } from '../../tests/node-files';
import { openDevice } from '../engine/device';
import { normals } from '../engine/random';
import { tf } from '../engine/tf';
import { lossOf, type MethodCases } from '../experiment/golden-methods';
import { completions } from '../experiment/golden-tools';
import { MAGNITUDE, outputNorms } from '../model/dora';
import { completionValues, sequenceScores } from '../model/heads';
import { loadModel } from '../model/load';
import { completionLogprobs } from '../model/logprobs';
import { Adapter, type AdapterValue } from '../model/lora';
import { readPeft } from '../model/peft';
import type { CompletionBatch, LanguageModel } from '../model/types';
import { bradleyTerryLoss, ppoPolicyLoss, ppoValueLoss, sftLoss } from './losses';
import { accumulateGradients } from './optimizer';

const read = nodeDirectory('tests/fixtures/gpt-neo-odd');
let model: LanguageModel;
let policy: Adapter;
let critic: Adapter;
/** The same with magnitudes. */
let stretched: { policy: Adapter; critic: Adapter };
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
  stretched = { policy: withMagnitudes(policy), critic: withMagnitudes(critic) };
  methods = JSON.parse(new TextDecoder().decode((await read('methods.json'))!)) as MethodCases;
  batch = completions(methods.batch, methods.batch.completion_mask);
});

function withMagnitudes(adapter: Adapter): Adapter {
  const values = new Map<string, AdapterValue>(adapter.variables);
  for (const key of adapter.variables.keys()) {
    const layer = key.slice(0, -'.lora_A.weight'.length);
    if (!key.endsWith('lora_A.weight')) continue;
    const norms = tf.tidy(() => [...outputNorms(model, null, layer).dataSync()]);
    const z = normals(norms.length, 1, layer);
    const magnitudes = Float32Array.from(norms, (norm, i) => norm * (1 + 0.2 * z[i]!));
    values.set(`${layer}.${MAGNITUDE}`, { shape: [norms.length], values: magnitudes });
  }
  return new Adapter(adapter.name, { ...adapter.settings, use_dora: true }, values);
}

/** Who has the part that a test is about. */
const speaker = (part: string): Adapter => (part === MAGNITUDE ? stretched.policy : policy);
const valuer = (part: string): Adapter => (part === MAGNITUDE ? stretched.critic : critic);
const logprobs = (of: Adapter): tf.Tensor2D =>
  completionLogprobs(model, of, batch, { temperature: 1 }).logprobs;

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
  // Steps that change the loss by about part a per cent: above float32's noise, and short of the kinks of clipping.
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
const PARTS = ['lora_A.weight', 'lora_B.weight', MAGNITUDE];

it.each(NAMES.flatMap((name) => PARTS.map((part) => [name, part] as const)))(
  '%s through %s',
  async (name, part) => {
    const kase = methods.cases.find((one) => one.name === name)!;
    const [reference, old] = tf.tidy(() => {
      const own = logprobs(speaker(part));
      return [tf.add(own, noise('reference', 0.3)), tf.add(own, noise('old', 0.05))] as [
        tf.Tensor2D,
        tf.Tensor2D,
      ];
    });
    await holds(
      () => lossOf(kase, { logprobs: logprobs(speaker(part)), reference, old, methods, batch }),
      speaker(part),
      part,
    );
    tf.dispose([reference, old]);
  },
);

it.each(PARTS)('sft through %s', (part) =>
  holds(() => sftLoss(logprobs(speaker(part)), 20), speaker(part), part),
);

it.each(PARTS)('the PPO policy loss through %s', async (part) => {
  const [old, advantages] = tf.tidy(
    () =>
      [tf.add(logprobs(speaker(part)), noise('old', 0.05)), noise('advantages', 1)] as [
        tf.Tensor2D,
        tf.Tensor2D,
      ],
  );
  await holds(
    () => ppoPolicyLoss(logprobs(speaker(part)), old, advantages, 0.2, 20).loss,
    speaker(part),
    part,
  );
  tf.dispose([old, advantages]);
});

it.each(PARTS)('the entropy bonus through %s', (part) =>
  holds(
    () => {
      const { entropy } = completionLogprobs(model, speaker(part), batch, { temperature: 1.3 }); // [B, T]
      return tf.div(tf.sum(entropy), 20);
    },
    speaker(part),
    part,
  ),
);

it.each([...PARTS, 'score.weight'])('the PPO value loss through %s', async (part) => {
  const values = (): tf.Tensor2D => completionValues(model, valuer(part), batch);
  const [old, returns] = tf.tidy(
    () => [tf.add(values(), noise('old', 0.05)), noise('returns', 1)] as [tf.Tensor2D, tf.Tensor2D],
  );
  await holds(() => ppoValueLoss(values(), old, returns, 0.2, 20).loss, valuer(part), part);
  tf.dispose([old, returns]);
});

it.each([...PARTS, 'score.weight'])('Bradley–Terry through %s', (part) =>
  holds(
    () => {
      const [chosen, rejected] = tf.split(sequenceScores(model, valuer(part), batch), 2) as [
        tf.Tensor1D,
        tf.Tensor1D,
      ];
      return bradleyTerryLoss(chosen, rejected, { centering: 0.01 });
    },
    valuer(part),
    part,
  ),
);
