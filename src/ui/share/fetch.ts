// Fetches a file from any address, once a person agreed to, through a frame that has a policy of its own (open.html).

import { PlaygroundError } from '../../shared/errors';
import { siteFile } from '../../shared/site';
import { isFromFrame } from './frame-messages';

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

/** The bytes at an address. Throws `bad-link`, and `download-failed` with the reason. */
export async function fetchFromAnywhere(text: string): Promise<Uint8Array> {
  const url = checkedUrl(text);
  const frame = document.createElement('iframe');
  frame.hidden = true;
  frame.title = 'Fetching a file';
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      const hear = ({ source, origin, data }: MessageEvent<unknown>): void => {
        if (source !== frame.contentWindow || origin !== location.origin || !isFromFrame(data)) return;
        if (data.says === 'ready') return frame.contentWindow?.postMessage(url.href, location.origin);
        removeEventListener('message', hear);
        if ('bytes' in data.says) return resolve(data.says.bytes);
        reject(
          new PlaygroundError(
            'download-failed',
            `${url.href} could not be read: ${data.says.problem}.`,
            'Download the file yourself and drop it on the page.',
          ),
        );
      };
      addEventListener('message', hear);
      frame.src = siteFile('open.html');
      document.body.append(frame);
    });
  } finally {
    frame.remove();
  }
}
