// Runs of the command line: files in the directory it was given, behind its own server (tools/server.ts), which writes
// each whole file under another name first and renames it.

import { PlaygroundError } from '../shared/errors';
import type { RunStore } from './run-store';

/** The files of a run below `base`, like `/files/out`. */
export function httpRunStore(base: string): RunStore {
  async function request(doing: string, path: string, init?: RequestInit): Promise<Response> {
    const url = `${base}/${path.split('/').map(encodeURIComponent).join('/')}`;
    const response = await fetch(url, init).catch(
      (error: unknown) => new Response(String(error), { status: 503 }),
    );
    if (response.ok || response.status === 404) return response;
    throw new PlaygroundError(
      'storage-failed',
      `The run’s directory failed while ${doing} ${path}: ${await response.text()}`,
      'See that the directory still exists, can be written and has room, then run again with --resume.',
    );
  }

  return {
    read: async (path) => {
      const response = await request('reading', path);
      return response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
    },
    write: async (path, bytes) => {
      await request('writing', path, { method: 'PUT', body: bytes.slice() });
    },
    append: async (path, text) => {
      await request('writing', path, { method: 'POST', body: text });
    },
    list: async (prefix) => {
      const url = `${base}/?list=${encodeURIComponent(prefix)}`;
      const paths: unknown = await (await fetch(url)).json();
      return paths as string[];
    },
    remove: async (path) => {
      await request('removing', path, { method: 'DELETE' });
    },
  };
}
