// What the page asks the worker about data: rows, how they fit the model, the tokens of a row.

import type { PlainError } from '../../shared/errors';
import type { DataPart, DataRow, Fit, Looked, MaskedText } from '../../shared/look';
import type { Command, Event } from '../../shared/protocol';
import { Requests } from './requests';

type Answer = Extract<Event, { type: 'rowsLookedAt' | 'rowsFit' | 'rowMasked' }>;

export class Lookups {
  private readonly looked = new Requests<Looked>();
  private readonly fits = new Requests<Fit>();
  private readonly masks = new Requests<MaskedText[]>();

  constructor(private readonly send: (command: Command) => void) {}

  /** Rows of a source, or of a text that is to become one. Rejects with a PlainError, as all of these do. */
  rows(part: DataPart, source: string, text: string | null = null): Promise<Looked> {
    return this.looked.ask((request) => this.send({ type: 'lookAtRows', request, part, source, text }));
  }

  fit(part: DataPart, source: string, text: string | null = null): Promise<Fit> {
    return this.fits.ask((request) => this.send({ type: 'fitRows', request, part, source, text }));
  }

  mask(part: DataPart, source: string, row: DataRow): Promise<MaskedText[]> {
    return this.masks.ask((request) => this.send({ type: 'maskRow', request, part, source, row }));
  }

  hear(answer: Answer): void {
    if (answer.type === 'rowsLookedAt') this.looked.answer(answer.request, answer.looked);
    else if (answer.type === 'rowsFit') this.fits.answer(answer.request, answer.fit);
    else this.masks.answer(answer.request, answer.texts);
  }

  /** Whether somebody waited for the question that failed. */
  fail(request: number, error: PlainError): boolean {
    return [this.looked, this.fits, this.masks].some((asked) => asked.fail(request, error));
  }
}
