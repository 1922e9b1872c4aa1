// A file as it comes, piece by piece: of what is large no more need be in memory than the piece at hand.

/** The pieces of a stream, which not every browser lets one walk through by itself. What is not taken is not fetched. */
export async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Of a stream that broke off, reading has told.
    await reader.cancel().catch(() => {});
  }
}
