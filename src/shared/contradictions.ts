// Settings that are each in range and still cannot go together, found before a run starts in place of an hour into
// it. Pure over an experiment, so the page can check a form with it as well as validate.ts a file.

import type { Experiment, PpoStage, RewardStage, SftStage, Stage } from './experiment';

/** `path` is where in the experiment file it stands, like `stages[2].num_mini_batches`. */
export interface Problem {
  level: 'error' | 'warning';
  path: string;
  message: string;
  /** What to change, one sentence. */
  fix: string;
}

/** Every contradiction of an experiment whose single settings are valid, in the order of the file. */
export function contradictions(experiment: Experiment): Problem[] {
  return experiment.stages.flatMap((stage, index) => {
    const report: Reporter = (level, key, message, fix) => ({
      level,
      path: `stages[${index}]${key ? `.${key}` : ''}`,
      message,
      fix,
    });
    const earlier = experiment.stages.slice(0, index);
    return stageProblems(stage, earlier, experiment, report).filter((problem) => problem !== null);
  });
}

type Reporter = (level: Problem['level'], key: string, message: string, fix: string) => Problem;

function stageProblems(
  stage: Stage,
  earlier: Stage[],
  { data }: Experiment,
  report: Reporter,
): (Problem | null)[] {
  const needs = (part: keyof typeof data, why: string): Problem | null =>
    data[part] === undefined
      ? report(
          'error',
          '',
          `the ${stage.kind} stage needs data.${part}, ${why}, and it is not given.`,
          `Add "${part}" to "data": a builtin:NAME/PART or the path of a JSONL file.`,
        )
      : null;
  switch (stage.kind) {
    case 'sft':
      return [needs('sft', 'the demonstrations it imitates'), ...supervisedProblems(stage, report)];
    case 'pairs':
      return [
        needs('prompts', 'the prompts it completes'),
        data.preferences === undefined
          ? null
          : report(
              'warning',
              '',
              'data.preferences is given, so this stage samples no pairs of its own.',
              'Remove "preferences" from "data" to collect pairs, or this stage to silence the warning.',
            ),
      ];
    case 'reward':
      return [
        data.preferences === undefined && !earlier.some(({ kind }) => kind === 'pairs')
          ? report(
              'error',
              '',
              'the reward stage has no pairs to learn from.',
              'Put a pairs stage before it, or give a file of pairs as data.preferences.',
            )
          : null,
        ...supervisedProblems(stage, report),
      ];
    case 'ppo':
      return [
        needs('prompts', 'the prompts it completes'),
        ...ppoProblems(
          stage,
          data.reward_model_path !== undefined || earlier.some(({ kind }) => kind === 'reward'),
          report,
        ),
      ];
    case 'evaluate':
      return [needs('eval_prompts', 'the prompts every stage is compared on')];
  }
}

function supervisedProblems(stage: SftStage | RewardStage, report: Reporter): (Problem | null)[] {
  const { max_steps, warmup_steps, eval_steps, eval_fraction, early_stopping_patience: patience } = stage;
  return [
    warmup_steps > max_steps
      ? report(
          'error',
          'warmup_steps',
          `a warm-up of ${warmup_steps} steps does not fit into max_steps ${max_steps}.`,
          'Lower warmup_steps or raise max_steps.',
        )
      : null,
    patience !== null && eval_fraction === 0
      ? report(
          'error',
          'early_stopping_patience',
          'early stopping watches held-out rows, and eval_fraction 0 holds none out.',
          'Set early_stopping_patience to null, or eval_fraction above 0.',
        )
      : null,
    patience !== null && eval_steps > max_steps
      ? report(
          'warning',
          'eval_steps',
          `with eval_steps ${eval_steps} above max_steps ${max_steps}, early stopping never gets a look.`,
          'Lower eval_steps.',
        )
      : null,
  ];
}

function ppoProblems(stage: PpoStage, rewardModel: boolean, report: Reporter): (Problem | null)[] {
  const rows = stage.per_device_train_batch_size;
  const accumulated = stage.gradient_accumulation_steps;
  const batch = rows * accumulated;
  const batchText =
    accumulated === 1 ? `the batch of ${batch}` : `the batch of ${rows} × ${accumulated} = ${batch}`;
  const minibatch = batch / stage.num_mini_batches;
  const updates = Math.ceil(stage.total_episodes / batch);
  const divides = Number.isInteger(minibatch);
  return [
    divides
      ? null
      : report(
          'error',
          'num_mini_batches',
          `${stage.num_mini_batches} minibatches do not divide ${batchText}.`,
          `Set num_mini_batches to one of ${divisors(batch).join(', ')}, or change the batch size.`,
        ),
    stage.total_episodes < batch
      ? report(
          'error',
          'total_episodes',
          `${stage.total_episodes} episodes are fewer than ${batchText}: not one update.`,
          `Set total_episodes to at least ${batch}, or make the batch smaller.`,
        )
      : null,
    stage.whiten_rewards && divides && minibatch < 8
      ? report(
          'error',
          'whiten_rewards',
          `whitening over a minibatch of ${minibatch} is noise; it needs at least 8.`,
          'Set whiten_rewards to false, lower num_mini_batches, or raise the batch size.',
        )
      : null,
    stage.reward.kind === 'model' && !rewardModel
      ? report(
          'error',
          'reward',
          'it asks for the reward model, and no reward stage comes before it.',
          'Put a reward stage before this one, give data.reward_model_path, or use a rule: {"kind": "rule", "name": "…"}.',
        )
      : null,
    stage.warmup_steps > updates
      ? report(
          'error',
          'warmup_steps',
          `a warm-up of ${stage.warmup_steps} updates does not fit into ${updates} (total_episodes / batch).`,
          'Lower warmup_steps or raise total_episodes.',
        )
      : null,
    stage.kl_target !== null && stage.kl_coef === 0
      ? report(
          'error',
          'kl_target',
          'the controller multiplies kl_coef, and 0 stays 0 whatever it is multiplied by.',
          'Start kl_coef above 0, or set kl_target to null.',
        )
      : null,
    stage.kl_estimator === 'k3'
      ? report(
          'warning',
          'kl_estimator',
          'k3 inside the reward is biased: PPO then ends at another policy than the one the objective asks for.',
          'Use "k1" unless that is what you want to see.',
        )
      : null,
    stage.kl_coef === 0
      ? report(
          'warning',
          'kl_coef',
          'with kl_coef 0 nothing holds the policy near its reference, and it will exploit the reward.',
          'Use 0.05 unless that is what you want to see.',
        )
      : null,
  ];
}

function divisors(n: number): number[] {
  return Array.from({ length: Math.min(n, 4096) }, (_, i) => i + 1)
    .filter((d) => n % d === 0)
    .slice(0, 12);
}
