// What the frame that fetches tells the page.

export type FrameAnswer = { bytes: Uint8Array } | { problem: string };

export interface FrameMessage {
  from: 'open.html';
  says: 'ready' | FrameAnswer;
}

export const fromFrame = (says: FrameMessage['says']): FrameMessage => ({ from: 'open.html', says });

export const isFromFrame = (data: unknown): data is FrameMessage =>
  typeof data === 'object' && data !== null && 'from' in data && data.from === 'open.html';
