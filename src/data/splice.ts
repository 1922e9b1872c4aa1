// Adds fields to a JSON object as it is written: what stood there stays to the letter, numbers that no double holds, 1.0
// and the order of keys included, which parsing and writing it anew would not keep.

const STRING = /"[^"\\]*(?:\\[^][^"\\]*)*"/y;

/** `written` is one valid JSON object. A field of the same name gives way to the added one. */
export function withFields(written: string, added: Readonly<Record<string, unknown>>): string {
  const kept = membersOf(written)
    .filter(({ key }) => !Object.hasOwn(added, key))
    .map(({ text }) => text);
  const last = kept.pop();
  const members = Object.entries(added).map(
    ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  return `{${[...kept, ...(last === undefined ? [] : [last.trimEnd()]), ...members].join(',')}}`;
}

/** What stands between the commas of the object itself, spaces included. */
function membersOf(written: string): { key: string; text: string }[] {
  const members: { key: string; text: string }[] = [];
  let depth = 0;
  let from = 0;
  const end = (at: number): void => {
    const text = written.slice(from, at);
    from = at + 1;
    STRING.lastIndex = text.indexOf('"');
    const key = STRING.lastIndex < 0 ? null : STRING.exec(text);
    if (key) members.push({ key: JSON.parse(key[0]) as string, text });
  };
  for (let at = 0; at < written.length; at++) {
    const character = written[at]!;
    if (character === '"') {
      STRING.lastIndex = at;
      at += STRING.exec(written)![0].length - 1;
    } else if (character === '{' || character === '[') {
      if (++depth === 1) from = at + 1;
    } else if (character === '}' || character === ']') {
      if (--depth === 0) end(at);
    } else if (character === ',' && depth === 1) end(at);
  }
  return members;
}
