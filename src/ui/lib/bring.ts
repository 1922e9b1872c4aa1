// What a person brings along, on its way to being kept: what kind of rows or files it is, and a name for it.

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

/** The files of a model or adapter that are read; a folder may hold others. */
const READ =
  /^(config|tokenizer|tokenizer_config|adapter_config|model\.safetensors\.index)\.json$|\.safetensors$/;

interface ModelFiles {
  /** Null where something is missing. */
  kind: 'model' | 'adapter' | null;
  files: Map<string, File>;
}

/** What of some files makes a model in Hugging Face layout, or an adapter in PEFT's. */
export function modelFiles(all: readonly File[]): ModelFiles {
  const files = new Map(all.filter(({ name }) => READ.test(name)).map((file) => [file.name, file]));
  const names = [...files.keys()];
  if (names.includes('adapter_config.json') && names.includes('adapter_model.safetensors')) {
    return { kind: 'adapter', files };
  }
  const isModel = names.includes('config.json') && names.some((name) => /^model.*\.safetensors$/.test(name));
  return { kind: isModel ? 'model' : null, files };
}
