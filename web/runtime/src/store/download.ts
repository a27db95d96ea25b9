// One file over HTTP, to the end: a cut or silent connection is followed by another that goes on where the
// last one stopped (RFC 9110, 14: ranges), as long as the server's answers prove that it is still the same
// file; otherwise the file begins again. Knows nothing of stores and hashes: see DownloadTarget.
import {SluiceError, abortedError, messageOf} from '../errors.js';
import {ChunkReader} from './chunk_reader.js';
import type {Version} from './model_store.js';

/** Where the bytes go. */
export interface DownloadTarget {
  /** All bytes so far are void. */
  begin(totalBytes: number | undefined): void | Promise<void>;
  write(chunk: Uint8Array): void | Promise<void>;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly stallSeconds: number;
  /** Known beforehand: any other is an error. */
  readonly sizeBytes?: number | undefined;
  /** The whole file's hash is checked at the end: going on without a proof of sameness is no risk. */
  readonly hashChecked: boolean;
  /** false: let the browser keep a copy of its own. */
  readonly bypassHttpCache: boolean;
  readonly fetch: typeof fetch;
  readonly retryDelayMs: number;
}

/** Where an earlier download of this file stopped. */
export interface DownloadStart extends Version {
  readonly bytes: number;
  readonly totalBytes?: number | undefined;
}

// Attempts in a row that bring nothing, and attempts at all.
const maxIdleAttempts = 4;
const maxAttempts = 1000;
const maxRestarts = 3;
const maxUnprovenRestarts = 8;
const maxDelayMs = 4000;

/** This attempt ended early; another may bring the rest. */
class CutError extends Error {}

export class Download {
  offset: number;
  totalBytes: number | undefined;
  version: Version;
  requests = 0;
  networkBytes = 0;
  /** The server's file can be had in parts, as far as its answers told. */
  resumable = true;
  private restarts = 0;
  private begun: boolean;
  /** The length told may be that of a compressed form (lengthUnsure), and was (unsized). */
  private lengthUnsure = false;
  private unsized = false;
  /** The answer has as many bytes as it says: HTTP ends it there, so nobody has to wait for its end (20 ms in Chromium). */
  private lengthHolds = false;
  private shortEnd = -1;

  constructor(
    readonly url: URL,
    private readonly target: DownloadTarget,
    private readonly options: DownloadOptions,
    start?: DownloadStart,
  ) {
    this.offset = start?.bytes ?? 0;
    this.totalBytes = start?.totalBytes ?? options.sizeBytes;
    this.version = {
      ...(start?.etag ? {etag: start.etag} : {}),
      ...(start?.lastModified ? {lastModified: start.lastModified} : {}),
    };
    this.begun = this.offset > 0;
  }

  /** Ends when every byte is at the target. */
  async run(): Promise<void> {
    let idle = 0;
    for (;;) {
      const before = this.networkBytes;
      try {
        await this.attempt();
        return;
      } catch (thrown) {
        if (this.options.signal?.aborted) throw abortedError(this.options.signal, `The download of ${this.url.href}`);
        if (!(thrown instanceof CutError)) throw thrown;
        idle = this.networkBytes > before ? 0 : idle + 1;
        if (idle >= maxIdleAttempts || this.requests >= maxAttempts) {
          throw this.failure(`${thrown.message} (after ${this.requests} attempts)`, thrown);
        }
        await this.pause(idle);
      }
    }
  }

  private async attempt(): Promise<void> {
    let whole = false;
    if (this.offset > 0 && !this.canResume()) await this.restart(undefined);
    const resuming = this.offset > 0;
    const headers = new Headers();
    if (resuming) {
      headers.set('Range', `bytes=${this.offset}-`);
      // Across origins this header would cost a preflight request, which most servers refuse.
      const validator = this.strongValidator();
      if (validator && this.url.origin === globalThis.location?.origin) headers.set('If-Range', validator);
    }
    const control = new AbortController();
    const abort = () => control.abort(this.options.signal?.reason);
    this.options.signal?.addEventListener('abort', abort, {once: true});
    try {
      if (this.options.signal?.aborted) abort();
      ++this.requests;
      const response = await this.timely(
        control,
        this.options.fetch(this.url.href, {
          headers,
          signal: control.signal,
          cache: this.options.bypassHttpCache ? 'no-store' : 'default',
        }),
      );
      await this.accept(response, resuming);
      whole = await this.body(response, control);
    } finally {
      this.options.signal?.removeEventListener('abort', abort);
      if (!whole) control.abort(); // of an answer that is not wanted, the rest need not come
    }
  }

