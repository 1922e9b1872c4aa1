// `score` and `generate`: the rows of a JSONL file go to the worker as text and come back with fields added.
import { basename } from 'node:path';
import type { Quantization } from '../../src/shared/experiment.ts';
import type { Command, Event } from '../../src/shared/protocol.ts';
import { lendAdapter, lendModel, prepareFile, readInput, writeOutput } from '../files.ts';
import { fetchModel } from '../hub-cache.ts';
import { tellProgress } from '../progress.ts';
import { withSession, type Place } from '../session.ts';

interface RowsInput extends Place {
  model: string;
  adapter: string | null;
  data: string;
  out: string;
  quantization: Quantization;
}

type RowsCommand = Extract<Command, { type: 'score' | 'generateRows' }>;
type Common = Pick<RowsCommand, 'request' | 'model' | 'quantization' | 'adapter' | 'rows' | 'source'>;

const rowsOf = (event: Event): string | undefined => (event.type === 'rows' ? event.rows : undefined);

/** Runs the command that `complete` makes of what score and generate share. */
export async function rows(input: RowsInput, complete: (common: Common) => RowsCommand): Promise<void> {
  const text = readInput(input.data);
  const lent = lendModel(input.model);
  const adapter = lendAdapter(input.adapter);
  prepareFile(input.out);
  const { model, mounts } = await fetchModel(lent);
  const command = complete({
    request: 1,
    model,
    quantization: input.quantization,
    adapter: adapter.adapter,
    rows: text,
    source: basename(input.data),
  });
  const { backend, host } = input;
  const session = { backend, host, mounts: { ...mounts, ...adapter.mounts }, onEvent: tellProgress };
  const result = await withSession(session, (request) => request(command, rowsOf));
  writeOutput(input.out, result);
  console.error(`wrote ${input.out}`);
}
