// Direct preference optimisation (Rafailov et al. 2023): the policy itself is the reward model. Its implicit reward of
// a completion is β·log(π/ref), and pairs teach it as they would teach a reward model, without any sampling. A yield is
// one optimizer step.

import { batchIndices } from '../data/batches';
import { tf } from '../engine/tf';
import type { Adapter } from '../model/lora';
import type { StageOf } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { minusLogSigmoid, sftLoss } from './losses';
import { accumulateGradients } from './optimizer';
import {
  completionLengths,
  longerSides,
  lookAtPairs,
  type PairBatch,
  pairBatches,
  pairLogprobs,
  pick,
  type Preference,
  type PreferenceContext,
  sideFigures,
  sideLogprobs,
  type Sides,
  type SideTensors,
  ToldSides,
} from './preference';
import { learningRateAt } from './schedule';
import { keepBest, metricsRow, outOfPatience, ScalarSums, sum, type TrainState } from './state';

export interface DpoContext extends PreferenceContext {
  /** The policy as it was before this stage, frozen. */
  reference: Adapter;
}

type DpoSettings = Pick<StageOf<'dpo'>, 'beta' | 'loss_type' | 'label_smoothing' | 'ipo_length_norm'>;

/** The sum of the losses of P pairs. All [P]: log-probabilities of the completions under policy and reference, and
 *  their tokens. With δ = log(π_c/ref_c) − log(π_r/ref_r) and the share ε of labels taken to be wrong:
 *  sigmoid: −(1−ε)·log σ(βδ) − ε·log σ(−βδ) (ε > 0: "conservative" DPO); robust (Chowdhury et al. 2024):
 *  (−(1−ε)·log σ(βδ) + ε·log σ(−βδ)) / (1−2ε), whose mean over labels flipped with ε is the loss of the true ones;
 *  hinge (SLiC): max(0, 1 − βδ); ipo (Azar et al. 2023): (δ − 1/2β)², TRL's δ with each side divided by its length. */
export function dpoLoss(
  policy: SideTensors,
  reference: SideTensors,
  lengths: SideTensors,
  { beta, loss_type, label_smoothing, ipo_length_norm }: DpoSettings,
): tf.Scalar {
  const chosen = tf.sub(policy.chosen, reference.chosen); // [P]
  const rejected = tf.sub(policy.rejected, reference.rejected); // [P]
  const delta = tf.sub(chosen, rejected); // [P]
  const scaled = tf.mul(delta, beta);
  const right = minusLogSigmoid(scaled);
  const wrong = minusLogSigmoid(tf.neg(scaled));
  switch (loss_type) {
    case 'sigmoid':
      return tf.sum(tf.add(tf.mul(right, 1 - label_smoothing), tf.mul(wrong, label_smoothing)));
    case 'robust': {
      const difference = tf.sub(tf.mul(right, 1 - label_smoothing), tf.mul(wrong, label_smoothing));
      return tf.sum(tf.div(difference, 1 - 2 * label_smoothing));
    }
    case 'hinge':
      return tf.sum(tf.relu(tf.sub(1, scaled)));
    case 'ipo': {
      const margin = ipo_length_norm
        ? tf.sub(tf.div(chosen, lengths.chosen), tf.div(rejected, lengths.rejected))
        : delta;
      return tf.sum(tf.square(tf.sub(margin, 1 / (2 * beta))));
    }
  }
}

export async function* dpo(
  context: DpoContext,
  stage: StageOf<'dpo'>,
  state: TrainState,
): AsyncGenerator<MetricsRow> {
  const { model, name, seed, train, heldOut } = context;
  const policy = state.adapters['policy']!;
  const optimizer = state.optimizers['policy']!;
  const variables = [...policy.variables.values()];
  const batchSize = stage.per_device_train_batch_size * stage.gradient_accumulation_steps;
  const grouped = stage.group_by_length ? longerSides(train) : undefined;
  const known = await knowledge(context, train);
  const knownHeldOut = await knowledge(context, heldOut);

  while (state.step < stage.max_steps && !outOfPatience(state, stage.early_stopping_patience)) {
    const step = state.step;
    const rows = batchIndices(train.length, batchSize, step, seed, name, grouped);
    const sums = new ScalarSums();
    const told = new ToldSides();
    let grads: tf.Tensor[] | null = null;
    for (const micro of pairBatches(train, model.config.context, rows)) {
      const batchLoss = (): tf.Scalar => {
        const logps = sideLogprobs(model, policy, micro); // [P], [P]
        const { loss, nll } = part(stage, micro, logps, known, rows);
        sums.add(loss, nll);
        told.add(micro, logps);
        return loss;
      };
      grads = accumulateGradients(batchLoss, variables, grads);
    }
    const learningRate = learningRateAt(step, stage.max_steps, stage);
    const [loss, nll] = await sums.read();
    const logps = await told.read();
    const gradNorm = await optimizer.update(grads ?? [], learningRate, stage);

    state.step = step + 1;
    const read = sum(rows.map((row) => train[row]!.chosen.ids.length + train[row]!.rejected.ids.length));
    state.scalars['num_tokens'] = (state.scalars['num_tokens'] ?? 0) + read;
    const metrics: Record<string, number> = {
      loss: loss!,
      nll_loss: nll!,
      ...sideFigures(rows, logps, implicitReward(stage, known, logps)),
      grad_norm: gradNorm,
      learning_rate: learningRate,
      num_tokens: state.scalars['num_tokens'],
      epoch: (state.step * batchSize) / train.length,
    };
    metricsRow(name, state.step, metrics);
    if (heldOut.length > 0 && (state.step % stage.eval_steps === 0 || state.step === stage.max_steps)) {
      const all = [...heldOut.keys()];
      const looked = await lookAtPairs(
        model,
        policy,
        heldOut,
        (micro, logps) => part(stage, micro, logps, knownHeldOut, all).loss,
        (logps) => implicitReward(stage, knownHeldOut, logps),
      );
      Object.assign(metrics, looked);
      keepBest(state, policy, -looked.eval_loss, stage.early_stopping_patience);
    }
    yield metricsRow(name, state.step, metrics);
  }
}

/** What does not change while the policy learns: the reference's log-probabilities of all pairs, and their lengths. */
interface Known {
  reference: Sides;
  lengths: Sides;
}

async function knowledge({ model, reference }: DpoContext, pairs: readonly Preference[]): Promise<Known> {
  return { reference: await pairLogprobs(model, reference, pairs), lengths: completionLengths(pairs) };
}

/** What a micro-batch adds to the loss of the batch `rows`: the mean over its pairs, and, weighted by rpo_alpha (Pang
 *  et al. 2024), the negative log-likelihood of its chosen completions, the mean over their tokens. */
function part(
  stage: StageOf<'dpo'>,
  micro: PairBatch,
  logps: SideTensors,
  { reference, lengths }: Known,
  rows: readonly number[],
): { loss: tf.Scalar; nll: tf.Scalar } {
  const preference = dpoLoss(logps, pick(micro, reference), pick(micro, lengths), stage);
  const loss = tf.div<tf.Scalar>(preference, rows.length);
  const nll = sftLoss(logps.chosen, sum(rows.map((row) => lengths.chosen[row]!)));
  return { loss: stage.rpo_alpha === null ? loss : tf.add(loss, tf.mul(nll, stage.rpo_alpha)), nll };
}

/** β·log(π/ref). */
const implicitReward =
  ({ beta }: StageOf<'dpo'>, { reference }: Known, logps: Sides) =>
  (side: keyof Sides, row: number): number =>
    beta * (logps[side][row]! - reference[side][row]!);
