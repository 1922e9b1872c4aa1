// The experiment file as types: what `run` and the page start from. Keys are TRL's where TRL has one. The settings
// table (settings.ts) holds each key's default, range and meaning; validate.ts turns unknown JSON into these types.

export type StageKind = 'sft' | 'pairs' | 'reward' | 'ppo' | 'evaluate';

export interface LoraSettings {
  r: number;
  lora_alpha: number;
  lora_dropout: number;
  target_modules: string[];
  use_rslora: boolean;
}

/** What ships with the playground: rows, one file a part, and trained adapters, one PEFT directory a part. */
export const BUILTIN =
  /^builtin:(?<set>[\w-]+)\/(?<part>sft|prompts|eval|preferences|(?<adapter>sft_model|reward_model))$/;

/**
 * Each entry is `builtin:NAME/PART` or a path relative to the experiment file: rows in a JSONL file, or (the
 * `…_model_path`, named as in TRL's PPO script) an adapter's directory, which stands in for a stage that was run before.
 * PPO goes on from the policy's, where there is one; its reference stays the SFT adapter.
 */
export interface DataSettings {
  sft?: string;
  prompts?: string;
  eval_prompts?: string;
  preferences?: string;
  sft_model_path?: string;
  reward_model_path?: string;
  policy_model_path?: string;
}

/** Adam with decoupled weight decay and a schedule: shared by every stage that trains. */
export interface OptimizerSettings {
  learning_rate: number;
  lr_scheduler_type: 'constant' | 'linear' | 'cosine';
  warmup_steps: number;
  adam_beta1: number;
  adam_beta2: number;
  adam_epsilon: number;
  weight_decay: number;
  max_grad_norm: number | null;
}

interface TrainingSettings extends OptimizerSettings {
  per_device_train_batch_size: number;
  gradient_accumulation_steps: number;
  save_steps: number;
}

/** A stage that learns from rows of a file, some of them held out. */
interface SupervisedSettings extends TrainingSettings {
  max_steps: number;
  /** Share of the prompts (with all their rows) kept out of training for the held-out loss. */
  eval_fraction: number;
  eval_steps: number;
  /** Evaluations without improvement before stopping; null never stops early. */
  early_stopping_patience: number | null;
  /** Batches rows of similar length: less padding, less mixing. */
  group_by_length: boolean;
}

export interface SftStage extends SupervisedSettings {
  kind: 'sft';
  metric_for_best_model: 'eval_loss' | 'finish_rate';
}

/** The rules that can be named, so that a typing error is found before the run; feedback/labellers.ts has them. */
export const LABELLERS: readonly string[] = ['feeling-words'];

/** The same of reward/rules.ts. */
export const RULES: readonly string[] = ['kind-ending'];

export interface Labeller {
  kind: 'rule';
  name: string;
  /** Probability that a label is flipped. */
  noise: number;
}

export interface PairsStage {
  kind: 'pairs';
  count: number;
  temperature: number;
  max_new_tokens: number;
  labeller: Labeller;
}

export interface RewardStage extends SupervisedSettings {
  kind: 'reward';
  center_rewards_coefficient: number | null;
}

export type RewardSource =
  { kind: 'model' } | { kind: 'rule'; name: string } | { kind: 'tokens'; weights: Record<string, number> };

export interface PpoStage extends TrainingSettings {
  kind: 'ppo';
  reward: RewardSource;
  total_episodes: number;
  num_mini_batches: number;
  num_ppo_epochs: number;
  response_length: number;
  temperature: number;
  kl_coef: number;
  kl_estimator: 'k1' | 'k3';
  /** Ziegler et al.'s controller when set: kl_coef follows this many nats. Null keeps kl_coef fixed. */
  kl_target: number | null;
  kl_horizon: number;
  cliprange: number;
  cliprange_value: number;
  vf_coef: number;
  gamma: number;
  lam: number;
  whiten_rewards: boolean;
  missing_eos_penalty: number | null;
  /** Ends an update's epochs early once policy/approxkl_avg passes it; null never does. */
  target_kl: number | null;
}

export interface EvaluateStage {
  kind: 'evaluate';
  samples_per_prompt: number;
  max_new_tokens: number;
  temperature: number;
}

export type Stage = SftStage | PairsStage | RewardStage | PpoStage | EvaluateStage;

export interface Experiment {
  format: 1;
  name: string;
  model: string;
  seed: number;
  lora: LoraSettings;
  data: DataSettings;
  stages: Stage[];
}

/** The name of each stage: its kind; a second of the same kind is `sft-2`. */
export function stageNames(stages: readonly { kind: StageKind }[]): string[] {
  const seen = new Map<StageKind, number>();
  return stages.map(({ kind }) => {
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    return count === 1 ? kind : `${kind}-${count}`;
  });
}
