// The experiment file as types: what `run` and the page start from. Keys are TRL's where TRL has one. The settings
// table (settings.ts) holds each key's default, range and meaning, and the types of the stages follow from it;
// validate.ts turns unknown JSON into these types.

import type { StageKind } from './methods';
import type { FieldsOf } from './settings';

export interface LoraSettings {
  /** False: no adapter, all weights are trained; the other settings then say nothing. */
  use_peft?: boolean;
  r: number;
  lora_alpha: number;
  lora_dropout: number;
  target_modules: string[];
  use_rslora: boolean;
  use_dora?: boolean;
}

/** What ships with the playground: rows, one file a part, and trained adapters, one PEFT directory a part. */
export const BUILTIN =
  /^builtin:(?<set>[\w-]+)\/(?<part>sft|prompts|eval|preferences|(?<adapter>sft_model|reward_model))$/;

/**
 * Each entry is `builtin:NAME/PART` or a path relative to the experiment file: rows in a JSONL file, or (the
 * `…_model_path`, named as in TRL's PPO script) an adapter's directory, which stands in for a stage that was run before.
 * The first method after SFT goes on from the policy's, where there is one; its reference stays the SFT adapter, which
 * must then be named: `base` where it is the bare model.
 */
export interface DataSettings {
  text?: string;
  sft?: string;
  prompts?: string;
  eval_prompts?: string;
  preferences?: string;
  sft_model_path?: string;
  reward_model_path?: string;
  policy_model_path?: string;
}

/** As `sft_model_path`: the bare model, by the name that samples and reports have for it. */
export const BARE = 'base';

/** The adapter that stands in for SFT, undefined where there is none: the bare model is no adapter. */
export const givenSft = ({ sft_model_path }: DataSettings): string | undefined =>
  sft_model_path === BARE ? undefined : sft_model_path;

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

/** The rules that can be named, so that a typing error is found before the run; feedback/labellers.ts has them. */
export const LABELLERS: readonly string[] = ['feeling-words'];

export interface Labeller {
  kind: 'rule';
  name: string;
  /** Probability that a label is flipped. */
  noise: number;
}

export type RewardSource =
  { kind: 'model' } | { kind: 'rule'; name: string } | { kind: 'tokens'; weights: Record<string, number> };

/** A stage of one kind: its settings, as the table has them. */
export type StageOf<K extends StageKind> = { kind: K } & FieldsOf<K>;

export type Stage = { [K in StageKind]: StageOf<K> }[StageKind];
export type SftStage = StageOf<'sft'>;
export type PairsStage = StageOf<'pairs'>;
export type RewardStage = StageOf<'reward'>;
export type PpoStage = StageOf<'ppo'>;
export type EvaluateStage = StageOf<'evaluate'>;

/** How the base model's linear layers may be kept in memory, the largest first; none is float32. */
export const QUANTIZATIONS = ['none', 'float16', 'int8', 'nf4', 'nf4_double'] as const;
export type Quantization = (typeof QUANTIZATIONS)[number];

export interface Experiment {
  format: 1;
  name: string;
  model: string;
  seed: number;
  quantization?: Quantization;
  gradient_checkpointing?: 'auto' | 'on' | 'off';
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

/** The share of pairs in which the labeller of the default experiment sees a difference: how long it takes to collect some
 *  is told by it before it is known. */
export const TOLD_APART = 0.6;

/** Name of the last stage that collects pairs, whose file is called after it. */
export const pairsStage = ({ stages }: Pick<Experiment, 'stages'>): string | undefined =>
  stageNames(stages).findLast((_, i) => stages[i]!.kind === 'pairs');
