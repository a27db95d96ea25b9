// Session: the page's face of one model that is loaded in the worker.
import {earlyCollection} from './early_collection.js';
import {SluiceError, throwIfAborted} from './errors.js';
import {buffersOf, ownedArray} from './protocol.js';
import type {ModelSource, OpenResult, RunResult, WireFile, WireOptions, WrittenFeed} from './protocol.js';
import {ResultMemory} from './result_memory.js';
import {Runtime} from './runtime.js';
import {persistStorage} from './store/manage.js';
import type {
  Binding,
  ExternalFile,
  Feeds,
  ModelInput,
  Results,
  RunOptions,
  Session as SessionShape,
  SessionOptions,
  Tensor,
  ValueInfo,
} from './types.js';

/** A loaded model. Made by Session.create(). */
export type Session = SessionShape;

/** Where a session lives: for other families of calls (see protocol.ts). */
export interface Channel {
  readonly runtime: Runtime;
  /** The session's number in the worker. */
  readonly session: number;
}

const channels = new WeakMap<SessionShape, Channel>();
const collectEarly = earlyCollection();

/** The worker and number of a session that is not disposed. */
export function channelOf(session: SessionShape): Channel {
  const channel = channels.get(session);
  if (!channel) throw new SluiceError('usage', 'The session is disposed, or was not made by Session.create()');
  return channel;
}

class WorkerSession implements SessionShape {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  private record: Binding;
  /** What runs have changed of it since. */
  private figures: Float64Array | null = null;
  private readonly runFigures: readonly string[];
  private disposed: Promise<void> | null = null;
  /** Of use where the page waits for another thread. */
  private readonly memory: ResultMemory | null;

  constructor(
    opened: OpenResult,
    runtime: Runtime,
    private readonly onProgress: SessionOptions['onProgress'],
  ) {
    this.inputs = opened.inputs;
    this.outputs = opened.outputs;
    this.record = opened.binding;
    channels.set(this, {runtime, session: opened.session});
    runtime.setPlaces(opened.session, opened.places);
    this.runFigures = opened.runFigures;
    this.memory = runtime.clones ? new ResultMemory() : null;
    runtime.bindings.set(opened.session, binding => {
      // Quick runs come before messages that are on their way.
      const runs = this.figures?.[this.runFigures.indexOf('runs')] ?? 0;
      if (runs > Number(binding['runs'])) this.record = binding;
      else this.take(binding);
    });
  }

  get binding(): Binding {
    if (this.figures) this.take(withFigures(this.record, this.runFigures, this.figures));
    return this.record;
  }

  private take(record: Binding): void {
    this.record = record;
    this.figures = null;
  }

  async run(feeds: Feeds, options: RunOptions = {}): Promise<Results> {
    throwIfAborted(options.signal, 'The run');
    const {runtime, session} = channelOf(this);
    const transfer: Transferable[] = [];
    const give = options.transfer === true;
    const sent: Record<string, Tensor | WrittenFeed> = {};
    let written = 0;
    for (const [name, tensor] of Object.entries(feeds)) {
      const place = give ? null : runtime.writeFeed(session, name, tensor);
      sent[name] = place ?? sendable(tensor, give, transfer, !runtime.clones);
      if (place) ++written;
    }
    const how = {signal: options.signal, onEvent: this.onProgress};
    const quick = written === this.inputs.length && !options.recycle ? runtime.runQuickly(session, how) : null;
    if (quick) {
      const result = await quick;
      throwIfAborted(options.signal, 'session.run'); // meanwhile
      collectEarly(result.results);
      return this.end(result);
    }
    const made = this.memory?.take() ?? [];
    const recycle = options.recycle ? buffersOf(options.recycle) : made;
    for (const buffer of recycle) if (!transfer.includes(buffer)) transfer.push(buffer);
    const params = {session, feeds: sent, ...(recycle.length > 0 ? {recycle} : {})};
    const called = runtime.call('session.run', params, {transfer, ...how});
    if (!options.recycle) this.memory?.wait();
    const result = await called.catch((thrown: unknown) => {
      this.memory?.end(null);
      throw thrown;
    });
    this.memory?.end(result.results);
    if (!options.recycle) collectEarly(result.results);
    return this.end(result);
  }

