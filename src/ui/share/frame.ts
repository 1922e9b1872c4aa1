// What runs in open.html: fetches the one address that the page around it names, and hands over the bytes. The page
// itself may reach its own host and the hub only; this frame may reach any, and holds nothing worth telling.

import { fromFrame, type FrameAnswer } from './frame-messages';

/** More than any recording or experiment is. */
const MOST_BYTES = 50e6;

async function fetched(url: string): Promise<FrameAnswer> {
  try {
    const response = await fetch(url, { credentials: 'omit', referrerPolicy: 'no-referrer' });
    if (!response.ok) return { problem: `it answered with status ${response.status}` };
    const bytes = new Uint8Array(await response.arrayBuffer());
    return bytes.length > MOST_BYTES ? { problem: 'it is larger than 50 MB' } : { bytes };
  } catch {
    return { problem: 'there was no answer, or its host does not let other pages read it' };
  }
}

if (parent !== window) {
  addEventListener('message', ({ source, origin, data }: MessageEvent<unknown>) => {
    if (source !== parent || origin !== location.origin || typeof data !== 'string') return;
    void fetched(data).then((answer) => parent.postMessage(fromFrame(answer), location.origin));
  });
  parent.postMessage(fromFrame('ready'), location.origin);
}
