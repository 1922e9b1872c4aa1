// Rows that a person pastes or drops, on their way to being data: what kind of text it is, and a name for it.

/** The name that tells the worker how to read a text: JSONL where it begins with an object, else CSV. */
export function sourceOf(name: string, text: string): string {
  const isJson = /^\s*[[{]/.test(text) || text.trim() === '';
  return `${name.replace(/\.(jsonl?|csv|tsv|txt)$/i, '')}.${isJson ? 'jsonl' : 'csv'}`;
}

/** A JSON file that holds one list of objects, as one object a line; any other text as it is. */
export function asLines(text: string): string {
  if (!text.trimStart().startsWith('[')) return text;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.map((row) => JSON.stringify(row)).join('\n') : text;
  } catch {
    return text;
  }
}

/** A name made of letters, digits, spaces, dots and hyphens that none of `taken` has. */
export function freeName(wanted: string, taken: readonly string[]): string {
  const name =
    wanted
      .replace(/\.(jsonl?|csv|tsv|txt)$/i, '')
      .replace(/[^\p{L}\p{N} ._-]+/gu, '-')
      .replace(/^[-. ]+|[-. ]+$/g, '')
      .slice(0, 40) || 'mine';
  if (!taken.includes(name)) return name;
  for (let i = 2; ; i++) if (!taken.includes(`${name}-${i}`)) return `${name}-${i}`;
}
