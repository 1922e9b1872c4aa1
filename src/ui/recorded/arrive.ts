// A recorded experiment on its way to the page: what a replay shows is there before the adapters are.

import { PlaygroundError } from '../../shared/errors';
import { concatenated, piecesOf } from '../../shared/pieces';
import { readHead, readRecording, type RecordedRun, type Recording } from '../../shared/recording';
import { idle } from '../state/later';

const NEWLINE = 10;

export interface Arriving {
  run: Promise<RecordedRun>;
  whole: Promise<Recording & { bytes: Uint8Array }>;
}

/** Reads a recording as it comes; `source` names it in messages. Both promises reject with what is wrong. One that is
 *  `known` to be good, since it ships with the page, is looked at closely only after it is shown. */
export function arrive(stream: Promise<ReadableStream<Uint8Array>>, source: string, known = false): Arriving {
  let show: (run: RecordedRun) => void = () => undefined;
  const first = new Promise<RecordedRun>((resolve) => (show = resolve));
  const whole = read(stream, source, show, known);
  // The first line comes before the whole, or nothing does.
  whole.catch(() => undefined); // whoever waits for either is told
  const run = Promise.race([first, whole.then((recording) => recording.run)]);
  return { run, whole };
}

async function read(
  stream: Promise<ReadableStream<Uint8Array>>,
  source: string,
  show: (run: RecordedRun) => void,
  known: boolean,
): Promise<Recording & { bytes: Uint8Array }> {
  const chunks: Uint8Array[] = [];
  let head: ReturnType<typeof readHead> = null;
  for await (const chunk of piecesOf(await stream)) {
    chunks.push(chunk);
    if (head || !chunk.includes(NEWLINE)) continue;
    head = readHead(concatenated(chunks), source, known);
    if (!head) continue;
    show(head.run);
    // The adapters can wait; what one sees cannot.
    await idle();
  }
  const bytes = concatenated(chunks);
  return { ...readRecording(bytes, source, known ? null : head), bytes };
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
