// The shape of one row of the list of methods (methods.ts): all that anyone but the code that computes it knows of a
// method. Validation, schema, forms, budget, charts, equations, health checks, evaluation and report read the rows, and
// none of them knows a method by its name.

import type { Problem, Reporter } from './contradictions';
import type { DataSettings } from './experiment';
import type { Check } from './health';
import type { MetricRow } from './metrics';
import type { SettingValue } from './setting';
import type { Fields, SettingKey } from './settings';

/** Our default, chosen for LoRA on small models; then TRL's, where TRL has the setting; then the choices, where they are
 *  the method's own. */
type Defaults =
  | readonly [ours: SettingValue]
  | readonly [ours: SettingValue, trl: SettingValue | undefined, choices?: readonly string[]];

/** The settings of a stage, by their names in the settings table. */
export type MethodSettings = { readonly [K in SettingKey]?: Defaults };

export type Role = 'policy' | 'reference' | 'reward' | 'kl' | 'value';

export interface SeriesPlan {
  /** Name of the metric in metrics.jsonl. */
  key: string;
  label: string;
  /** Series are coloured by role, always alike. */
  role: Role;
  dashed?: boolean;
}

export interface ChartPlan {
  title: string;
  series: readonly SeriesPlan[];
}

/** A line of mathematics, written for ui/lib/mathml.ts, and the same with the numbers of a step: «name» stands for a
 *  metric of the step or a setting of the stage. */
export interface Line {
  says: string;
  formula: string;
  numbers: string;
  /** What «result» stands for, from the other numbers. */
  result?: (of: (name: string) => number) => number;
}

/** The figure that tells of a stage at a glance: the course of a metric, or where it stands. */
export interface Headline {
  metric: string;
  /** The same on rows held out, which is shown in its place where there is one. */
  heldOut?: string;
  shows: 'change' | 'share' | 'count';
}

interface Need {
  what: 'pairs' | keyof DataSettings;
  why: string;
  /** Of pairs: completions that are labelled one by one do as well. */
  labels?: true;
}

interface Told {
  /** As in the pipeline. */
  label: string;
  /** What it does in a sentence, for someone who meets it for the first time. */
  purpose: string;
  /** How it works and what sets it apart, one paragraph for a learner. */
  about: string;
  /** The file that computes it. */
  code: string;
  /** TRL's config that the second defaults are read from; null where TRL has no such trainer, and none are shown. */
  trl: string | null;
  /** The adapter it leaves behind: a policy that later stages start from, watched and evaluated; a reward model. */
  leaves?: 'policy' | 'reward';
  /** What it cannot run without, and what for. Pairs come from data.preferences or a pairs stage before it. */
  needs: readonly Need[];
  /** Makes the policy that others go on from, and is no choice beside them. */
  foundation?: true;
  /** Is held to the policy as it was before the stage: its reference. */
  holdsReference?: true;
  /** Its beta weighs preference against imitation: more of it drives the policy on, where any other's holds it back. */
  betaDrives?: true;
  /** Trains a critic beside the policy. */
  critic?: true;
  /** The setting that prices a nat of KL where the method maximises score − price · KL(policy ‖ reference) itself:
   *  its optimum is then the reference tilted by e^{score / price}. */
  klPrice?: SettingKey;
  /** What it logs. */
  metrics: readonly MetricRow[];
  /** The most telling first. A metric that a run does not report leaves its chart out. */
  charts: readonly ChartPlan[];
  headline?: Headline;
  /** Ways in which it alone is known to fail. */
  checks?: readonly Check[];
}

/** What a row computes from the settings of a stage. */
interface Computes<S> {
  /** Its loss in mathematics, as these settings make it. */
  equations?: (settings: S) => readonly Line[];
  /** What cannot go together in them. */
  problems?: (settings: S, report: Reporter) => readonly (Problem | null)[];
  /** The share of good completions under its optimum, from that under the reference, where a completion is good (a
   *  reward of 1) or not (0) and a function of the share is known. */
  best?: (share: number, settings: S) => number;
}

export interface Method<S extends MethodSettings = MethodSettings> extends Told, Computes<never> {
  settings: S;
}

/** A row, in which `equations` and the like know the settings by their types. */
export const method = <const S extends MethodSettings>(
  row: Told & { settings: S } & Computes<Fields<S>>,
): Method<S> => row;

export const PROMPTS = { what: 'prompts', why: 'the prompts it completes' } as const;
export const PAIRS = { what: 'pairs', why: 'the pairs it learns from' } as const;
export const LABELS = { ...PAIRS, labels: true } as const;

/** What every stage that trains has. */
const TRAINING = {
  gradient_accumulation_steps: [1, 1],
  adam_beta1: [0.9, 0.9],
  adam_beta2: [0.999, 0.999],
  adam_epsilon: [1e-8, 1e-8],
  weight_decay: [0, 0],
  max_grad_norm: [1, 1],
} as const satisfies MethodSettings;

/** What stages have that learn from rows of data. */
export const ROWS = {
  ...TRAINING,
  max_steps: [150, -1],
  per_device_train_batch_size: [16, 8],
  lr_scheduler_type: ['cosine', 'linear'],
  warmup_steps: [10, 0],
  eval_fraction: [0.1],
  eval_steps: [25, null],
  early_stopping_patience: [null, null],
  save_steps: [25, 500],
} as const satisfies MethodSettings;

/** And those whose rows have each a length of its own. */
export const RAGGED_ROWS = {
  ...ROWS,
  group_by_length: [false, false],
  curriculum_steps: [0],
} as const satisfies MethodSettings;

/** What stages have that learn from what they sample themselves. */
export const SAMPLES = {
  ...TRAINING,
  total_episodes: [960],
  per_device_train_batch_size: [32, 8],
  lr_scheduler_type: ['linear', 'linear'],
  warmup_steps: [0, 0],
  save_steps: [5, 500],
  reward: [{ kind: 'model' }],
  missing_eos_penalty: [null],
  temperature: [1, 1],
} as const satisfies MethodSettings;
