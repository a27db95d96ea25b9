// loadModel: a model's bytes from wherever they are to a sink, through the store. In the store or over the
// network, the bytes are hashed on their way; the caller learns of them only when they are right.
import {SluiceError, abortedError, messageOf, throwIfAborted} from '../errors.js';
import {Download, notAModel, versionOf} from './download.js';
import type {DownloadTarget} from './download.js';
import {ModelStore, entryKey} from './model_store.js';
import type {EntryRecord, EntryWriter, PartialRecord} from './model_store.js';
import {PieceDigests, pieceBytes} from './piece_digests.js';
import {Sha256} from './sha256.js';
import {isQuotaError} from './storage.js';
import type {Hasher, LoadOptions, LoadedModel, ModelSink, ModelSource} from './types.js';

/** The store's name where options.cache gives none. */
export const defaultStoreName = 'sluice-models';

/** For tests: what the platform would give. */
export interface LoadHooks {
  readonly store?: ModelStore | undefined;
  readonly fetch?: typeof fetch;
  readonly retryDelayMs?: number;
  readonly checkpointBytes?: number;
}

const memoryPieceBytes = 4 << 20;
const checkpointBytes = 16 << 20;
const progressMs = 50;
const headSeconds = 5;

/**
 * Brings a model's bytes to `sink`, in order, without ever holding more than a piece of them.
 * An http(s) address goes through the store, unless options.cache is false: found there, the bytes are
 * checked against their SHA-256 again; else they are downloaded, resumed where an earlier download stopped.
 * An entry that is kept under its address (no options.sha256) is used while the server says, or can't be
 * asked whether, it is the same file.
 * @throws SluiceError 'network' (can't be had), 'integrity' (not the file expected), 'aborted', 'usage'
 */
export function loadModel(source: ModelSource, sink: ModelSink, options: LoadOptions = {}): Promise<LoadedModel> {
  return loadModelWith(source, sink, options, {});
}

export async function loadModelWith(
  source: ModelSource,
  sink: ModelSink,
  options: LoadOptions,
  hooks: LoadHooks,
): Promise<LoadedModel> {
  throwIfAborted(options.signal, 'Loading');
  if (options.sha256 !== undefined && !/^[0-9a-f]{64}$/.test(options.sha256)) {
    throw new SluiceError('usage', 'options.sha256 is not 64 lower-case hexadecimal digits');
  }
  if (typeof source === 'string' || source instanceof URL) {
    return new UrlLoad(addressOf(source), sink, options, hooks).run();
  }
  return loadLocal(source, sink, options);
}

function addressOf(source: string | URL): URL {
  try {
    return new URL(source, globalThis.location?.href);
  } catch {
    throw new SluiceError('usage', `"${String(source).slice(0, 200)}" is no address of a model`);
  }
}

// --- bytes that are here already, and answers that the caller fetched.

async function loadLocal(
  source: ArrayBuffer | Uint8Array | Blob | Response,
  sink: ModelSink,
  options: LoadOptions,
): Promise<LoadedModel> {
  const known = source instanceof Response ? undefined : source instanceof Blob ? source.size : source.byteLength;
  if (known !== undefined) checkSize(known, options);
  await sink.begin(known ?? options.sizeBytes);
  const pieces = known !== undefined && isOnePiece(known) ? new PieceDigests(known) : undefined;
  const hash = pieces || !isHashed(sink, options) ? undefined : hasherOf(sink);
  const progress = new Progress(options, known, false);
  let bytes = 0;
  const take = (chunk: Uint8Array) => {
    throwIfAborted(options.signal, 'Loading');
    sink.write(chunk);
    hash?.update(chunk);
    void pieces?.update(chunk);
    bytes += chunk.length;
    progress.show(bytes);
  };
  if (source instanceof Response) {
    await readResponse(source, take, options);
    checkSize(bytes, options);
  } else if (source instanceof Blob) {
    for (let at = 0; at < source.size; at += memoryPieceBytes) {
      take(new Uint8Array(await readBlob(source.slice(at, at + memoryPieceBytes))));
    }
  } else {
    const all = source instanceof Uint8Array ? source : new Uint8Array(source);
    for (let at = 0; at < all.length; at += memoryPieceBytes) take(all.subarray(at, at + memoryPieceBytes));
  }
  progress.show(bytes, true);
  const sha256 = pieces ? (await pieces.finish())[0] : await hash?.digest();
  if (options.sha256 !== undefined && sha256 !== options.sha256) throw wrongHash('The model', sha256, options.sha256);
  return {
    bytes,
    ...(sha256 ? {sha256} : {}),
    from: source instanceof Response ? 'network' : 'memory',
    stored: false,
    networkBytes: source instanceof Response ? bytes : 0,
    requests: 0,
    notes: [],
  };
}

