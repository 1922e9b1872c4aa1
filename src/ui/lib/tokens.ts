// The numbers behind a completion's tokens, and their colours: one diverging scale with fixed ends for each measure, so
// that a colour means the same at every checkpoint. What cannot be told of a completion is not offered for it.

import type { TokenColumns } from '../../shared/protocol';
import { formatNumber } from './format';

export type TokenMeasure = 'logprob' | 'kl' | 'reward' | 'value' | 'advantage' | 'ratio';

interface MeasurePlan {
  label: string;
  unit: string;
  /** Where the colour ends: values beyond ±end look alike. */
  end: number;
  /** What orange and blue mean; a measure that is never above (or below) 0 leaves one out. */
  low?: string;
  high?: string;
}

export const TOKEN_MEASURES: Record<TokenMeasure, MeasurePlan> = {
  logprob: { label: 'log-probability', unit: 'nats', end: 6, low: 'surprising to the model' },
  kl: {
    label: 'KL to the reference',
    unit: 'nats',
    end: 2,
    low: 'less likely than before',
    high: 'likelier than before',
  },
  reward: { label: 'reward', unit: 'points', end: 1, low: 'costs', high: 'pays' },
  value: { label: 'value', unit: 'points', end: 2, low: 'bad end expected', high: 'good end expected' },
  advantage: { label: 'advantage', unit: 'points', end: 2, low: 'worse than expected', high: 'better' },
  // Its logarithm, so that twice and half as likely are equally far from 0.
  ratio: {
    label: 'change by the update',
    unit: 'nats',
    end: 0.5,
    low: 'made less likely',
    high: 'made likelier',
  },
};

const MEASURES = Object.keys(TOKEN_MEASURES) as TokenMeasure[];

/** One number a token, or null where the completion does not have them. */
export function tokenValues(tokens: TokenColumns, measure: TokenMeasure): number[] | null {
  const { logprob, ref_logprob, new_logprob } = tokens;
  if (measure === 'ratio') return new_logprob?.map((now, t) => now - (logprob[t] ?? now)) ?? null;
  if (measure === 'kl') return logprob.map((own, t) => own - (ref_logprob[t] ?? own));
  return tokens[measure] ?? null;
}

/** What at least one of the completions can be coloured by. */
export function measuresOf(completions: readonly (TokenColumns | undefined)[]): TokenMeasure[] {
  return MEASURES.filter((measure) => completions.some((tokens) => tokens && tokenValues(tokens, measure)));
}

/** How strong a colour is: the value as a share of the scale, in [-1, 1]. */
export function tokenShade(value: number, measure: TokenMeasure): number {
  return Math.max(-1, Math.min(1, value / TOKEN_MEASURES[measure].end));
}

/** The colour of a shade, from orange over grey to blue. */
export function shadeColour(shade: number): string {
  const end = shade < 0 ? 'low' : 'high';
  return `color-mix(in oklab, var(--token-${end}) ${Math.round(Math.abs(shade) * 100)}%, var(--token-mid))`;
}

/** "+0.42", "−1.3": a number whose sign matters. */
export function formatSigned(value: number): string {
  return value > 0 ? `+${formatNumber(value)}` : formatNumber(value);
}

/** A token that ends or frames a text and is none of it. */
export function isSpecial(text: string): boolean {
  return /^<\|.*\|>$|^<\/?s>$/.test(text);
}

/** How a token is shown where its text alone would not be seen: the end of a text, a line break. */
export function tokenText(text: string): string {
  if (isSpecial(text)) return '\u00a0∎';
  return text.replaceAll('\n', '↵\n');
}

/** A token by name, for someone who listens or looks at it alone. */
export function tokenName(text: string): string {
  if (isSpecial(text)) return 'end of text';
  return text.trim() === '' ? (text.includes('\n') ? 'line break' : 'space') : `“${text.trim()}”`;
}
