// Every error a person can meet is a PlaygroundError: a code from the table below, what happened (with file, line
// and field where there is one) and what to do about it. Anything else that is thrown is a bug and says so.

/** What a button beside a message does; the page knows how (ui/actions/remedies.ts). */
export type Remedy =
  | 'continue'
  | 'gentler'
  | 'smaller-batch'
  | 'use-cpu'
  | 'undo'
  | 'stop'
  | 'go-back'
  | 'look-at-data'
  | 'choose-model'
  | 'fetch-model'
  | 'retry'
  | 'free-space'
  | 'open-file'
  | 'open-plain'
  | 'reload';

/** By code, which is a stable name for tests and pages: what happened in a few words, and what may help, the likeliest
 *  first. A remedy that cannot be had at the moment (continuing, where nothing was begun) is not offered. */
export const ERRORS = {
  'bad-arguments': { title: 'That cannot be done', remedies: ['stop'] },
  'bad-experiment': { title: 'The experiment does not hold together', remedies: ['open-file'] },
  'bad-settings': { title: 'The settings do not go together', remedies: ['undo'] },
  'bad-data': { title: 'The data has a fault', remedies: ['look-at-data'] },
  'bad-model': { title: 'This model cannot be used', remedies: ['choose-model'] },
  'bad-tokenizer': { title: 'The tokenizer cannot be used', remedies: ['choose-model'] },
  'bad-adapter': { title: 'The adapter does not fit', remedies: ['choose-model'] },
  'bad-weights': { title: 'The weights cannot be used', remedies: ['choose-model'] },
  'bad-checkpoint': { title: 'The checkpoint is damaged', remedies: ['go-back'] },
  'bad-recording': { title: 'The recording cannot be read', remedies: ['open-file'] },
  'bad-link': { title: 'The link cannot be read', remedies: ['open-plain'] },
  'too-long': { title: 'A text is too long for the model', remedies: ['look-at-data'] },
  'not-finite': { title: 'Training fell apart', remedies: ['gentler'] },
  'not-found': { title: 'Something is missing', remedies: ['look-at-data', 'choose-model'] },
  'download-failed': { title: 'The download failed', remedies: ['retry', 'continue'] },
  'not-fetched': { title: 'The model is not here yet', remedies: ['fetch-model'] },
  'device-unavailable': { title: 'The device did not start', remedies: ['use-cpu'] },
  'device-lost': { title: 'The graphics device was lost', remedies: ['continue', 'retry', 'use-cpu'] },
  'worker-died': { title: 'What computes has ended', remedies: ['continue', 'retry', 'reload'] },
  'out-of-memory': { title: 'There is not enough memory', remedies: ['smaller-batch'] },
  'storage-failed': { title: 'The browser did not keep something', remedies: ['retry', 'free-space'] },
  cancelled: { title: 'Cancelled', remedies: ['retry'] },
  bug: { title: 'A fault of the playground', remedies: ['reload'] },
} as const satisfies Record<string, { title: string; remedies: readonly Remedy[] }>;

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
