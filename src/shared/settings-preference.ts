// The rows of the settings table (settings.ts) of the methods that learn from pairs or labels without a reward model.

import type { Row } from './setting';

export const PREFERENCE_SETTINGS = {
  beta: {
    label: 'β',
    doc: 'What moving away from the reference costs; in ORPO and SimPO, which keep none, how much preference weighs.',
    type: 'number',
    range: { min: 0, max: 100, scale: 'log' },
    now: true,
  },
  loss_type: {
    label: 'Loss',
    doc: 'Which form of its loss the method minimises; they differ in what they make of certain or wrong labels.',
    type: 'choice',
    choices: 'own',
  },
  label_smoothing: {
    label: 'Label smoothing',
    doc: 'Share of the labels taken to be wrong, so that no pair is worth believing without limit.',
    type: 'number',
    range: { min: 0, below: 0.5 },
    advanced: true,
  },
  ipo_length_norm: {
    label: 'IPO a token',
    doc: 'Divides each side by its length in the IPO loss; the paper and TRL’s online DPO take whole completions.',
    type: 'boolean',
    advanced: true,
  },
  rpo_alpha: {
    label: 'Imitation weight',
    doc: 'When set, the chosen completions are imitated too, by this weight, so that they stay likely.',
    type: 'number',
    range: { above: 0, max: 100, scale: 'log' },
    advanced: true,
    nullable: true,
  },
  desirable_weight: {
    label: 'Weight of good rows',
    doc: 'Weight of completions labelled good; raise it where they are few beside the bad ones.',
    type: 'number',
    range: { min: 0, max: 100, scale: 'log' },
    advanced: true,
  },
  undesirable_weight: {
    label: 'Weight of bad rows',
    doc: 'Weight of completions labelled bad; raise it where they are few beside the good ones.',
    type: 'number',
    range: { min: 0, max: 100, scale: 'log' },
    advanced: true,
  },
  simpo_gamma: {
    label: 'Margin γ',
    doc: 'By how much the reward of the chosen completion is to lead before the loss is content.',
    type: 'number',
    range: { min: 0, max: 100 },
  },
  cpo_alpha: {
    label: 'Imitation weight',
    doc: 'Weight of imitating the chosen completions beside preferring them; SimPO itself has none.',
    type: 'number',
    range: { min: 0, max: 100, scale: 'log' },
    advanced: true,
  },
} as const satisfies Record<string, Row>;