async function readBlob(blob: Blob): Promise<ArrayBuffer> {
  try {
    return await blob.arrayBuffer();
  } catch (thrown) {
    throw new SluiceError('network', `The file can't be read: ${messageOf(thrown)}`, {cause: thrown});
  }
}

async function readResponse(
  response: Response,
  take: (chunk: Uint8Array) => void,
  options: LoadOptions,
): Promise<void> {
  const name = response.url || 'The answer';
  if (!response.ok) throw new SluiceError('network', `${name} can't be loaded: its status is ${response.status}`);
  const reader = response.body?.getReader();
  if (!reader) throw new SluiceError('network', `${name} can't be loaded: it has no body`);
  let bytes = 0;
  const onAbort = () => void reader.cancel().catch(() => {});
  options.signal?.addEventListener('abort', onAbort, {once: true});
  try {
    for (;;) {
      const {done, value} = await reader.read();
      throwIfAborted(options.signal, 'Loading');
      if (done) return;
      const wrong = bytes === 0 ? notAModel(value) : undefined;
      if (wrong) throw new SluiceError('network', `${name} can't be loaded: ${wrong}`);
      bytes += value.length;
      if (options.sizeBytes !== undefined) checkSize(Math.max(bytes, options.sizeBytes), options);
      take(value);
    }
  } catch (thrown) {
    onAbort();
    if (thrown instanceof SluiceError) throw thrown;
    throw new SluiceError('network', `${name} breaks off at byte ${bytes}: ${messageOf(thrown)}`, {cause: thrown});
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
}

// --- addresses.

/** One load of one address. */
class UrlLoad {
  private readonly notes: string[] = [];
  private readonly key: string;
  private networkBytes = 0;
  private requests = 0;

  constructor(
    private readonly url: URL,
    private readonly sink: ModelSink,
    private readonly options: LoadOptions,
    private readonly hooks: LoadHooks,
  ) {
    this.key = entryKey(url.href, options.sha256);
  }

  async run(): Promise<LoadedModel> {
    const {cache, signal} = this.options;
    if (cache === false || !/^https?:$/.test(this.url.protocol)) return this.fetchChecked(undefined, 2);
    const name = (typeof cache === 'object' && cache.name) || defaultStoreName;
    const store = this.hooks.store ?? (await ModelStore.open(name));
    if (!store) {
      this.notes.push('The model is not stored: this page has no storage (a private window, or no https).');
      return this.fetchChecked(undefined, 2);
    }
    // Of two tabs that want the same model, one downloads it; the other waits and finds it.
    return withLock(`sluice-web/${name}/${this.key}`, signal, () => this.throughStore(store));
  }

  private async throughStore(store: ModelStore): Promise<LoadedModel> {
    let loads = 2; // of a file with another hash than the one asked for
    try {
      const entry = await store.find(this.key);
      if (entry && this.fits(entry) && !(await this.hasChanged(entry))) {
        const result = await this.replay(store, entry);
        if (result) return result;
        loads = 1;
        await store.remove(this.key);
      }
    } catch (thrown) {
      this.pass(thrown);
      this.notes.push(`The store can't be read (${messageOf(thrown)}); the model is downloaded.`);
    }
    return this.fetchChecked(store, loads);
  }

  private fits(entry: EntryRecord): boolean {
    const {sha256, sizeBytes} = this.options;
    return (sha256 ?? entry.sha256) === entry.sha256 && (sizeBytes ?? entry.bytes) === entry.bytes;
  }

  /** The stored bytes; undefined when they are not what was stored. */
  private async replay(store: ModelStore, entry: EntryRecord): Promise<LoadedModel | undefined> {
    const progress = new Progress(this.options, entry.bytes, true);
    let loaded = 0;
    await this.sink.begin(entry.bytes);
    try {
      await store.readEntry(entry, chunk => {
        throwIfAborted(this.options.signal, 'Loading');
        this.sink.write(chunk);
        loaded += chunk.length;
        progress.show(loaded);
      });
    } catch (thrown) {
      this.pass(thrown);
      this.notes.push(`The stored model is damaged (${messageOf(thrown)}); it is downloaded again.`);
      return undefined;
    }
    progress.show(loaded, true);
    return {
      bytes: entry.bytes,
      sha256: entry.sha256,
      from: 'store',
      stored: true,
      networkBytes: 0,
      requests: 0,
      notes: this.notes,
    };
  }

  /** Asks the server whether an entry that only its address names is still what lies there. */
  private async hasChanged(entry: EntryRecord): Promise<boolean> {
    if (this.options.sha256 !== undefined || globalThis.navigator?.onLine === false) return false;
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), headSeconds * 1000);
    const abort = () => control.abort();
    this.options.signal?.addEventListener('abort', abort, {once: true});
    try {
      const response = await this.fetch(this.url.href, {method: 'HEAD', cache: 'no-store', signal: control.signal});
      if (!response.ok) return false;
      const now = versionOf(response);
      if (entry.etag !== undefined && now.etag !== undefined) return entry.etag !== now.etag;
      if (entry.lastModified !== undefined && now.lastModified !== undefined) {
        return entry.lastModified !== now.lastModified;
      }
      return false;
    } catch {
      throwIfAborted(this.options.signal, 'Loading');
      return false; // offline: what is stored is all there is
    } finally {
      clearTimeout(timer);
      this.options.signal?.removeEventListener('abort', abort);
    }
  }

  /** Downloads, and once more (`loads` times in all) when the bytes are not those that were asked for. */
  private async fetchChecked(store: ModelStore | undefined, loads: number): Promise<LoadedModel> {
    for (let left = loads; ; --left) {
      const {sha256, bytes, stored} = await this.download(store);
      if (this.options.sha256 === undefined || sha256 === this.options.sha256) {
        return {
          bytes,
          ...(sha256 ? {sha256} : {}),
          from: 'network',
          stored,
          networkBytes: this.networkBytes,
          requests: this.requests,
          notes: this.notes,
        };
      }
      if (left <= 1) throw wrongHash(`The file ${this.url.href}`, sha256, this.options.sha256);
      this.notes.push(`The file has another SHA-256 than expected (${sha256}); it is downloaded again.`);
    }
  }

  private async download(store: ModelStore | undefined): Promise<{sha256?: string; bytes: number; stored: boolean}> {
    const target = new HashingTarget(this, store, store !== undefined || isHashed(this.sink, this.options));
    const start = store && (await target.takeUp(store));
    const download = new Download(
      this.url,
      target,
      {
        signal: this.options.signal,
        stallSeconds: this.options.stallSeconds ?? 30,
        sizeBytes: this.options.sizeBytes,
        hashChecked: this.options.sha256 !== undefined,
        bypassHttpCache: store !== undefined,
        fetch: this.fetch,
        retryDelayMs: this.hooks.retryDelayMs ?? 250,
      },
      start,
    );
    target.download = download;
    try {
      if (!start || start.bytes !== start.totalBytes) await download.run();
    } catch (thrown) {
      await target.stop(thrown);
      throw thrown;
    } finally {
      this.networkBytes += download.networkBytes;
      this.requests += download.requests;
    }
    return target.finish();
  }

  // --- what HashingTarget needs of its load.
  get load() {
    return {
      url: this.url,
      key: this.key,
      sink: this.sink,
      options: this.options,
      notes: this.notes,
      checkpointBytes: this.hooks.checkpointBytes ?? checkpointBytes,
    };
  }

  private get fetch(): typeof fetch {
    return this.hooks.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** Lets through what is no trouble of the store: an abort, and errors of the sink's. */
  private pass(thrown: unknown): void {
    if (this.options.signal?.aborted) throw abortedError(this.options.signal, 'Loading');
    if (thrown instanceof SluiceError) throw thrown;
  }
}

