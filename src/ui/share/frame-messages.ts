// What the frame that fetches tells the page.

/** Bytes that have come, of how many; null where the host does not say. */
export interface Arrived {
  loaded: number;
  total: number | null;
}

export type FrameAnswer = { bytes: Uint8Array } | { problem: string };

export interface FrameMessage {
  from: 'open.html';
  says: 'ready' | Arrived | FrameAnswer;
}

export const fromFrame = (says: FrameMessage['says']): FrameMessage => ({ from: 'open.html', says });

export const isFromFrame = (data: unknown): data is FrameMessage =>
  typeof data === 'object' && data !== null && 'from' in data && data.from === 'open.html';
