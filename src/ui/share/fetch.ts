// Fetches a file from any address, once a person agreed to, through a frame that has a policy of its own (open.html).

import { PlaygroundError } from '../../shared/errors';
import { siteFile } from '../../shared/site';
import { type Arrived, isFromFrame } from './frame-messages';

/** An address that can be fetched. Throws `bad-link` for what is none. */
export function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const local = url && ['localhost', '127.0.0.1'].includes(url.hostname);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && local)) return url;
  throw new PlaygroundError(
    'bad-link',
    `“${text}” is not an address that this page can fetch from.`,
    'It has to begin with https://; or download the file yourself and drop it on the page.',
  );
}

/** Seconds without a byte after which nobody is expected to answer any more. */
const PATIENCE = 30;

/** The bytes at an address. Throws `bad-link`, `download-failed` with the reason, and the signal's own once it is
 *  aborted. */
export async function fetchFromAnywhere(
  text: string,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (arrived: Arrived) => void },
): Promise<Uint8Array> {
  const url = checkedUrl(text);
  // With the frame goes all that it was about to do.
  const frame = document.createElement('iframe');
  frame.hidden = true;
  frame.title = 'Fetching a file';
  const over = new AbortController();
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      const fail = (problem: string): void =>
        reject(
          new PlaygroundError(
            'download-failed',
            `${url.href} could not be read: ${problem}.`,
            'Try again, or download the file yourself and drop it on the page.',
          ),
        );
      let waiting: ReturnType<typeof setTimeout> | undefined;
      const wait = (): void => {
        clearTimeout(waiting);
        waiting = setTimeout(() => fail(`nothing came for ${PATIENCE} seconds`), 1000 * PATIENCE);
      };
      const hear = ({ source, origin, data }: MessageEvent<unknown>): void => {
        if (source !== frame.contentWindow || origin !== location.origin || !isFromFrame(data)) return;
        const { says } = data;
        wait();
        if (says === 'ready') frame.contentWindow?.postMessage(url.href, location.origin);
        else if ('bytes' in says) resolve(says.bytes);
        else if ('problem' in says) fail(says.problem);
        else onProgress(says);
      };
      addEventListener('message', hear, { signal: over.signal });
      signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal });
      over.signal.addEventListener('abort', () => clearTimeout(waiting));
      wait();
      frame.src = siteFile('open.html');
      document.body.append(frame);
    });
  } finally {
    over.abort();
    frame.remove();
  }
}