/** Hands a download's bytes to the sink, the hash and the store, each of which may begin again. */
class HashingTarget implements DownloadTarget {
  download: Download | undefined;
  /** Absent for a file of one piece that is not stored: that piece's digest is the whole's. */
  private hash: Hasher | undefined;
  private writer: EntryWriter | undefined;
  private pieces: PieceDigests | undefined;
  private bytes = 0;
  private checkpointed = 0;
  private progress: Progress;

  constructor(
    private readonly owner: UrlLoad,
    private store: ModelStore | undefined,
    private readonly hashed: boolean,
  ) {
    this.progress = new Progress(owner.load.options, undefined, false);
  }

  /** Hands over what an earlier download left, if it is what it was, and says where to go on. */
  async takeUp(store: ModelStore): Promise<PartialRecord | undefined> {
    const {key, sink, options} = this.owner.load;
    try {
      const partial = await store.partial(key);
      if (!partial || (options.sizeBytes !== undefined && partial.bytes > options.sizeBytes)) return undefined;
      if (options.sha256 === undefined && !partial.etag && !partial.lastModified) return undefined;
      const total = options.sizeBytes ?? partial.totalBytes;
      await sink.begin(total);
      this.progress = new Progress(options, total, false);
      this.pieces = new PieceDigests();
      this.hash = hasherOf(sink);
      await store.readHashed(partial, this.hash, chunk => {
        throwIfAborted(options.signal, 'Loading');
        sink.write(chunk);
        void this.pieces?.update(chunk);
        this.bytes += chunk.length;
      });
      this.writer = await store.writer(key, partial);
      this.checkpointed = this.bytes;
      return {...partial, ...(total === undefined ? {} : {totalBytes: total})};
    } catch (thrown) {
      if (thrown instanceof SluiceError) throw thrown;
      this.bytes = 0;
      return undefined; // it begins anew
    }
  }

