// Where a run remembers: a small file system of its own, the same for the page (IndexedDB), for the command line's
// headless page (files behind HTTP) and for a run under Node. Paths are relative to the run, like `metrics.jsonl` or
// `adapters/sft/adapter_config.json`.

/** Every method rejects with PlaygroundError `storage-failed` if the place itself fails. */
export interface RunStore {
  /** The whole file, or null if there is none. */
  read(path: string): Promise<Uint8Array | null>;
  /** Replaces the file as a whole: whoever reads sees the old content or the new, also after a crash. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Adds text at the end; begins the file if there is none. */
  append(path: string, text: string): Promise<void>;
  /** All paths that begin with `prefix`, sorted. */
  list(prefix: string): Promise<string[]>;
  /** Removes one file; nothing happens if there is none. */
  remove(path: string): Promise<void>;
}

export async function readText(store: Pick<RunStore, 'read'>, path: string): Promise<string | null> {
  const bytes = await store.read(path);
  return bytes && new TextDecoder().decode(bytes);
}

export async function writeText(store: RunStore, path: string, text: string): Promise<void> {
  await store.write(path, new TextEncoder().encode(text));
}

/** Cuts a file of lines down to its first `lines` lines: what a crash wrote after the last checkpoint goes. */
export async function truncateLines(store: RunStore, path: string, lines: number): Promise<void> {
  const text = await readText(store, path);
  if (text === null) return;
  let end = 0;
  for (let line = 0; line < lines && end < text.length; line++) {
    const newline = text.indexOf('\n', end);
    end = newline < 0 ? text.length : newline + 1;
  }
  if (end < text.length) await writeText(store, path, text.slice(0, end));
}
