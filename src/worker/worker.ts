// The thread that computes, so that the page never waits: commands in, events out (src/shared/protocol.ts).

import type { Command } from '../shared/protocol';
import { Host } from './host';
import { holdLife } from './life';

const host = new Host((event) => self.postMessage(event));
self.onmessage = ({ data }: MessageEvent<Command>) => host.handle(data);
holdLife((word) => self.postMessage(word));