  async begin(totalBytes: number | undefined): Promise<void> {
    const {key, sink, options} = this.owner.load;
    await sink.begin(totalBytes);
    this.progress = new Progress(options, totalBytes, false);
    this.bytes = this.checkpointed = 0;
    await this.writer?.discard();
    this.writer = this.pieces = undefined;
    // What is stored may be cut and gone on with another day, and is hashed as it comes.
    const onePiece = !this.store && totalBytes !== undefined && isOnePiece(totalBytes);
    this.hash = this.hashed && !onePiece ? hasherOf(sink) : undefined;
    if (this.store || onePiece) this.pieces = new PieceDigests(totalBytes);
    if (!this.store) return;
    try {
      this.writer = await this.store.writer(key, undefined);
    } catch (thrown) {
      await this.giveUpStore(thrown);
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    const {sink, checkpointBytes: step} = this.owner.load;
    sink.write(chunk);
    if (!this.hash && this.pieces && this.bytes + chunk.length > pieceBytes) this.goOn(this.pieces);
    this.hash?.update(chunk);
    this.bytes += chunk.length;
    this.progress.show(this.bytes);
    const digested = this.pieces?.update(chunk);
    if (!this.writer) return;
    try {
      const written = this.writer.write(chunk);
      if (written) await written;
      if (digested) await digested;
      if (this.bytes - this.checkpointed >= step) await this.checkpoint();
    } catch (thrown) {
      await this.giveUpStore(thrown);
    }
  }

  // More comes than was told: the whole is hashed after all.
  private goOn(pieces: PieceDigests): void {
    if (!this.hashed) {
      this.pieces = undefined;
      return;
    }
    this.hash = new Sha256();
    this.hash.update(pieces.first(this.bytes));
  }

  /** The download has failed or was aborted: what came so far is kept for another day, where that is of use. */
  async stop(thrown: unknown): Promise<void> {
    if (!this.writer) return;
    const wrong = thrown instanceof SluiceError && thrown.code === 'integrity';
    const {etag, lastModified} = this.download?.version ?? {};
    const provable = this.owner.load.options.sha256 !== undefined || etag !== undefined || lastModified !== undefined;
    try {
      if (wrong || this.bytes === 0 || !provable || !this.download?.resumable) {
        await this.writer.discard();
      } else {
        await this.checkpoint();
        await this.writer.close();
      }
    } catch {
      await this.writer.discard();
    }
    this.writer = undefined;
  }

  /** All bytes are here. They become an entry of the store only if they are the ones expected. */
  async finish(): Promise<{sha256?: string; bytes: number; stored: boolean}> {
    const {options, url} = this.owner.load;
    const pieces = (await this.pieces?.finish()) ?? [];
    const sha256 = this.hash ? await this.hash.digest() : pieces.length === 1 ? pieces[0] : undefined;
    this.progress.show(this.bytes, true);
    let stored = false;
    if (this.writer && sha256) {
      try {
        if (options.sha256 !== undefined && sha256 !== options.sha256) {
          await this.writer.discard();
        } else {
          await this.writer.commit({bytes: this.bytes, sha256, url: url.href, ...this.download?.version, pieces});
          stored = true;
        }
      } catch (thrown) {
        await this.giveUpStore(thrown);
      }
      this.writer = undefined;
    }
    return {...(sha256 ? {sha256} : {}), bytes: this.bytes, stored};
  }

  private async checkpoint(): Promise<void> {
    const {url} = this.owner.load;
    const total = this.download?.totalBytes;
    this.checkpointed = this.bytes;
    await this.writer?.checkpoint({
      bytes: this.bytes,
      sha256: (await this.hash?.digest()) ?? '',
      url: url.href,
      ...this.download?.version,
      ...(total === undefined ? {} : {totalBytes: total}),
    });
  }

  /** The job goes on without the store, and says so once. */
  private async giveUpStore(thrown: unknown): Promise<void> {
    const {notes} = this.owner.load;
    const why = isQuotaError(thrown) ? "the browser's storage for this site is full" : messageOf(thrown);
    notes.push(`The model is not stored: ${why}.`);
    this.store = undefined;
    const writer = this.writer;
    this.writer = this.pieces = undefined;
    await writer?.discard();
  }
}

/** Files of one piece are hashed by the platform, where the page is secure enough to have it: many times as fast. */
function isOnePiece(bytes: number): boolean {
  return bytes > 0 && bytes <= pieceBytes && globalThis.crypto?.subtle !== undefined;
}

/** A sink that can hash wants to know the hash of what it gets. */
function isHashed(sink: ModelSink, options: LoadOptions): boolean {
  return options.sha256 !== undefined || sink.hasher !== undefined;
}

/** The sink's own, or in JavaScript: at half the speed. */
function hasherOf(sink: ModelSink): Hasher {
  return sink.hasher?.() ?? new Sha256();
}

/** Progress events, not more often than people can see. */
class Progress {
  private last = -Infinity;
  private shown = -1;

