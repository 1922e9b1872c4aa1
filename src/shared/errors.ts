// Every error a person can meet is a PlaygroundError: a code from the table below, what happened (with file, line
// and field where there is one) and what to do about it. Anything else that is thrown is a bug and says so.

/** Codes are stable names for tests and for the buttons the page puts beside a message. */
export type ErrorCode =
  | 'bad-arguments'
  | 'bad-experiment'
  | 'bad-data'
  | 'bad-model'
  | 'bad-tokenizer'
  | 'bad-adapter'
  | 'bad-weights'
  | 'bad-recording'
  | 'bad-link'
  | 'too-long'
  | 'not-finite'
  | 'not-found'
  | 'download-failed'
  | 'device-unavailable'
  | 'device-lost'
  | 'out-of-memory'
  | 'storage-failed'
  | 'cancelled'
  | 'bug';

/** What crosses the worker boundary: structured-cloneable. */
export interface PlainError {
  code: ErrorCode;
  message: string;
  /** What the person can do, one sentence. */
  fix: string;
}

export class PlaygroundError extends Error {
  readonly code: ErrorCode;
  readonly fix: string;

  /** `message` says what happened and where; `fix` what to do, in one sentence. */
  constructor(code: ErrorCode, message: string, fix: string) {
    super(message);
    this.name = 'PlaygroundError';
    this.code = code;
    this.fix = fix;
  }
}

/** What came from the worker as an error, and may be thrown again. */
function isPlainError(error: unknown): error is PlainError {
  return (
    typeof error === 'object' && error !== null && 'code' in error && 'message' in error && 'fix' in error
  );
}

/** Any thrown value as something that can be shown and sent: unknown errors become the code `bug`. */
export function toPlainError(error: unknown): PlainError {
  if (error instanceof PlaygroundError) return { code: error.code, message: error.message, fix: error.fix };
  if (isPlainError(error)) return error;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    code: 'bug',
    message,
    fix: 'This is a fault of the playground; please report it with this message.',
  };
}