  private end({results, binding, figures}: RunResult): Results {
    if (binding) this.take(binding);
    else if (figures) this.figures = figures;
    return results;
  }

  async warmup(): Promise<void> {
    const {runtime, session} = channelOf(this);
    this.take((await runtime.call('session.warmup', {session}, {onEvent: this.onProgress})).binding);
  }

  async retryGpu(): Promise<void> {
    const {runtime, session} = channelOf(this);
    this.take((await runtime.call('session.retryGpu', {session})).binding);
  }

  dispose(): Promise<void> {
    this.disposed ??= this.close();
    return this.disposed;
  }

  private async close(): Promise<void> {
    const channel = channels.get(this);
    if (!channel) return;
    channels.delete(this);
    this.memory?.drop();
    channel.runtime.bindings.delete(channel.session);
    try {
      await channel.runtime.call('session.dispose', {session: channel.session});
    } catch {
      // A worker that is gone holds nothing any more.
    } finally {
      channel.runtime.release();
    }
  }
}

// The record with the members at `paths` ("steady.n") replaced.
function withFigures(record: Binding, paths: readonly string[], figures: Float64Array): Binding {
  const made = structuredClone(record);
  paths.forEach((path, i) => {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    const holder = keys.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], made);
    (holder as Record<string, unknown>)[last] = figures[i];
  });
  return made;
}

// A tensor as it may be posted: its own bytes, copied by the post unless `give`, or here if `copy`.
function sendable(tensor: Tensor, give: boolean, transfer: Transferable[], copy: boolean): Tensor {
  const {dtype, dims, data} = tensor;
  if (isText(data)) return {dtype, dims: [...dims], data: [...data]};
  if (!ArrayBuffer.isView(data)) {
    throw new SluiceError('usage', `The data of a ${String(dtype)} tensor is no typed array and no list of strings`);
  }
  if (give && data.buffer instanceof ArrayBuffer) {
    if (!transfer.includes(data.buffer)) transfer.push(data.buffer);
    return {dtype, dims: [...dims], data};
  }
  return {dtype, dims: [...dims], data: copy ? data.slice() : ownedArray(data)};
}

function isText(data: Tensor['data']): data is readonly string[] {
  return Array.isArray(data);
}

const LARGE_BYTES = 16 << 20;

function sourceOf(model: ModelInput): ModelSource {
  if (typeof model === 'string' || model instanceof URL) {
    // Relative to the page, as fetch() would have it; the worker's own address means nothing here.
    const base = typeof document === 'undefined' ? globalThis.location?.href : document.baseURI;
    try {
      return {url: new URL(model, base).href};
    } catch (thrown) {
      throw new SluiceError('usage', `The model's address is no URL (${String(model)})`, {cause: thrown});
    }
  }
  if (typeof Blob !== 'undefined' && model instanceof Blob) return {blob: model};
  const bytes = model instanceof ArrayBuffer ? new Uint8Array(model) : model;
  if (bytes instanceof Uint8Array) {
    // A post copies bytes into the worker's heap, where they would lie beside the module's own; a Blob is
    // read from there piece by piece.
    if (bytes.byteLength > LARGE_BYTES) return {blob: new Blob([bytes as Uint8Array<ArrayBuffer>])};
    return {bytes: ownedArray(bytes)};
  }
  throw new SluiceError('usage', 'A model is an address, a Blob, an ArrayBuffer or a Uint8Array');
}

// External data by name. Names alone are addresses beside the model's: only below its folder.
function filesOf(files: SessionOptions['files'], model: ModelSource): Readonly<Record<string, WireFile>> | null {
  if (!files) return null;
  const out: Record<string, WireFile> = {};
  if (isNames(files)) {
    for (const name of files) {
      if (!('url' in model)) {
        throw new SluiceError('usage', `files names "${name}" beside a model that has no address`, {
          hint: 'Give {name: where it is} instead of a list of names.',
        });
      }
      const folder = new URL('.', model.url);
      const url = new URL(name.split('/').map(encodeURIComponent).join('/'), folder);
      if (!url.href.startsWith(folder.href)) {
        throw new SluiceError('usage', `files names "${name}", which does not lie below the model's folder`);
      }
      out[name] = {source: {url: url.href}};
    }
    return out;
  }
  for (const [name, file] of Object.entries(files)) {
    const {source, sha256} = isExternalFile(file) ? file : {source: file, sha256: undefined};
    out[name] = {source: sourceOf(source), ...(sha256 !== undefined ? {sha256} : {})};
  }
  return out;
}