  constructor(
    private readonly options: LoadOptions,
    private readonly totalBytes: number | undefined,
    private readonly fromCache: boolean,
  ) {}

  show(loadedBytes: number, always = false): void {
    const now = Date.now();
    if (loadedBytes === this.shown || (!always && now - this.last < progressMs)) return;
    this.last = now;
    this.shown = loadedBytes;
    this.options.onProgress?.({
      phase: 'download',
      loadedBytes,
      ...(this.totalBytes === undefined ? {} : {totalBytes: this.totalBytes}),
      fromCache: this.fromCache,
    });
  }
}

function checkSize(bytes: number, options: LoadOptions): void {
  if (options.sizeBytes !== undefined && bytes !== options.sizeBytes) {
    throw new SluiceError('integrity', `The model has ${bytes} bytes (${options.sizeBytes} expected)`);
  }
}

function wrongHash(what: string, found: string | undefined, expected: string | undefined): SluiceError {
  return new SluiceError('integrity', `${what} has the SHA-256 ${found} (${expected} expected)`, {
    hint: 'The address leads to another file, or something on the way changes it.',
  });
}

const queues = new Map<string, Promise<unknown>>();

/** Runs `work` alone among all tabs of this origin; where the browser has no locks, alone in this thread. */
async function withLock<T>(name: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (locks) {
    try {
      return (await locks.request(name, signal ? {signal} : {}, work)) as T;
    } catch (thrown) {
      if (signal?.aborted) throw abortedError(signal, 'Loading');
      throw thrown;
    }
  }
  const before = queues.get(name) ?? Promise.resolve();
  const mine = before.catch(() => {}).then(work);
  queues.set(name, mine);
  try {
    return await mine;
  } finally {
    if (queues.get(name) === mine) queues.delete(name);
  }
}
