// An error as the page shows it: what the table of errors says of it, and what failed, to be done again.

import { type PlainError, toPlainError } from '../../shared/errors';

export interface Trouble extends PlainError {
  /** Does once more what failed, where that can be tried. */
  again?: () => void;
}

export function troubleOf(thrown: unknown, again?: () => void): Trouble {
  return { ...toPlainError(thrown), ...(again && { again }) };
}