function isNames(files: NonNullable<SessionOptions['files']>): files is readonly string[] {
  return Array.isArray(files);
}

function isExternalFile(file: ModelInput | ExternalFile): file is ExternalFile {
  return (
    typeof file === 'object' &&
    'source' in file &&
    !(file instanceof URL || file instanceof ArrayBuffer || ArrayBuffer.isView(file))
  );
}

function nameOf(model: ModelInput, source: ModelSource): string {
  if ('url' in source) {
    const path = source.url.startsWith('data:') || source.url.startsWith('blob:') ? '' : new URL(source.url).pathname;
    return decodeURIComponent(path.split('/').pop() ?? '') || 'model';
  }
  return typeof File !== 'undefined' && model instanceof File && model.name ? model.name : 'model';
}

// The page's address may ask for the console lines: ?debug=ep, also among others (?debug=net,ep).
function debugAsked(): boolean {
  const search = globalThis.location?.search;
  if (!search) return false;
  return new URLSearchParams(search).getAll('debug').some(value => value.split(',').includes('ep'));
}

function assetsOf(options: SessionOptions): string | null {
  if (options.assets === undefined) return null;
  const base = typeof document === 'undefined' ? globalThis.location?.href : document.baseURI;
  const url = new URL(options.assets, base);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  url.search = url.hash = '';
  return url.href;
}

function threadsOf(options: SessionOptions): number | null {
  if (options.threads === undefined) return null;
  if (!Number.isInteger(options.threads) || options.threads < 1) {
    throw new SluiceError('usage', `threads is ${options.threads} (a whole number from 1 is wanted)`);
  }
  return options.threads;
}

// Whether the session may want a device: else a smaller module does.
function drivesGpu({backends}: SessionOptions): boolean {
  return backends?.[0] !== 'cpu' && globalThis.navigator?.gpu !== undefined;
}

async function create(model: ModelInput, options: SessionOptions = {}): Promise<Session> {
  const {signal} = options;
  throwIfAborted(signal, 'Loading the model');
  const source = sourceOf(model);
  const files = filesOf(options.files, source);
  const wire: WireOptions = {
    name: nameOf(model, source),
    ...(options.backends ? {backends: [...options.backends]} : {}),
    ...(options.cache !== undefined ? {cache: options.cache} : {}),
    ...(options.sha256 !== undefined ? {sha256: options.sha256} : {}),
    ...(files ? {files} : {}),
    ...(options.dtype ? {dtype: options.dtype} : {}),
    ...(options.outputs ? {outputs: [...options.outputs]} : {}),
    ...(options.inputShapes ? {inputShapes: options.inputShapes} : {}),
    ...(options.limits ? {limits: options.limits} : {}),
    ...(options.otlp ? {otlp: {endpoint: options.otlp.endpoint, headers: {...options.otlp.headers}}} : {}),
    strict: options.strict ?? false,
    allowSoftware: options.allowSoftware ?? false,
    debug: options.debug ?? debugAsked(),
  };
  // Only a page may ask for it, and the load need not wait for the answer.
  if (typeof options.cache === 'object' && options.cache.persist) void persistStorage();
  const params = {source, options: wire};
  const runtime = Runtime.acquire(
    {
      assets: assetsOf(options),
      threads: threadsOf(options),
      worker: options.worker ?? true,
      drivesGpu: drivesGpu(options),
    },
    params,
  );
  try {
    const opened = await runtime.call('session.open', params, {signal, onEvent: options.onProgress});
    return new WorkerSession(opened, runtime, options.onProgress);
  } catch (thrown) {
    runtime.release();
    throw thrown;
  }
}

/** Makes sessions. */
export const Session = {
  /**
   * Loads a model in a worker (started if need be; sessions share one) and binds it to the first backend
   * that passes the gate. A GPU that fails later costs no job: it is finished on the CPU, and
   * `session.binding` says so.
   */
  create,
} as const;
