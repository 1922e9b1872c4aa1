// Where an experiment's rows come from: a set that ships with the playground (`builtin:NAME/PART`) or a file beside the
// experiment. How a file is read is the host's business: a page fetches, the command line opens.

import { PlaygroundError } from '../shared/errors';
import { BUILTIN } from '../shared/experiment';
import { OWN } from '../shared/look';
import { parseRows, type RowTypes } from './records';

/** `site`: a path below the site's root. `file`: as written in the experiment, relative to its own file. `own`: the
 *  name of what a person brought into the page, and for a file of an adapter its path below. */
export type DataSource = { at: 'site' | 'file' | 'own'; path: string };

/** The file's bytes, or null when there is none. */
export type ReadBytes = (source: DataSource) => Promise<Uint8Array | null>;

/** The file of an entry of rows, or the directory of an adapter. */
export function resolveSource(name: string): DataSource {
  const own = OWN.exec(name)?.groups?.['name'];
  if (own !== undefined) return { at: 'own', path: own };
  const builtin = BUILTIN.exec(name)?.groups;
  if (!builtin) return { at: 'file', path: name };
  const ending = builtin['adapter'] === undefined ? '.jsonl' : '';
  return { at: 'site', path: `experiments/${builtin['set']}/${builtin['part']}${ending}` };
}

/** The file of an entry of `data`. Throws `not-found`, or `bad-data` for rows that somebody else brought along. */
export async function readSource(name: string, read: ReadBytes): Promise<string> {
  const source = resolveSource(name);
  const bytes = await read(source);
  if (bytes) return new TextDecoder().decode(bytes);
  if (source.at === 'own') {
    throw new PlaygroundError(
      'bad-data',
      `Rows called "${source.path}" are not kept in this browser.`,
      'Bring them along again, or take other rows.',
    );
  }
  throw new PlaygroundError(
    'not-found',
    source.at === 'site' ? `The playground ships no data set "${name}".` : `There is no file "${name}".`,
    'Correct the name under "data"; paths are relative to the experiment file.',
  );
}

/** The rows of an entry of `data`. Throws `not-found` or `bad-data`. */
export async function readRows<T extends keyof RowTypes>(
  name: string,
  type: T,
  read: ReadBytes,
): Promise<RowTypes[T][]> {
  return parseRows(await readSource(name, read), name, type);
}
