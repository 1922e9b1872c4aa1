// `golden DIR`: holds every tensor of a golden directory against ours, on both backends unless one is named.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendName, GoldenRow } from '../../src/shared/protocol.ts';
import { lendDirectory } from '../files.ts';
import { tellProgress } from '../progress.ts';
import { withSession, type Place } from '../session.ts';

/** Largest max|Δ| / max|reference| that counts as equal. */
const tolerance = 1e-4;

interface Result {
  backend: BackendName;
  rows: GoldenRow[];
}

/** A failed comparison is also one that is not a number. */
const holds = ({ error }: GoldenRow): boolean => error <= tolerance;

export function table({ backend, rows }: Result): string {
  const width = (key: 'case' | 'tensor') => Math.max(key.length, ...rows.map((row) => row[key].length));
  const [caseWidth, tensorWidth] = [width('case'), width('tensor')];
  const line = (a: string, b: string, c: string) => `${a.padEnd(caseWidth)}  ${b.padEnd(tensorWidth)}  ${c}`;
  return [
    `backend ${backend}`,
    line('case', 'tensor', 'max|Δ| / max|reference|'),
    ...rows.map((row) =>
      line(row.case, row.tensor, row.error.toExponential(2) + (holds(row) ? '' : '  MISS')),
    ),
  ].join('\n');
}

/** Prints the tables, of both backends unless one is named; true if every tensor of every backend holds. */
export async function golden(directory: string, place: Place): Promise<boolean> {
  const kind = existsSync(join(directory, 'golden.json')) ? 'golden.json' : 'cases.json';
  const mount = lendDirectory(directory, { what: 'a golden directory', needs: [[kind]] });
  let misses = 0;
  const named: Place['backend'][] = place.backend === 'auto' ? ['wasm', 'webgpu'] : [place.backend];
  for (const backend of named) {
    const session = { backend, host: place.host, mounts: { golden: mount }, onEvent: tellProgress };
    const result = await withSession(session, (request) =>
      request({ type: 'golden', request: 1, directory: '/files/golden' }, (event) =>
        event.type === 'goldenResult' ? event : undefined,
      ),
    );
    console.log(table(result));
    const missed = result.rows.filter((row) => !holds(row)).length;
    console.log(
      `${result.rows.length - missed} of ${result.rows.length} hold at ${tolerance} on ${backend}\n`,
    );
    misses += missed + (result.rows.length === 0 ? 1 : 0);
  }
  return misses === 0;
}
