// `npm run demo`: the default experiment, headless, for one seed or several; prints the tables and names each line of
// its promise that was missed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../src/shared/protocol.ts';
import { number, parseArguments, toggle } from './arguments.ts';
import { run } from './commands/run.ts';
import { root } from './once.mjs';

const flags = { quick: toggle, seeds: number(1, { min: 1, max: 100, integer: true }) };

export async function demo(args: readonly string[]): Promise<number> {
  const { values } = parseArguments('demo', { positional: null, flags }, args);
  return values.seeds;
}
