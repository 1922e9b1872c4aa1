// What the model wrote, arranged for comparison: one entry per prompt and seed, holding what every checkpoint of the
// run (base, sft@25, ppo, …) made of it. Only equal prompt and equal seed are ever set side by side.

import { methodNamed, stepName } from '../../shared/methods';
import type { SampleRow } from '../../shared/protocol';
import { isSpecial } from './tokens';

export type Moment = Omit<SampleRow, 'prompt' | 'seed'>;

export interface Watched {
  prompt: string;
  seed: number;
  moments: Moment[];
}

/** An update of PPO by completions that it learnt from. */
export interface Update {
  stage: string;
  step: number;
  rows: readonly SampleRow[];
}

/** Entries kept at most: an evaluation of 200 prompts would otherwise fill the page with text nobody reads. */
const MOST_WATCHED = 64;

export class SampleBook {
  private readonly entries = new Map<string, Watched>();
  /** What PPO learnt from, by checkpoint. */
  private readonly learnt = new Map<string, Update>();

  /** Files a sample; the same checkpoint told twice (a resumed run) replaces the first. */
  add(row: SampleRow): void {
    if (row.tokens?.new_logprob) {
      this.addUpdate(row);
      return;
    }
    const { prompt, seed, ...rest } = row;
    // What the bare model wrote before training is base@0 in newer runs, and base in older ones.
    const told = { ...rest, checkpoint: rest.checkpoint === 'base@0' ? 'base' : rest.checkpoint };
    const key = `${seed}\u0000${prompt}`;
    let entry = this.entries.get(key);
    if (!entry) {
      if (this.entries.size >= MOST_WATCHED) return;
      entry = { prompt, seed, moments: [] };
      this.entries.set(key, entry);
    }
    const at = entry.moments.findIndex(({ checkpoint }) => checkpoint === told.checkpoint);
    if (at >= 0) entry.moments[at] = told;
    else entry.moments.push(told);
  }

  private addUpdate(row: SampleRow): void {
    const { checkpoint, seed } = row;
    const [stage = '', step] = checkpoint.split('@');
    const others = (this.learnt.get(checkpoint)?.rows ?? []).filter((other) => other.seed !== seed);
    this.learnt.set(checkpoint, { stage, step: Number(step), rows: [...others, row] });
  }

  /** Completions that an update learnt from, with what it made of them. */
  get updates(): SampleRow[] {
    return Array.from(this.learnt.values(), ({ rows }) => rows).flat();
  }

  /** The last update of a stage up to a step; null where none was told. */
  updateAt(stage: string, step: number): Update | null {
    let last: Update | null = null;
    for (const update of this.learnt.values()) {
      if (update.stage === stage && update.step <= step && update.step >= (last?.step ?? 0)) last = update;
    }
    return last;
  }

  /** Entries in the order in which they came, those seen by the most stages first: they show the longest way. */
  get watched(): Watched[] {
    // Copies, so that a view notices a moment that was added to an entry it already shows.
    const all = [...this.entries.values()].map((entry) => ({ ...entry, moments: [...entry.moments] }));
    return all.sort((a, b) => stagesOf(b) - stagesOf(a));
  }
}

function stagesOf({ moments }: Watched): number {
  return new Set(moments.map(({ checkpoint }) => checkpoint.split('@')[0])).size;
}

/** The moment of this checkpoint; `fallback` counts from the start (0) or from the end (-1) when it is absent. */
export function momentAt<M extends Pick<Moment, 'checkpoint'>>(
  moments: readonly M[],
  checkpoint: string | null,
  fallback: number,
): M | null {
  return moments.find((moment) => moment.checkpoint === checkpoint) ?? moments.at(fallback) ?? null;
}

/** The last of the checkpoints that there was at a step of a stage; `stages` names the run's in their order. */
export function checkpointAt(
  moments: readonly Moment[],
  { stage, step }: { stage: string; step: number },
  stages: readonly string[],
): string | null {
  const now = stages.indexOf(stage);
  const past = moments.flatMap(({ checkpoint }) => {
    const [of = '', at] = checkpoint.split('@');
    const place = stages.indexOf(of); // the bare model, of no stage, was always there
    const done = at === undefined ? Infinity : Number(at);
    return place < now || (place === now && done <= step) ? [{ checkpoint, place, done }] : [];
  });
  past.sort((a, b) => a.place - b.place || a.done - b.done);
  return past[past.length - 1]?.checkpoint ?? null;
}

/** What is really known of an ending: null where nobody has looked. */
export interface Facts {
  happy: boolean | null;
  finished: boolean | null;
  reward: number | null;
  kl: number | null;
}

/** The facts as they were told, else as they follow from the numbers behind the tokens. */
export function factsOf({ happy, finished, reward, kl, tokens, checkpoint }: Moment): Facts {
  const last = tokens?.text.at(-1);
  const moved = tokens?.logprob.reduce((sum, own, t) => sum + own - (tokens.ref_logprob[t] ?? own), 0);
  return {
    happy: happy ?? null,
    finished: finished ?? (last === undefined ? null : isSpecial(last)),
    reward: reward ?? null,
    // The bare model is held to nothing, so its 0 would say nothing.
    kl: kl ?? (checkpoint === 'base' ? null : (moved ?? null)),
  };
}

/** "base" → "Base", "sft@25" → "SFT, step 25", "ppo@10" → "PPO, update 10". */
export function momentLabel(checkpoint: string): string {
  const [stage = '', step] = checkpoint.split('@');
  const name = stage === 'base' ? 'Base' : (methodNamed(stage)?.label ?? stage);
  return step === undefined ? name : `${name}, ${stepName(stage)} ${step}`;
}

/**
 * Rows of samples.jsonl worth showing: of every checkpoint the first completion of its first `most` prompts. The file
 * holds thousands of rows, so the page parses only those it keeps. A last line cut short by a closing tab is left out.
 */
export function pickSamples(jsonl: string, most: number): SampleRow[] {
  const seen = new Map<string, Set<string>>();
  const picked: SampleRow[] = [];
  const lines = jsonl.split('\n').slice(0, -1);
  for (const line of lines) {
    const checkpoint = /"checkpoint":"([^"]*)"/.exec(line.slice(0, 200))?.[1];
    // The opponents of best-of-n are more of the same checkpoint, under another name.
    if (checkpoint === undefined || checkpoint.endsWith('-opponent')) continue;
    const prompts = seen.get(checkpoint) ?? new Set();
    seen.set(checkpoint, prompts);
    if (prompts.size >= most) continue;
    const row = JSON.parse(line) as SampleRow;
    if (prompts.has(row.prompt)) continue;
    prompts.add(row.prompt);
    picked.push(row);
  }
  return picked;
}
