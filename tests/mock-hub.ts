// A hub on this machine, with one model `tiny/neo`: it can break off a download, go on with one from the middle or not, and
// change a file meanwhile.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { nodeDirectory } from './node-files';

const WEIGHTS = 'model.safetensors';

export interface MockHub {
  host: string;
  /** Downloads of the weights yet to be cut off half-way. */
  cuts: number;
  /** Whether it can go on from the middle of a file, and which version of its files it has. */
  ranges: boolean;
  etag: string;
  /** What it gives as the weights, null for those of the model. */
  weights: Uint8Array | null;
  /** The files it was asked for, and from which byte the weights. */
  asked: string[];
  close: () => void;
}

export async function mockHub(): Promise<MockHub> {
  const files = nodeDirectory('tests/fixtures/gpt-neo-tiny/model');
  const server = createServer((request, response) => {
    void (async () => {
      const path = /^\/tiny\/neo\/resolve\/main\/([\w.]+)$/.exec(request.url ?? '')?.[1];
      const bytes = path === WEIGHTS && hub.weights ? hub.weights : path ? await files(path) : null;
      if (!bytes) return response.writeHead(404).end();
      const from = hub.ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
      hub.asked.push(path === WEIGHTS ? `weights from ${from}` : path!);
      if (from >= bytes.length) return response.writeHead(416).end();
      const left = bytes.subarray(from);
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': left.length, etag: hub.etag });
      if (path === WEIGHTS && hub.cuts > 0) {
        hub.cuts -= 1;
        response.write(left.subarray(0, left.length / 2), () => setTimeout(() => response.destroy(), 20));
        return;
      }
      response.end(left);
    })();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const hub: MockHub = {
    host: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ cuts: 0, ranges: false, etag: '"1"', weights: null, asked: [] },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return hub;
}
