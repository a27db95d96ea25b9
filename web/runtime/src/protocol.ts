// What the page and the worker say to each other. A call has a name, parameters and one result, and may
// send events before it; calls are told apart by number, so several can be under way.
//
// A family of calls (a Session's, a Cutter's) is declared by extending `Calls`:
//   declare module '../protocol.js' {
//     interface Calls { 'cutout.prepare': Call<PrepareParams, PrepareResult, ProgressEvent> }
//   }
// Its worker side is a function that adds handlers to a Host, listed in engine/extensions.ts; its page
// side calls `runtime.call('cutout.prepare', params, {transfer, signal, onEvent})`, where
// `channelOf(session)` (session.ts) gives the runtime and the session's number in the worker.
// Types only, apart from the small functions below: importing this costs the page nothing.
import type {CompiledModule} from './core/compile.js';
import type {WireError} from './errors.js';
import type {KnownAnswer} from './quick_calls.js';
import type {Binding, DType, ProgressEvent, Results, SessionOptions, Tensor, TensorData, ValueInfo} from './types.js';

/** One kind of call. `event` is `never` for calls that send none. */
export interface Call<Params, Result, Event = never> {
  readonly params: Params;
  readonly result: Result;
  readonly event: Event;
}

/** Where a model's bytes come from. A Blob is read in the worker, piece by piece. */
export type ModelSource = {readonly url: string} | {readonly bytes: Uint8Array} | {readonly blob: Blob};

/** One file of external data. */
export interface WireFile {
  readonly source: ModelSource;
  readonly sha256?: string;
}

/** Session options as they are posted: no functions, no signal. */
export type WireOptions = Omit<SessionOptions, 'onProgress' | 'signal' | 'assets' | 'threads' | 'worker' | 'files'> & {
  readonly name: string;
  readonly files?: Readonly<Record<string, WireFile>>;
};

export interface OpenResult {
  readonly session: number;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly binding: Binding;
  /** Members of the binding, by path, that RunResult.figures are. */
  readonly runFigures: readonly string[];
  /** Where the first feeds may be written, by name: large ones whose size is known. */
  readonly places?: Readonly<Record<string, FeedPlace>>;
}

/** Where a feed lies in the module's shared memory, and what it is: the page may write the next one there. */
export interface FeedPlace {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly at: number;
  readonly bytes: number;
  readonly elementBytes: number;
}

/** A feed that the page has written to its FeedPlace. */
export interface WrittenFeed {
  readonly at: number;
}

export type WireFeeds = Readonly<Record<string, Tensor | WrittenFeed>>;

export interface RunParams {
  readonly session: number;
  readonly feeds: WireFeeds;
  /** Given away, for results of the same sizes. */
  readonly recycle?: readonly ArrayBuffer[];
}

export interface RunResult {
  readonly results: Results;
  /** The record, or the figures that are all that has changed in it. */
  readonly binding?: Binding;
  readonly figures?: Float64Array;
  /**
   * After a run whose feeds were posted: where the page may write the next ones, as long as nothing else that names
   * this session is posted or under way.
   */
  readonly places?: Readonly<Record<string, FeedPlace>>;
  /** After a run whose feeds were written: as long as the places hold, later runs may be called for quickly. */
  readonly known?: KnownAnswer;
}

/** How the page may see the module's memory: not at all, if it is shared (the page is cross-origin isolated), or as it is. */
export type Sight = 'none' | 'shared' | 'same-thread';

export interface StartParams {
  /** Absolute, ends with a slash: where the .wasm files lie. null: beside the worker's own file. */
  readonly assets: string | null;
  readonly threads: number | null;
  /** false: the module for the CPU alone will do. */
  readonly drivesGpu: boolean;
  readonly sight: Sight;
  /** The page compiles the module and posts it. */
  readonly compiling: boolean;
  /** When a device of this page was last lost or refused (Date.now()); null: never. */
  readonly lastDeviceFailure: number | null;
}

/** What a thread of the module is told (thread.ts). */
export interface ThreadMessage {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Its stack and thread-local data, in the shared memory. */
  readonly block: number;
  /** 1 .. number of threads beside the owner's. */
  readonly index: number;
  /** Given away: the thread computes no kernels, but hashes what comes here (core/hash_thread.ts). */
  readonly hashes?: MessagePort;
}

export interface StartResult {
  readonly version: string;
  readonly flavour: string;
  readonly threads: number;
  /** The module's, where the page may see it. */
  readonly memory: WebAssembly.Memory | null;
  /** Of quick calls, where it is shared. */
  readonly quick: Int32Array | null;
}

