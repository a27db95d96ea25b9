// A flat folder of named files that outlives the page: what the model store stands on. Two kinds of
// storage offer it (opfs.ts, cache_api.ts); tests bring one of their own that fails on purpose.

/** Every function may fail with whatever the platform throws; a full disk is `isQuotaError`. */
export interface Folder {
  /** undefined: there is no such file. */
  readText(name: string): Promise<string | undefined>;
  writeText(name: string, text: string): Promise<void>;
  /**
   * Bytes as they are now; a file that is written meanwhile or vanishes makes read() fail. `forReading`: all of it
   * will be read, so that it is worth while to open it in a way that leaves no garbage behind.
   */
  open(name: string, forReading?: boolean): Promise<StoredFile | undefined>;
  /** For appending: what there is behind `keepBytes` is dropped. The file is made if need be. */
  append(name: string, keepBytes: number): Promise<Appender>;
  /** No error when it is not there. */
  remove(name: string): Promise<void>;
  list(): Promise<string[]>;
}

export interface StoredFile {
  readonly bytes: number;
  /** `length` bytes from `offset` on; fewer only at the end. Valid until the next read. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** To be called when it was opened `forReading`. */
  close?(): void;
}

export interface Appender {
  /** Bytes that the file holds: not more than asked for in keepBytes. */
  readonly keptBytes: number;
  /** The bytes are taken before it returns, whether it gives a promise or not. */
  write(chunk: Uint8Array): Promise<void> | void;
  /** Everything written so far is in the file afterwards. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** The storage is full, or this origin's share of it. */
export class QuotaError extends Error {
  override readonly name = 'QuotaExceededError';
}

export function isQuotaError(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'QuotaExceededError';
}