  /** Judges an answer's head; afterwards `offset` is where its body begins. */
  private async accept(response: Response, resuming: boolean): Promise<void> {
    const {status} = response;
    if (status === 416 && resuming) {
      await this.restart('The server refuses the range');
      throw new CutError('The server refuses the range that was missing (status 416)');
    }
    if (status === 408 || status === 425 || status === 429 || status >= 500) {
      throw new CutError(`The server answers with status ${status}`);
    }
    if (status !== 200 && status !== 206) throw this.failure(`the server answers with status ${status}`);
    const type = response.headers.get('content-type') ?? '';
    if (/^\s*text\/html\b/i.test(type)) throw this.failure('the answer is an HTML page, not a model');
    const version = versionOf(response);
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const encoding = response.headers.get('content-encoding');
    const encoded = !!encoding && encoding !== 'identity';

    this.lengthHolds = false;
    if (status === 206) {
      if (!resuming) throw this.failure('the server sends a part that nobody asked for (status 206)');
      const same = await this.isSamePart(response, version, length);
      if (same !== undefined) {
        await this.restart(same);
        throw new CutError(same);
      }
      return;
    }
    // The whole file: asked for, or because the server knows no ranges, or has another file by now.
    if (resuming) await this.restart('The server sends the whole file');
    this.version = version;
    // Only an encoding that is told is known; across origins it is not.
    this.lengthUnsure = response.type === 'cors' && !encoded;
    const told = encoded || this.unsized || Number.isNaN(length) ? undefined : length;
    // A service worker that makes up an answer (its type is not basic) may say anything.
    this.lengthHolds = told !== undefined && response.type === 'basic';
    this.resumable = !encoded && !this.unsized;
    if (
      told !== undefined &&
      this.options.sizeBytes !== undefined &&
      told !== this.options.sizeBytes &&
      !this.lengthUnsure
    ) {
      throw new SluiceError(
        'integrity',
        `The file ${this.url.href} has ${told} bytes (${this.options.sizeBytes} expected)`,
      );
    }
    this.totalBytes = this.options.sizeBytes ?? told;
    await this.target.begin(this.totalBytes);
    this.begun = true;
  }

