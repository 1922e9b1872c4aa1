// JSON from files that people bring: parsed, and shown in messages, in one way.

/** The object in `text`; null if it is no JSON, or JSON of another kind. */
export function parseObject(text: string | Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(typeof text === 'string' ? text : new TextDecoder().decode(text));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field's value as a message shows it. */
export function show(json: Record<string, unknown>, field: string): string {
  return json[field] === undefined ? 'missing' : JSON.stringify(json[field]);
}
