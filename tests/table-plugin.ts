// For the tests against exact optima, the trainers ask a table in place of a language model (tests/enumerable.ts). Vite
// resolves it so, since `vi.mock` intercepts requests in a browser, where that hangs now and then
// (vitest-dev/vitest#8339, #10747): what tests/optima.ts imports of the trainers is loaded once more under "?table".

import type { Plugin } from 'vite';

/** The modules that ask the model, with what the table answers for. */
const ANSWERED: Record<string, string> = {
  logprobs: 'completionLogprobs',
  heads: 'completionValues, sequenceScores',
  generate: 'generate',
};
const ASKING = /\/src\/model\/(logprobs|heads|generate)\.ts$/;
const QUERY = '?table';
const STANDIN = '\0table-';

export const tableForModel: Plugin = {
  name: 'table-for-model',
  enforce: 'pre',

  async resolveId(source, importer) {
    const inside = importer?.endsWith(QUERY);
    if (!inside && !source.endsWith('/optima')) return null;
    const found = await this.resolve(source, inside ? importer!.slice(0, -QUERY.length) : importer, {
      skipSelf: true,
    });
    if (!found) return null;
    const asking = ASKING.exec(found.id)?.[1];
    if (asking) return STANDIN + asking;
    return /\/src\/train\/|\/tests\/optima\.ts$/.test(found.id) ? found.id + QUERY : found;
  },

  load(id) {
    if (!id.startsWith(STANDIN)) return null;
    const name = id.slice(STANDIN.length);
    return `import { MODULES } from '/tests/enumerable.ts';\nexport const { ${ANSWERED[name]} } = MODULES.${name};`;
  },
};