  /** undefined, or why a 206 answer is not the rest of what is there already. */
  private async isSamePart(response: Response, version: Version, length: number): Promise<string | undefined> {
    const range = response.headers.get('content-range');
    if (range !== null) {
      const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range.trim());
      if (!match || Number(match[1]) !== this.offset) {
        return `The server sends another range than asked for (${range.slice(0, 80)} for byte ${this.offset} on)`;
      }
      const total = match[3] === '*' ? undefined : Number(match[3]);
      if (total !== undefined && this.totalBytes !== undefined && total !== this.totalBytes) {
        return `The file has ${total} bytes by now (${this.totalBytes} before)`;
      }
      this.totalBytes ??= total;
    } else if (this.totalBytes === undefined || length !== this.totalBytes - this.offset) {
      // Across origins the header is hidden unless the server exposes it.
      return 'The server does not tell which part it sends';
    }
    let proven = this.options.hashChecked;
    for (const field of ['etag', 'lastModified'] as const) {
      const [old, now] = [this.version[field], version[field]];
      if (old === undefined || now === undefined) continue;
      if (old !== now) return 'The file has changed meanwhile';
      proven = true;
    }
    return proven ? undefined : 'The server does not tell whether it is still the same file';
  }

  /** true: the last byte is there, and the word that it is the last one is on its way. */
  private async body(response: Response, control: AbortController): Promise<boolean> {
    if (!response.body) throw this.failure('the answer has no body');
    const reader = new ChunkReader(response.body);
    let first = this.offset === 0;
    for (;;) {
      const value = await this.timely(control, reader.read());
      if (value === undefined) break;
      if (value.length === 0) continue;
      this.networkBytes += value.length;
      if (first) {
        const wrong = notAModel(value);
        if (wrong) throw this.failure(wrong);
        first = false;
      }
      if (this.totalBytes !== undefined && this.offset + value.length > this.totalBytes) await this.tooLong();
      await this.target.write(value);
      this.offset += value.length;
      if (this.lengthHolds && this.offset === this.totalBytes) {
        void reader.drain();
        return true;
      }
    }
    if (this.totalBytes !== undefined && this.offset < this.totalBytes && !this.endsThere()) {
      throw new CutError(`The connection ends at byte ${this.offset} of ${this.totalBytes}`);
    }
    if (this.options.sizeBytes === undefined) this.totalBytes = this.offset;
    return false;
  }

  /**
   * Fewer bytes than were told: a cut that the browser did not notice, or the length was that of a compressed
   * form, larger than the file. The second body that ends at the same byte decides.
   */
  private endsThere(): boolean {
    if (!this.lengthUnsure || this.options.sizeBytes !== undefined) return false;
    if (this.shortEnd === this.offset) return true;
    this.shortEnd = this.offset;
    return false;
  }

  /** More bytes than were told. */
  private async tooLong(): Promise<never> {
    if (this.options.sizeBytes === undefined && this.lengthUnsure) {
      // The length was that of a compressed form: again, with no length in mind.
      this.totalBytes = undefined;
      this.unsized = true;
      await this.restart("The length told is not the file's");
      throw new CutError('The answer is longer than its header says');
    }
    throw new SluiceError(
      'integrity',
      `The file ${this.url.href} has more than ${this.totalBytes} bytes (the size expected)`,
    );
  }

  private canResume(): boolean {
    if (!this.resumable) return false;
    return this.options.hashChecked || this.version.etag !== undefined || this.version.lastModified !== undefined;
  }

  /** A weak ETag says that two files mean the same, not that their bytes are the same. */
  private strongValidator(): string | undefined {
    const {etag, lastModified} = this.version;
    return etag !== undefined && !etag.startsWith('W/') ? etag : lastModified;
  }

  /** From the first byte on, for this reason (undefined: the server's file can't be had in parts). */
  private async restart(why: string | undefined): Promise<void> {
    const limit = why === undefined ? maxUnprovenRestarts : maxRestarts;
    if (++this.restarts > limit) {
      throw this.failure(`${why ?? 'The connection is cut, and the server has no ranges'}, again and again`);
    }
    this.offset = 0;
    this.version = {};
    if (this.begun) await this.target.begin(this.options.sizeBytes);
  }

  /** Fails with CutError when nothing comes for too long, or the connection breaks. */
  private async timely<T>(control: AbortController, work: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new CutError(`The server is silent for ${this.options.stallSeconds} s`));
        control.abort();
      }, this.options.stallSeconds * 1000);
    });
    try {
      return await Promise.race([work, silence]);
    } catch (thrown) {
      if (thrown instanceof CutError || this.options.signal?.aborted) throw thrown;
      // Whatever fetch and streams throw here means that the connection failed; the platform tells no more.
      throw new CutError(`The connection fails: ${messageOf(thrown)}`, {cause: thrown});
    } finally {
      clearTimeout(timer);
      work.catch(() => {}); // it may still fail when it is no longer waited for
    }
  }

  private pause(idle: number): Promise<void> {
    const {signal, retryDelayMs} = this.options;
    const ms = idle === 0 ? 0 : Math.min(maxDelayMs, retryDelayMs * 2 ** (idle - 1));
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        clearTimeout(timer);
        if (signal) reject(abortedError(signal, `The download of ${this.url.href}`));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, {once: true});
    });
  }

  private failure(what: string, cause?: unknown): SluiceError {
    return new SluiceError('network', `${this.url.href} can't be loaded: ${what}`, {cause});
  }
}

export function versionOf(response: Response): Version {
  const etag = response.headers.get('etag');
  const lastModified = response.headers.get('last-modified');
  return {...(etag ? {etag} : {}), ...(lastModified ? {lastModified} : {})};
}

/** Pages and pointers that servers send under a model's address, by the first bytes; undefined: none of them. */
export function notAModel(head: Uint8Array): string | undefined {
  const text = String.fromCharCode(...head.subarray(0, 64))
    .trimStart()
    .toLowerCase();
  if (text.startsWith('<!doctype') || text.startsWith('<html')) return 'the answer is an HTML page, not a model';
  if (text.startsWith('version https://git-lfs.')) return 'the answer is a Git LFS pointer, not the model itself';
  return undefined;
}
