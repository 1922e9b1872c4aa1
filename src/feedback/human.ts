// A person's judgements of pairs: in which order pairs and their answers are shown, what is written down of each, how
// far the person and the synthetic labeller agree, and the pairs a reward model then learns from. A judgement is a row
// in TRL's preference columns with judge, time and order beside them, so that the file is a data set as it stands.

import { permutation, uniform } from '../engine/random';
import type { LabelledPair, SampledPair } from '../shared/first-rows';
import type { AnswerPair } from '../shared/protocol';

/** Which answer as shown, the first or the second, was better; or neither; or no judgement. */
export type Verdict = '1' | '2' | 'tie' | 'skip';

/** A line of judgements.jsonl. Of a tie or a skip, the answers in the order shown. */
export interface Judgement extends SampledPair {
  verdict: Verdict;
  /** The pair's answers (0, 1) in the order in which they were shown. */
  order: Order;
  /** The pair's answer (0, 1) that the synthetic labeller holds to be better, null where it sees no difference. */
  labelled: 0 | 1 | null;
  judge: string;
  /** ISO 8601. */
  time: string;
  /** The pair's id. */
  pair: string;
}

export type Order = [0, 1] | [1, 0];

/** The order in which a pair's answers are shown: a fair coin of the seed and the pair, so that a place tells nothing. */
export function shownOrder(pair: AnswerPair, seed: number): Order {
  return uniform(seed, 'shown', pair.id) < 0.5 ? [0, 1] : [1, 0];
}

export function judgementOf(
  pair: AnswerPair,
  order: Order,
  verdict: Verdict,
  judge: string,
  time = new Date(),
): Judgement {
  const better = verdict === '2' ? 1 : 0;
  const chosen = pair.answers[order[better]];
  const rejected = pair.answers[order[1 - better]!];
  return {
    prompt: pair.prompt.text,
    chosen: chosen.text,
    rejected: rejected.text,
    prompt_ids: pair.prompt.ids,
    chosen_ids: chosen.ids,
    rejected_ids: rejected.ids,
    verdict,
    order,
    labelled: pair.labelled,
    judge,
    time: time.toISOString(),
    pair: pair.id,
  };
}

/** The pair a judgement was about, to be judged again. */
export function pairOf(judgement: Judgement): AnswerPair {
  const { pair: id, prompt, prompt_ids, verdict, order, labelled } = judgement;
  const chosen = { text: judgement.chosen, ids: judgement.chosen_ids };
  const rejected = { text: judgement.rejected, ids: judgement.rejected_ids };
  const shown = verdict === '2' ? [rejected, chosen] : [chosen, rejected];
  const answers: AnswerPair['answers'] = [shown[order.indexOf(0)]!, shown[order.indexOf(1)]!];
  return { id, prompt: { text: prompt, ids: prompt_ids }, answers, labelled };
}

/** The judgements of a file; a last line that a closing tab cut short is left out. */
export function parseJudgements(jsonl: string): Judgement[] {
  const lines = jsonl.slice(0, jsonl.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Judgement);
}

/** Those that name a better answer: the ones that teach, and the ones to export. */
export function preferencesOf(judgements: readonly Judgement[]): Judgement[] {
  return judgements.filter(({ verdict }) => verdict === '1' || verdict === '2');
}

export interface Tally {
  decided: number;
  ties: number;
  skips: number;
  /** Decided ones about which the synthetic labeller has a view, and those of them where it is the same. */
  compared: number;
  agreed: number;
  /** Share of decided ones in which the first answer shown won: far from ½, the eye decides and not the mind. */
  first: number;
}

export function tally(judgements: readonly Judgement[]): Tally {
  const decided = preferencesOf(judgements);
  const count = (test: (judgement: Judgement) => boolean): number => judgements.filter(test).length;
  const compared = decided.filter(({ labelled }) => labelled !== null);
  const agrees = ({ labelled, order, verdict }: Judgement) => labelled === order[verdict === '2' ? 1 : 0];
  return {
    decided: decided.length,
    ties: count(({ verdict }) => verdict === 'tie'),
    skips: count(({ verdict }) => verdict === 'skip'),
    compared: compared.length,
    agreed: compared.filter(agrees).length,
    first: decided.length === 0 ? 0.5 : count(({ verdict }) => verdict === '1') / decided.length,
  };
}

/** The pairs of a run's pairs.jsonl in an order of the seed. The labeller's mind is what it held before noise. */
export function pairsToJudge(jsonl: string, stage: string, seed: number): AnswerPair[] {
  const lines = jsonl.slice(0, jsonl.lastIndexOf('\n') + 1).split('\n');
  lines.pop();
  // One permutation for files of any length, so that a file that grows while it is judged keeps its order.
  const order = [...permutation(MOST_PAIRS, seed, 'to judge')].filter((row) => row < lines.length);
  return order.map((row) => {
    const { prompt, chosen, rejected, prompt_ids, chosen_ids, rejected_ids, flipped } = JSON.parse(
      lines[row]!,
    ) as LabelledPair;
    return {
      id: `${stage}:${row}`,
      prompt: { text: prompt, ids: prompt_ids },
      answers: [
        { text: chosen, ids: chosen_ids },
        { text: rejected, ids: rejected_ids },
      ],
      labelled: flipped ? 1 : 0,
    };
  });
}

/** More than anyone judges in a sitting. */
const MOST_PAIRS = 10_000;

/**
 * The pairs a reward model is to learn from, as JSONL: the labeller's (none: the person's alone), then each of the
 * person's `weight` times, which is what a weight of the loss comes to. Pairs the person judged replace the labeller's.
 */
export function mixPreferences(
  labelled: string | null,
  judgements: readonly Judgement[],
  weight: number,
): string {
  const own = preferencesOf(judgements);
  const judged = new Set(judgements.map(({ prompt, chosen, rejected }) => key(prompt, chosen, rejected)));
  const others = (labelled ?? '').split('\n').filter((line) => {
    if (line === '') return false;
    const { prompt, chosen, rejected } = JSON.parse(line) as LabelledPair;
    return !judged.has(key(prompt, chosen, rejected));
  });
  const lines = own.flatMap((row) => Array.from({ length: weight }, () => JSON.stringify(row)));
  return [...others, ...lines].map((line) => `${line}\n`).join('');
}

/** The same of a pair whichever answer was chosen. */
function key(prompt: string, ...answers: [string, string]): string {
  return JSON.stringify([prompt, ...answers.sort()]);
}
