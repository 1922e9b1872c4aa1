// Every error a person can meet is a PlaygroundError: a code from the table below, what happened (with file, line
// and field where there is one) and what to do about it. Anything else that is thrown is a bug and says so.

/** What the button beside a message does; the page knows how (ui/actions/remedies.ts). */
export type Remedy =
  | 'continue'
  | 'gentler'
  | 'smaller-batch'
  | 'use-cpu'
  | 'look-at-data'
  | 'choose-model'
  | 'fetch-model'
  | 'retry'
  | 'free-space'
  | 'reload';

/** By code, which is a stable name for tests and pages: what happened in a few words, and what may help. */
export const ERRORS = {
  'bad-arguments': { title: 'That cannot be done', remedy: null },
  'bad-experiment': { title: 'The experiment does not hold together', remedy: null },
  'bad-data': { title: 'The data has a fault', remedy: 'look-at-data' },
  'bad-model': { title: 'This model cannot be used', remedy: 'choose-model' },
  'bad-tokenizer': { title: 'The tokenizer cannot be used', remedy: 'choose-model' },
  'bad-adapter': { title: 'The adapter does not fit', remedy: 'choose-model' },
  'bad-weights': { title: 'The weights cannot be used', remedy: 'choose-model' },
  'bad-recording': { title: 'The recording cannot be read', remedy: null },
  'bad-link': { title: 'The link cannot be read', remedy: null },
  'too-long': { title: 'A text is too long for the model', remedy: 'look-at-data' },
  'not-finite': { title: 'Training fell apart', remedy: 'gentler' },
  'not-found': { title: 'Something is missing', remedy: null },
  'download-failed': { title: 'The download failed', remedy: 'retry' },
  'not-fetched': { title: 'The model is not here yet', remedy: 'fetch-model' },
  'device-unavailable': { title: 'The device did not start', remedy: 'use-cpu' },
  'device-lost': { title: 'The graphics device was lost', remedy: 'continue' },
  'out-of-memory': { title: 'There is not enough memory', remedy: 'smaller-batch' },
  'storage-failed': { title: 'The browser did not keep something', remedy: 'free-space' },
  cancelled: { title: 'Cancelled', remedy: null },
  bug: { title: 'A fault of the playground', remedy: 'reload' },
} as const satisfies Record<string, { title: string; remedy: Remedy | null }>;

export type ErrorCode = keyof typeof ERRORS;

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
