// SluiceError: every error that leaves this package. It crosses from the worker to the page as a plain
// object (structured clone keeps no subclass).
import type {SluiceErrorShape} from './types.js';

export type ErrorCode = SluiceErrorShape['code'];

/** An error of this package: `code` is one of a few, `message` a whole sentence. */
export class SluiceError extends Error implements SluiceErrorShape {
  readonly code: ErrorCode;
  readonly hint?: string;

  constructor(code: ErrorCode, message: string, options: {hint?: string; cause?: unknown} = {}) {
    super(message, options.cause === undefined ? undefined : {cause: options.cause});
    // Aborted work carries the name that the platform's own functions use, so one test serves both.
    this.name = code === 'aborted' ? 'AbortError' : 'SluiceError';
    this.code = code;
    if (options.hint) this.hint = options.hint;
  }
}

/** An error as it is posted. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly stack?: string;
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message || thrown.name;
  return String(thrown);
}

/** Whatever was thrown, as a SluiceError; unknown things are bugs of ours, hence `internal`. */
export function asSluiceError(thrown: unknown, code: ErrorCode = 'internal'): SluiceError {
  if (thrown instanceof SluiceError) return thrown;
  const error = new SluiceError(code, messageOf(thrown), {cause: thrown});
  if (thrown instanceof Error && thrown.stack) error.stack = thrown.stack; // where it happened, not here
  return error;
}

export function toWire(thrown: unknown): WireError {
  const error = asSluiceError(thrown);
  return {
    code: error.code,
    message: error.message,
    ...(error.hint ? {hint: error.hint} : {}),
    ...(error.stack ? {stack: error.stack} : {}),
  };
}

export function fromWire(wire: WireError): SluiceError {
  const error = new SluiceError(wire.code, wire.message, wire.hint ? {hint: wire.hint} : {});
  if (wire.stack) error.stack = wire.stack;
  return error;
}

export function abortedError(signal: AbortSignal, what: string): SluiceError {
  return new SluiceError('aborted', `${what} was aborted (${messageOf(signal.reason)})`, {cause: signal.reason});
}

export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortedError(signal, what);
}
