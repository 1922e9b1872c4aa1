// A formula written in a line, as in "L = -\frac{1}{N} \sum_i log σ(Δ_i)", to a tree that MathML can be drawn from.
// Only what the page's formulas need: scripts, fractions, groups, words, and numbers filled in between ⟨ and ⟩.

export interface MathNode {
  tag: string;
  /** Text of a leaf; children otherwise. */
  text?: string;
  children?: MathNode[];
  /** A number of the last step, to be told from what the formula says for all steps. */
  filled?: boolean;
}

const TOKEN = /\\frac|⟨[^⟩]*⟩|"[^"]*"|[0-9]+(?:\.[0-9]+)?|[a-z]{2,}|[A-Z]{2,}|\p{L}[\p{M}']?|[^\s]/gu;

const SPACE: MathNode = { tag: 'mtext', text: '\u2009' };

/** Words in a formula stand apart from what is beside them. */
function spaced(text: string): string {
  return `${text.startsWith(',') ? '' : '\u2009'}${text.trimEnd()}\u2005`;
}

/** Parses a formula. Throws on unbalanced braces: formulas are ours, and tested. */
export function parseMath(source: string): MathNode[] {
  const tokens = source.match(TOKEN) ?? [];
  let at = 0;

  function sequence(end: string | null): MathNode[] {
    const nodes: MathNode[] = [];
    while (at < tokens.length && tokens[at] !== end) {
      const word = /^[a-z]{2,}$/.test(tokens[at] ?? '');
      nodes.push(scripted());
      // MathML sets "log x" as one word.
      if (word && at < tokens.length && !/^[(,)}]$/.test(tokens[at] ?? '')) nodes.push(SPACE);
    }
    if (end !== null && tokens[at++] !== end) throw new SyntaxError(`“${end}” is missing in ${source}`);
    return nodes;
  }

  /** An atom and what stands below or above it. */
  function scripted(): MathNode {
    const base = atom();
    let below: MathNode | null = null;
    let above: MathNode | null = null;
    while (tokens[at] === '_' || tokens[at] === '^') {
      if (tokens[at++] === '_') below = atom();
      else above = atom();
    }
    if (below && above) return { tag: 'msubsup', children: [base, below, above] };
    if (below) return { tag: base.text === '∑' ? 'munder' : 'msub', children: [base, below] };
    return above ? { tag: 'msup', children: [base, above] } : base;
  }

  function atom(): MathNode {
    const token = tokens[at++];
    if (token === undefined) throw new SyntaxError(`${source} ends too soon`);
    if (token === '{') return { tag: 'mrow', children: sequence('}') };
    if (token === '\\frac') return { tag: 'mfrac', children: [atom(), atom()] };
    if (token.startsWith('⟨')) return { tag: 'mn', text: token.slice(1, -1), filled: true };
    if (token.startsWith('"')) return { tag: 'mtext', text: spaced(token.slice(1, -1)) };
    if (/^\d/.test(token)) return { tag: 'mn', text: token };
    if (/^\p{L}/u.test(token)) return { tag: 'mi', text: token };
    return { tag: 'mo', text: token === '-' ? '−' : token };
  }

  return sequence(null);
}
