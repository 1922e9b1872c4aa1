// Questions to the worker that wait for an answer, by their number.

import { type PlainError, toPlainError } from '../../shared/errors';

interface Waiting<T> {
  resolve: (answer: T) => void;
  reject: (error: PlainError) => void;
}

/** What a question failed with: the worker's own words, or ours for what was thrown on the way. */
export function failureOf(thrown: unknown): PlainError {
  const told = typeof thrown === 'object' && thrown !== null && 'fix' in thrown && !(thrown instanceof Error);
  return told ? (thrown as PlainError) : toPlainError(thrown);
}

/** Numbers are never used twice on a page, whoever asks. */
let last = 0;

export class Requests<T> {
  private readonly waiting = new Map<number, Waiting<T>>();

  /** Numbers a question, asks it, and resolves with its answer; a PlainError rejects it. */
  ask(question: (request: number) => void): Promise<T> {
    const request = ++last;
    return new Promise((resolve, reject) => {
      this.waiting.set(request, { resolve, reject });
      question(request);
    });
  }

  answer(request: number, answer: T): void {
    this.take(request)?.resolve(answer);
  }

  /** Whether somebody waited for the question that failed. */
  fail(request: number, error: PlainError): boolean {
    const waiting = this.take(request);
    waiting?.reject(error);
    return waiting !== undefined;
  }

  private take(request: number): Waiting<T> | undefined {
    const waiting = this.waiting.get(request);
    this.waiting.delete(request);
    return waiting;
  }
}
