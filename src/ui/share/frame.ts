// What runs in open.html: fetches the one address that the page around it names, and hands over the bytes. The page
// itself may reach its own host and the hub only; this frame may reach any, and holds nothing worth telling.

import { concatenated, piecesOf } from '../../shared/pieces';
import { type Arrived, fromFrame, type FrameAnswer } from './frame-messages';

/** More than any recording or experiment is. */
const MOST_BYTES = 50e6;

async function fetched(url: string, onProgress: (arrived: Arrived) => void): Promise<FrameAnswer> {
  try {
    const response = await fetch(url, { credentials: 'omit', referrerPolicy: 'no-referrer' });
    if (!response.ok) return { problem: `it answered with status ${response.status}` };
    const total = Number(response.headers.get('content-length')) || null;
    const chunks: Uint8Array[] = [];
    let loaded = 0;
    for await (const chunk of response.body ? piecesOf(response.body) : []) {
      chunks.push(chunk);
      loaded += chunk.length;
      if (Math.max(loaded, total ?? 0) > MOST_BYTES) return { problem: 'it is larger than 50 MB' };
      onProgress({ loaded, total });
    }
    return { bytes: concatenated(chunks) };
  } catch {
    return { problem: 'there was no answer, or its host does not let other pages read it' };
  }
}

if (parent !== window) {
  const tell = (says: Parameters<typeof fromFrame>[0]): void =>
    parent.postMessage(fromFrame(says), location.origin);
  addEventListener('message', ({ source, origin, data }: MessageEvent<unknown>) => {
    if (source !== parent || origin !== location.origin || typeof data !== 'string') return;
    void fetched(data, tell).then(tell);
  });
  tell('ready');
}
