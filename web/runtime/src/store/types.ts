// What loading a model's bytes takes and gives. loadModel(source, sink, options) itself: load.ts.
import type {CacheOptions} from '../types.js';

/** Where a model comes from. A relative address is one of the global scope's (worker: its own file's). */
export type ModelSource = string | URL | ArrayBuffer | Uint8Array | Blob | Response;

/** Takes the bytes in order, so that they can go straight to where they are needed. */
export interface ModelSink {
  /**
   * The bytes come from the first on: whatever came before is void. Called once, and again after a restart
   * (the server has another file by now, or what was stored turned out to be damaged).
   * @param totalBytes how many will come, if that is known
   */
  begin(totalBytes?: number): Promise<void> | void;
  /** To be copied before it returns: the chunk's memory is used again. */
  write(chunk: Uint8Array): void;
  /** A faster hash than this package's own in JavaScript: its update() is called right after write() of the same chunk. */
  hasher?(): Hasher;
}

/** SHA-256 of what comes in pieces. */
export interface Hasher {
  update(chunk: Uint8Array): unknown;
  /** Lower-case hexadecimal, of everything so far; more may come afterwards. */
  digest(): string | Promise<string>;
}

export interface DownloadProgress {
  readonly phase: 'download';
  readonly loadedBytes: number;
  readonly totalBytes?: number;
  readonly fromCache: boolean;
}

export interface LoadOptions {
  /** Lower-case hexadecimal. A mismatch is an `integrity` error after one re-fetch. */
  readonly sha256?: string;
  /** Another size is an `integrity` error, before anything is downloaded where the server tells it. */
  readonly sizeBytes?: number;
  /** false: neither read from the store nor written to it. Default: true. */
  readonly cache?: boolean | CacheOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: DownloadProgress) => void;
  /** Without a byte for so long, the connection is given up and resumed on a new one. Default 30. */
  readonly stallSeconds?: number;
}

export interface LoadedModel {
  readonly bytes: number;
  /** Of all bytes; absent for files of several pieces where nobody needed it (a sink without hasher(), no store, no options.sha256). */
  readonly sha256?: string;
  /** store: nothing came over the network but, perhaps, the question whether it has changed. */
  readonly from: 'memory' | 'store' | 'network';
  /** It is in the store now. */
  readonly stored: boolean;
  /** Bytes that came over the network, those of dropped attempts included. */
  readonly networkBytes: number;
  /** Connections made for them; > 1: resumed or restarted. */
  readonly requests: number;
  /** Whole sentences on what the user may want to know: not stored and why, a damaged entry replaced. */
  readonly notes: readonly string[];
}
