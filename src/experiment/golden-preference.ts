// The golden cases of the methods that learn from pairs: each computes something through the very functions that
// training uses, and reports it beside the reference.

import { tf } from '../engine/tf';
import { completionLogprobs } from '../model/logprobs';
import { sequenceScores } from '../model/heads';
import type { Adapter } from '../model/lora';
import { dpoLoss } from '../train/dpo';
import { bradleyTerryLoss } from '../train/losses';
import type { SideTensors } from '../train/preference';
import { checkGradients, completions, critic, type Golden, numbers, pick, tokens } from './golden-tools';

/** One pair's two numbers [2] as sides of one pair. */
const sides = (both: tf.Tensor): SideTensors => ({
  chosen: tf.slice(both as tf.Tensor1D, 0, 1),
  rejected: tf.slice(both as tf.Tensor1D, 1, 1),
});

export async function checkDpo(golden: Golden): Promise<void> {
  const { model, adapter, report } = golden;
  const { batch, dpo } = golden.cases;
  if (!dpo) return;
  const rows = [dpo.chosen_row, dpo.rejected_row];
  const masks = dpo.completion_mask.length === 2 ? dpo.completion_mask : pick(dpo.completion_mask, rows);
  const data = completions(
    { input_ids: pick(batch.input_ids, rows), attention_mask: pick(batch.attention_mask, rows) },
    masks,
  );
  const policy = await adapter('adapter');
  const frozen = await adapter(dpo.reference_adapter ?? 'reference');
  const sums = (speaker: Adapter): tf.Tensor1D =>
    tf.sum(completionLogprobs(model, speaker, data, { temperature: 1 }).logprobs, 1); // [2]
  report('dpo', 'policy_logps', await numbers(() => sums(policy)), dpo.policy_logps);
  const reference = await numbers(() => sums(frozen));
  report('dpo', 'reference_logps', reference, dpo.reference_logps);
  const loss = (): tf.Scalar =>
    dpoLoss(sides(sums(policy)), sides(tf.tensor1d(reference)), sides(tf.ones([2])), {
      beta: dpo.beta,
      loss_type: 'sigmoid',
      label_smoothing: 0,
      ipo_length_norm: true,
    });
  await checkGradients(golden, 'dpo', policy, loss, dpo.loss);
}

export async function checkReward(golden: Golden): Promise<void> {
  const { model, report } = golden;
  const { batch, reward } = golden.cases;
  if (!reward) return;
  const scorer = await critic(golden, reward.adapter);
  const data = tokens(batch);
  report('reward', 'scores', await numbers(() => sequenceScores(model, scorer, data)), reward.scores);
  // Where the pair is not named it is the first two rows, the first preferred.
  const { chosen_row: chosen = 0, rejected_row: rejected = 1 } = reward;
  const loss = (): tf.Scalar => {
    const scores = sequenceScores(model, scorer, data); // [B]
    return bradleyTerryLoss(tf.slice(scores, chosen, 1), tf.slice(scores, rejected, 1));
  };
  await checkGradients(golden, 'reward', scorer, loss, reward.loss);
  scorer.dispose();
}
