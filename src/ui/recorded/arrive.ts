// A recorded experiment on its way to the page: what a replay shows is there before the adapters are.

import { PlaygroundError } from '../../shared/errors';
import { readRecordedRun, readRecording, type RecordedRun, type Recording } from '../../shared/recording';

export interface Arriving {
  run: Promise<RecordedRun>;
  whole: Promise<Recording & { bytes: Uint8Array }>;
}

/** Reads a recording as it comes; `source` names it in messages. Both promises reject with what is wrong. */
export function arrive(stream: Promise<ReadableStream<Uint8Array>>, source: string): Arriving {
  let show: (run: RecordedRun) => void = () => undefined;
  const first = new Promise<RecordedRun>((resolve) => (show = resolve));
  const whole = read(stream, source, show);
  // The first line comes before the whole, or nothing does.
  whole.catch(() => undefined); // whoever waits for either is told
  const run = Promise.race([first, whole.then((recording) => recording.run)]);
  return { run, whole };
}

async function read(
  stream: Promise<ReadableStream<Uint8Array>>,
  source: string,
  show: (run: RecordedRun) => void,
): Promise<Recording & { bytes: Uint8Array }> {
  const chunks: Uint8Array[] = [];
  let shown = false;
  const reader = (await stream).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    if (shown || !value.includes(10)) continue;
    const run = readRecordedRun(joined(chunks), source);
    if (run) show(run);
    shown = true;
  }
  const bytes = joined(chunks);
  return { ...readRecording(bytes, source), bytes };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** The body of an answer. Throws `download-failed` with its status. */
export async function bodyOf(answer: Promise<Response>, name: string): Promise<ReadableStream<Uint8Array>> {
  const response = await answer.catch(() => null);
  if (response?.ok && response.body) return response.body;
  throw new PlaygroundError(
    'download-failed',
    `${name} could not be read: ${response ? `status ${response.status}` : 'no answer'}.`,
    'Check the connection and load the page again; everything else works without it.',
  );
}
