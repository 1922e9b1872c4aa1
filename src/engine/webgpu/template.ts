// A WGSL file with three directives, since WGSL has no loops over code and registers must be named, not indexed:
//   //$ for r in ROWS … //$ end     repeats lines with $r = 0 … ROWS−1
//   //$ if FLAG … //$ else … //$ end
//   //$ include NAME                 the text of another file
// Everywhere else $NAME stands for its value. Comment lines are dropped.

export type Values = Record<string, number | boolean | string>;

/** The WGSL text for these values. Throws on an unknown name or a missing end: both are bugs in the shader. */
export function expand(source: string, values: Values): string {
  const lines = source.split('\n');
  const out: string[] = [];
  emit(lines, 0, lines.length, values, out);
  return out.join('\n');
}

function emit(lines: string[], from: number, to: number, values: Values, out: string[]): void {
  for (let at = from; at < to; at++) {
    const line = lines[at]!;
    const directive = /^\s*\/\/\$ (for|if|include) (\w+)(?: in (\w+))?/.exec(line);
    if (!directive) {
      if (/^\s*\/\//.test(line)) continue; // a comment
      out.push(line.replace(/\$(\w+?)(?=_|\W|$)/g, (_, name: string) => String(value(values, name))));
      continue;
    }
    const [, kind, name = '', bound = ''] = directive;
    if (kind === 'include') {
      out.push(expand(String(value(values, name)), values));
      continue;
    }
    const { middle, end } = block(lines, at + 1, to);
    if (kind === 'if') {
      if (value(values, name)) emit(lines, at + 1, middle ?? end, values, out);
      else if (middle !== null) emit(lines, middle + 1, end, values, out);
    } else {
      const count = Number(value(values, bound));
      for (let i = 0; i < count; i++) emit(lines, at + 1, end, { ...values, [name]: i }, out);
    }
    at = end;
  }
}

/** Where the block that begins at `from` ends, and its else. */
function block(lines: string[], from: number, to: number): { middle: number | null; end: number } {
  let middle: number | null = null;
  let depth = 0;
  for (let at = from; at < to; at++) {
    const word = /^\s*\/\/\$ (for|if|else|end)/.exec(lines[at]!)?.[1];
    if (word === 'for' || word === 'if') depth++;
    else if (word === 'else' && depth === 0) middle = at;
    else if (word === 'end' && depth-- === 0) return { middle, end: at };
  }
  throw new Error(`shader: no end for the block after line ${from}`);
}

function value(values: Values, name: string): number | boolean | string {
  const found = values[name];
  if (found === undefined) throw new Error(`shader: no value for $${name}`);
  return found;
}
