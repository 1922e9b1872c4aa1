// What the worker answers to those who look at data: rows with their problems, how they fit the model, and the tokens
// of one row. None of it waits for a run.

import { fitRows, inspectRows, maskRow } from '../data/inspect';
import { readSource } from '../data/sources';
import type { LanguageModel } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { Command, Event } from '../shared/protocol';
import { dataOf } from './files';

type Question = Extract<Command, { type: 'lookAtRows' | 'fitRows' | 'maskRow' }>;

export async function look(question: Question, model: LanguageModel | null): Promise<Event> {
  const { request, part, source } = question;
  switch (question.type) {
    case 'lookAtRows':
      return {
        type: 'rowsLookedAt',
        request,
        looked: inspectRows(await textOf(question), source, part),
      };
    case 'fitRows':
      return {
        type: 'rowsFit',
        request,
        fit: fitRows(await textOf(question), source, part, loaded(model)),
      };
    case 'maskRow':
      return { type: 'rowMasked', request, texts: maskRow(question.row, source, part, loaded(model)) };
  }
}

function textOf({ text, source }: { text: string | null; source: string }): Promise<string> {
  return text === null ? readSource(source, dataOf(null)) : Promise.resolve(text);
}

function loaded(model: LanguageModel | null): LanguageModel {
  if (model) return model;
  throw new PlaygroundError(
    'bad-arguments',
    'No model is loaded yet.',
    'Load one first: its tokenizer says what a token is.',
  );
}