/** Names and types of all calls. Extended by declaration merging, see above. */
export interface Calls {
  /** First of all: loads the WebAssembly module. */
  start: Call<StartParams, StartResult>;
  'session.open': Call<{readonly source: ModelSource; readonly options: WireOptions}, OpenResult, ProgressEvent>;
  'session.run': Call<RunParams, RunResult, ProgressEvent>;
  'session.warmup': Call<{readonly session: number}, {readonly binding: Binding}, ProgressEvent>;
  'session.retryGpu': Call<{readonly session: number}, {readonly binding: Binding}>;
  'session.dispose': Call<{readonly session: number}, {readonly done: true}>;
}

export type CallName = keyof Calls;
export type Params<K extends CallName> = Calls[K]['params'];
export type ResultOf<K extends CallName> = Calls[K]['result'];
export type EventOf<K extends CallName> = Calls[K]['event'];

export interface CallMessage {
  readonly type: 'call';
  readonly id: number;
  readonly name: string;
  readonly params: unknown;
}

/** Page to worker. */
export type ToWorker =
  | CallMessage
  | {readonly type: 'abort'; readonly id: number; readonly reason: string}
  /** Once, if start() said that it comes: the page's compilation, or null where that has failed. */
  | {readonly type: 'module'; readonly compiled: CompiledModule | null};

/** Worker to page. */
export type ToPage =
  | {readonly type: 'result'; readonly id: number; readonly value: unknown}
  | {readonly type: 'error'; readonly id: number; readonly error: WireError}
  | {readonly type: 'event'; readonly id: number; readonly event: unknown}
  /** A session's record changed outside of a call's result. */
  | {readonly type: 'binding'; readonly session: number; readonly binding: Binding}
  /** The module wants a thread: the page makes its worker. */
  | {readonly type: 'thread'; readonly thread: ThreadMessage}
  /** A device failed: the page remembers it beyond this worker's life. */
  | {readonly type: 'device-failure'; readonly at: number}
  /** The module trapped: this worker computes no more. */
  | {readonly type: 'poisoned'; readonly error: WireError};

/** Either end of the line: a Worker, a worker's global scope, or one half of a pair in one thread. */
export interface Port<Out, In> {
  post(message: Out, transfer: Transferable[]): void;
  /** Set by the receiver before the first message can arrive. */
  onMessage: ((message: In) => void) | null;
}

// The first calls come twice, in the worker's name and as messages: Chromium holds messages back until the page's thread
// has heard that the worker runs, and that thread is busy with the module's bytes meanwhile.
const NAME = 'sluice';

/** The name of a worker that is to begin with `calls`. */
export function nameWith(calls: readonly CallMessage[]): string {
  return calls.length > 0 ? `${NAME} ${JSON.stringify(calls)}` : NAME;
}

export function callsIn(name: string): readonly CallMessage[] {
  return name.startsWith(`${NAME} `) ? (JSON.parse(name.slice(NAME.length)) as readonly CallMessage[]) : [];
}

/** Two ends in one thread: messages arrive later, in order, and are not cloned. */
export function portPair(): [Port<ToWorker, ToPage>, Port<ToPage, ToWorker>] {
  const page: Port<ToWorker, ToPage> = {
    post: message => {
      queueMicrotask(() => worker.onMessage?.(message));
    },
    onMessage: null,
  };
  const worker: Port<ToPage, ToWorker> = {
    post: message => {
      queueMicrotask(() => page.onMessage?.(message));
    },
    onMessage: null,
  };
  return [page, worker];
}

export function isNumbers(data: TensorData): data is Exclude<TensorData, readonly string[]> {
  return ArrayBuffer.isView(data);
}

/** Whether a feed is of the dtype, dims and size of the one that lies at `place`. */
export function fits({dtype, dims, data}: Tensor, place: FeedPlace): boolean {
  return (
    dtype === place.dtype &&
    dims.length === place.dims.length &&
    dims.every((extent, i) => extent === place.dims[i]) &&
    isNumbers(data) &&
    data.byteLength === place.bytes &&
    data.BYTES_PER_ELEMENT === place.elementBytes
  );
}

/** What lies under the tensors of numbers. */
export function buffersOf(results: Readonly<Record<string, Tensor>>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const {data} of Object.values(results)) {
    if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
  }
  return [...buffers];
}

/** The bytes that a posted array really needs: posting a view would clone or give away its whole buffer. */
export function ownedArray<A extends Exclude<TensorData, readonly string[]>>(array: A): A {
  const whole = array.byteOffset === 0 && array.byteLength === array.buffer.byteLength;
  return whole && array.buffer instanceof ArrayBuffer ? array : (array.slice() as A);
}
