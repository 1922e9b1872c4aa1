// What the model wrote, arranged for comparison: one entry per prompt and seed, holding what every moment of the run
// (base, SFT step 25, PPO update 12, …) made of it. Only equal prompt and equal seed are ever set side by side.

import type { SampleRow } from '../../shared/protocol';

export interface Moment {
  checkpoint: string;
  stage: string;
  step: number;
  completion: string;
}

export interface Watched {
  prompt: string;
  seed: number;
  moments: Moment[];
}

/** Entries kept at most: an evaluation of 200 prompts would otherwise fill the page's memory with text. */
const MOST_WATCHED = 64;

export class SampleBook {
  private readonly entries = new Map<string, Watched>();

  /** Files a sample; the same moment told twice (a resumed run) replaces the first. */
  add(stage: string, step: number, sample: SampleRow): void {
    // Drawn only so that best-of-n meets a sample it was not chosen from; it shows nothing new of SFT.
    if (sample.checkpoint.endsWith('-opponent')) return;
    const key = `${sample.seed}\u0000${sample.prompt}`;
    let entry = this.entries.get(key);
    if (!entry) {
      if (this.entries.size >= MOST_WATCHED) return;
      entry = { prompt: sample.prompt, seed: sample.seed, moments: [] };
      this.entries.set(key, entry);
    }
    const moment = { checkpoint: sample.checkpoint, stage, step, completion: sample.completion };
    // An evaluation's step only counts its batches: the checkpoint alone says which moment of the run it shows.
    if (stage.startsWith('evaluate')) moment.step = 0;
    const at = entry.moments.findIndex((other) => momentKey(other) === momentKey(moment));
    if (at < 0) entry.moments.push(moment);
    else entry.moments[at] = moment;
  }

  /** Entries in the order in which they came; those that can be compared (two moments or more) first. */
  get watched(): Watched[] {
    // Copies, so that a view notices a moment that was added to an entry it already shows.
    const all = [...this.entries.values()].map((entry) => ({ ...entry, moments: [...entry.moments] }));
    return [
      ...all.filter(({ moments }) => moments.length > 1),
      ...all.filter(({ moments }) => moments.length <= 1),
    ];
  }
}

/** Identity of a moment within an entry. */
export function momentKey({ checkpoint, stage, step }: Moment): string {
  return checkpoint === 'base' ? checkpoint : `${checkpoint}@${stage}:${step}`;
}

/** The moment with this key; `fallback` counts from the start (0) or from the end (-1) when it is absent. */
export function momentAt(moments: readonly Moment[], key: string | null, fallback: number): Moment | null {
  return moments.find((moment) => momentKey(moment) === key) ?? moments.at(fallback) ?? null;
}

const CHECKPOINTS: Record<string, string> = { base: 'Base', sft: 'SFT', ppo: 'PPO' };

/** "Base", "SFT, step 25", "PPO". */
export function momentLabel({ checkpoint, stage, step }: Moment): string {
  const name = CHECKPOINTS[checkpoint] ?? checkpoint;
  if (stage.startsWith('evaluate') || checkpoint === 'base') return name;
  return `${name}, ${stage.startsWith('ppo') ? 'update' : 'step'} ${step}`;
}
