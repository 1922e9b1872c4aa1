// What the page has asked the worker and waits for, by the number of the question: one map and one way back for all
// kinds of them. A question is answered, fails, or is given up with the worker that it was put to; none waits for ever.

import { type PlainError, toPlainError } from '../../shared/errors';
import type { Answers, AnswerTo, Command, Event, Question } from '../../shared/protocol';

interface Waiting {
  resolve: (answer: Event) => void;
  reject: (error: PlainError) => void;
}

export class Questions {
  private last = 0;
  private readonly waiting = new Map<number, Waiting>();

  constructor(private readonly send: (command: Command) => void) {}

  /** Puts a question; a PlainError rejects it. */
  ask<K extends keyof Answers>(type: K, about: Omit<Question<K>, 'type' | 'request'>): Promise<AnswerTo<K>> {
    const request = ++this.last;
    return new Promise<Event>((resolve, reject) => {
      this.waiting.set(request, { resolve, reject });
      this.send({ ...about, type, request } as unknown as Question<K>);
    }) as Promise<AnswerTo<K>>;
  }

  /** Hands an event to whoever waits for it; whether anybody did. */
  hear(event: Event): boolean {
    const request = 'request' in event ? event.request : null;
    const waiting = request === null ? undefined : this.waiting.get(request);
    if (request === null || !waiting) return false;
    this.waiting.delete(request);
    if (event.type === 'error') waiting.reject(event.error);
    else waiting.resolve(event);
    return true;
  }

  /** Nobody is left to answer. */
  giveUp(why: unknown): void {
    const asked = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of asked) reject(toPlainError(why));
  }
}
