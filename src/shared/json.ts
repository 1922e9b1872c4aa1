// JSON that remembers where it was written. JSON.parse forgets lines, lets a repeated key win silently, and words its
// errors differently in each browser; a person who mistyped an experiment file needs the line and the character.

import { PlaygroundError } from './errors';

/** A parsed value and the line (from 1) it stands on; a member of an object has the line of its key. */
export type JsonNode = { line: number } & (
  | { kind: 'object'; entries: Map<string, JsonNode> }
  | { kind: 'array'; items: JsonNode[] }
  | { kind: 'scalar'; value: string | number | boolean | null }
);

/** Deeper nesting than this is refused: no file of ours needs it, and the parser recurses. */
const MAX_DEPTH = 100;

const SPACE = /[ \t\n\r]*/y;
/** Up to the closing quote; JSON.parse then refuses bad escapes and raw control characters. */
const STRING = /"[^"\\]*(?:\\[^][^"\\]*)*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;

/** Parses RFC 8259 JSON. Throws PlaygroundError(`code`) naming source, line (counted from `firstLine`) and column. */
export function parseJson(
  text: string,
  source: string,
  code: 'bad-experiment' | 'bad-data',
  firstLine = 1,
): JsonNode {
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let line = firstLine;
  let lineStart = at;

  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return null;
    at += match[0].length;
    return match[0];
  };

  const skipSpace = (): void => {
    const space = take(SPACE) ?? '';
    const lastBreak = space.lastIndexOf('\n');
    if (lastBreak < 0) return;
    line += space.split('\n').length - 1;
    lineStart = at - space.length + lastBreak + 1;
  };

  const fail: (expected: string) => never = (expected) => {
    const found =
      at >= text.length
        ? 'the end of the file'
        : JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0));
    throw new PlaygroundError(
      code,
      `${source}, line ${line}, column ${at - lineStart + 1}: expected ${expected}, found ${found}.`,
      'Correct the JSON there: texts and keys in double quotes, a comma between entries and none after the last.',
    );
  };

  const expect = (character: string, expected: string): void => {
    skipSpace();
    if (text[at] !== character) fail(expected);
    at++;
  };

  const parseString = (expected: string): string => {
    skipSpace();
    const start = at;
    const literal = take(STRING);
    if (literal === null) fail(expected);
    try {
      return JSON.parse(literal) as string;
    } catch {
      at = start;
      return fail('a text on one line, its escapes out of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000');
    }
  };

  const parseObject = (depth: number): JsonNode => {
    const node = { line, kind: 'object' as const, entries: new Map<string, JsonNode>() };
    at++;
    skipSpace();
    if (text[at] === '}') {
      at++;
      return node;
    }
    for (;;) {
      const key = parseString('a key in double quotes');
      const keyLine = line;
      if (node.entries.has(key)) {
        throw new PlaygroundError(
          code,
          `${source}, line ${line}: the key ${JSON.stringify(key)} stands twice in the same object.`,
          'Keep one of the two.',
        );
      }
      expect(':', '":" after the key');
      node.entries.set(key, { ...parseValue(depth + 1), line: keyLine });
      skipSpace();
      if (text[at] === '}') {
        at++;
        return node;
      }
      expect(',', '"," or "}"');
    }
  };

  const parseArray = (depth: number): JsonNode => {
    const node = { line, kind: 'array' as const, items: [] as JsonNode[] };
    at++;
    skipSpace();
    if (text[at] === ']') {
      at++;
      return node;
    }
    for (;;) {
      node.items.push(parseValue(depth + 1));
      skipSpace();
      if (text[at] === ']') {
        at++;
        return node;
      }
      expect(',', '"," or "]"');
    }
  };

  const parseValue = (depth: number): JsonNode => {
    skipSpace();
    if (depth > MAX_DEPTH) fail(`at most ${MAX_DEPTH} levels of nesting`);
    if (text[at] === '{') return parseObject(depth);
    if (text[at] === '[') return parseArray(depth);
    if (text[at] === '"')
      return { line, kind: 'scalar', value: parseString('a text that ends with a double quote') };
    const literal = take(NUMBER) ?? take(WORD);
    if (literal === null) fail('a value');
    return { line, kind: 'scalar', value: JSON.parse(literal) as number | boolean | null };
  };

  const root = parseValue(0);
  skipSpace();
  if (at < text.length) fail('the end of the file');
  return root;
}

/** The plain value of a node; a key `__proto__` becomes an own property, as with JSON.parse. */
export function toValue(node: JsonNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'array':
      return node.items.map(toValue);
    case 'object':
      return Object.fromEntries([...node.entries].map(([key, child]) => [key, toValue(child)]));
  }
}
