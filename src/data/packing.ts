// Documents of any length in rows of one length, several to a row: no padding is computed, and attention keeps the
// documents of a row apart (their numbers are the batch's mask). Packing goes on from a cursor of two numbers, so that a
// resumed run needs no more than these, and documents are tokenised only when their turn comes.

import type { CompletionBatch } from '../model/types';

/** Where packing stands: a place in the endless order of documents, and the first token of it still to be packed. */
export interface Cursor {
  document: number;
  token: number;
}

/**
 * `rows` rows of `length` tokens, and where to go on. A document that does not fit is cut; its rest begins with the last
 * token before the cut, so that every token but a document's first is predicted once, from what precedes it in its own
 * part. `tokensOf` is asked for documents in order, and says null where there are no more.
 */
export function pack(
  tokensOf: (document: number) => readonly number[] | null,
  from: Cursor,
  rows: number,
  length: number,
): { batch: CompletionBatch; next: Cursor } {
  const [ids, mask, completion] = Array.from({ length: 3 }, () => new Int32Array(rows * length)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  let { document, token } = from;
  let tokens = tokensOf(document);
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * length;
    let segment = 0;
    // A single token predicts nothing: what would leave one stays padding.
    for (let at = row * length; end - at >= 2 && tokens;) {
      const part = tokens.slice(token, token + end - at);
      if (part.length >= 2) {
        ids.set(part, at);
        mask.fill(++segment, at, at + part.length);
        completion.fill(1, at + 1, at + part.length);
        at += part.length;
      }
      if (token + part.length < tokens.length) token += part.length - 1;
      else [document, token, tokens] = [document + 1, 0, tokensOf(document + 1)];
    }
  }
  return { batch: { ids, mask, completion, batch: rows, length }, next: { document, token } };
}
