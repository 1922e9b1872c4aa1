// The golden cases of the methods, where a directory has methods.json beside its cases.json: loss and gradients of each
// over the same four completions, which are two pairs (chosen, rejected) or two groups of two. make_method_golden.py
// makes them.

import { tf } from '../engine/tf';
import { completionLogprobs } from '../model/logprobs';
import type { Adapter } from '../model/lora';
import type { CompletionBatch } from '../model/types';
import type { StageOf } from '../shared/experiment';
import { dpoPart } from '../train/dpo';
import { grpoLoss, tokenWeights } from '../train/grpo';
import { ktoLoss } from '../train/kto';
import { orpoPart } from '../train/orpo';
import type { Known, PairBatch, Sides, SideTensors } from '../train/preference';
import { reinforceLoss } from '../train/reinforce';
import { rlooLoss } from '../train/rloo';
import { simpoPart } from '../train/simpo';
import { checkGradients, completions, count, type Golden, type Rows } from './golden-tools';

type Case = { name: string; loss: number } & (
  | { method: 'dpo'; settings: StageOf<'dpo'> }
  | { method: 'kto'; settings: StageOf<'kto'> & { kl: number } }
  | { method: 'orpo'; settings: StageOf<'orpo'> }
  | { method: 'simpo'; settings: StageOf<'simpo'> }
  | { method: 'grpo'; settings: StageOf<'grpo'> }
  | { method: 'rloo'; settings: StageOf<'rloo'> }
  | { method: 'reinforce'; settings: StageOf<'reinforce'> }
);

/** The methods that there may be cases of. */
export const METHODS_CHECKED: readonly Case['method'][] = [
  'dpo',
  'kto',
  'orpo',
  'simpo',
  'grpo',
  'rloo',
  'reinforce',
];

/** methods.json. */
export interface MethodCases {
  batch: { input_ids: Rows; attention_mask: Rows; completion_mask: Rows };
  advantages: number[];
  /** The longest completion there could be, and the rows of a device batch, as GRPO counts. */
  longest: number;
  device_batch: number;
  cases: Case[];
}

/** What a case is computed from, made afresh inside its gradient: [B, T] each, 0 outside the completions. */
interface Given {
  logprobs: tf.Tensor2D;
  reference: tf.Tensor2D;
  old: tf.Tensor2D;
  methods: MethodCases;
  batch: CompletionBatch;
  known: Known;
}

/** What the methods that learn from pairs know of both before they begin. */
export async function knowledge({ batch }: MethodCases, reference: tf.Tensor2D): Promise<Known> {
  const sums = tf.tidy(() => tf.sum(reference, 1));
  const logps = Array.from(await sums.data());
  sums.dispose();
  return { reference: bySide(logps), lengths: bySide(lengthsOf(batch.completion_mask)) };
}

const lengthsOf = (mask: Rows): number[] => mask.map((row) => row.reduce((sum, one) => sum + one, 0));

/** Chosen and rejected in turn. */
const bySide = (values: readonly number[]): Sides => ({
  chosen: values.filter((_, row) => row % 2 === 0),
  rejected: values.filter((_, row) => row % 2 === 1),
});

export async function checkMethods(golden: Golden, methods: MethodCases): Promise<void> {
  const batch = completions(methods.batch, methods.batch.completion_mask);
  const policy = await golden.adapter('adapter');
  const frozen = await golden.adapter('reference');
  const under = (adapter: Adapter): tf.Tensor2D =>
    completionLogprobs(golden.model, adapter, batch, { temperature: 1 }).logprobs;
  const reference = tf.tidy(() => under(frozen));
  // Stored beside the token it is about, [B, T − 1].
  const stored = golden.reference('old_logprobs') ?? new Float32Array();
  const old = tf.tidy(() =>
    tf.pad(tf.tensor2d(stored, [batch.batch, batch.length - 1]), [
      [0, 0],
      [1, 0],
    ]),
  );
  const known = await knowledge(methods, reference);
  for (const kase of methods.cases) {
    const loss = (): tf.Scalar =>
      lossOf(kase, { logprobs: under(policy), reference, old, methods, batch, known });
    await checkGradients(golden, kase.name, policy, loss, kase.loss);
  }
  tf.dispose([reference, old]);
}

/** The loss as the trainers put it together. */
export function lossOf(kase: Case, given: Given): tf.Scalar {
  const { logprobs, methods, batch, old, known } = given;
  const lengths = lengthsOf(methods.batch.completion_mask);
  const logps = sides(tf.sum(logprobs, 1));
  const advantages = tf.tensor1d(methods.advantages); // [B]
  const rows = [...known.lengths.chosen.keys()];
  const pairs: PairBatch = { rows, batch };
  switch (kase.method) {
    case 'dpo':
      return dpoPart(kase.settings, pairs, logps, known, rows).loss;
    case 'orpo':
      return orpoPart(kase.settings, pairs, logps, known, rows).loss;
    case 'simpo':
      return simpoPart(kase.settings, pairs, logps, known, rows).loss;
    case 'kto': {
      const ratios = tf.sum<tf.Tensor1D>(tf.sub(logprobs, given.reference), 1); // [B]
      const labels = lengths.map((_, row) => row % 2 === 0);
      return tf.div(ktoLoss(ratios, labels, kase.settings.kl, kase.settings), lengths.length);
    }
    case 'grpo': {
      const { longest, device_batch: deviceBatch } = methods;
      const weights = tokenWeights(lengths, kase.settings.loss_type, { deviceBatch, longest });
      const everyToken = (values: readonly number[]): tf.Tensor2D =>
        tf.mul(tf.tensor2d(Array.from(values), [values.length, 1]), marked(batch));
      const all = {
        old,
        reference: given.reference,
        advantages: everyToken(methods.advantages),
        weights: everyToken(weights),
      };
      return grpoLoss(logprobs, all, kase.settings, count(batch)).loss;
    }
    case 'rloo':
      return rlooLoss(logprobs, old, advantages, kase.settings.epsilon, lengths.length).loss;
    case 'reinforce':
      return reinforceLoss(logprobs, advantages, lengths.length);
  }
}

/** Chosen and rejected in turn, [2P], as the two sides of P pairs. */
function sides(values: tf.Tensor): SideTensors {
  const [chosen, rejected] = tf.split(tf.reshape(values, [-1, 2]), 2, 1) as [tf.Tensor, tf.Tensor]; // [P, 1] each
  return { chosen: tf.reshape(chosen, [-1]), rejected: tf.reshape(rejected, [-1]) };
}

/** 1 at completion tokens, [B, T]. */
const marked = ({ completion, batch, length }: CompletionBatch): tf.Tensor2D =>
  tf.tensor2d(Float32Array.from(completion), [batch, length]);
