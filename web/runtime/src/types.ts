// The public types of sluice-web. A Session lives in the page; the work is done in a worker, so that the
// page never blocks.

export type DType =
  | 'float32'
  | 'float16'
  | 'float64'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string';

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly string[];

/** A dense tensor, row-major. float16 and bfloat16 elements are their bits (Uint16Array), bool one byte each. */
export interface Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

export type Feeds = Readonly<Record<string, Tensor>>;
export type Results = Record<string, Tensor>;

/** A model: where it is, or its bytes. Blobs and files are read in the worker, without a copy in the page. */
export type ModelInput = string | URL | Blob | ArrayBuffer | Uint8Array;

/** One of a model's files of external data: where it is, and, if known, its SHA-256 in lower-case hexadecimal. */
export interface ExternalFile {
  readonly source: ModelInput;
  readonly sha256?: string;
}

export type BackendName = 'webgpu' | 'cpu';

/** What is going on, in order: a model's bytes arrive, it is read, the backend is chosen, weights move to it. */
export type ProgressEvent =
  | {
      readonly phase: 'download';
      readonly loadedBytes: number;
      readonly totalBytes?: number;
      readonly fromCache: boolean;
      /** Which of the files of external data (options.files); absent for the model itself. */
      readonly file?: string;
    }
  | {readonly phase: 'read' | 'gate' | 'compile' | 'upload' | 'first-run' | 'ready'};

export interface CacheOptions {
  /** Name of the store; pages of one origin that give the same name share it. */
  readonly name?: string;
  /** Ask the browser to keep it under pressure (navigator.storage.persist). */
  readonly persist?: boolean;
}

export interface SessionOptions {
  /** Tried in this order. Default: webgpu, then cpu. ['webgpu'] alone fails instead of falling back at load. */
  readonly backends?: readonly BackendName[];
  readonly onProgress?: (event: ProgressEvent) => void;
  /**
   * Ends loading (and, given to run(), a run): the promise is rejected at once with a SluiceError of code
   * 'aborted', name 'AbortError' and the signal's reason as its cause. Kernels under way are not cut short;
   * what they make is dropped.
   */
  readonly signal?: AbortSignal;
  /** false: don't store the model's bytes. Default: they are stored under their SHA-256 or URL. */
  readonly cache?: boolean | CacheOptions;
  /** Lower-case hexadecimal SHA-256 of the model file. A mismatch is an error after one re-fetch. */
  readonly sha256?: string;
  /**
   * External data (ONNX): the files in which the model keeps weights, under the names that it gives them. A list
   * of names stands for files that lie beside the model's own address. No other file is ever fetched.
   */
  readonly files?: Readonly<Record<string, ModelInput | ExternalFile>> | readonly string[];
  /** 'float32' keeps float16 models from computing in float16 where the device could. Default 'auto'. */
  readonly dtype?: 'auto' | 'float32';
  /** Threads of the CPU path. Default: as many as the machine has, if the page is cross-origin isolated; else 1. */
  readonly threads?: number;
  /** Where the package's worker and .wasm files lie. Default: beside this module. */
  readonly assets?: string | URL;
  /**
   * false: compute in this thread, for callers that are a worker already (and for Node, on the CPU). In a page's own
   * thread it saves up to 0.1 ms a call, but the page stands still while the model loads and runs, and there is one
   * thread: for models of well under a millisecond. Default true: the page never blocks; for runs of a quarter of a
   * millisecond that follow one another, where it is cross-origin isolated, it may wait in place, half a millisecond at most.
   */
  readonly worker?: boolean;
  /** Only these values are computed (outputs or intermediates, by name). */
  readonly outputs?: readonly string[];
  /** Extents for inputs that leave them open. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /** Refuse nodes that would run on the CPU, and fail instead of finishing there. */
  readonly strict?: boolean;
  /** Accept an adapter that computes on the CPU (SwiftShader, lavapipe): for tests. */
  readonly allowSoftware?: boolean;
  /** Limits to ask the device for and to compile for. Default: those that WebGPU guarantees. */
  readonly limits?: 'guaranteed' | 'adapter';
  /** One console line for each event, as `?debug=ep` in the page's address does. */
  readonly debug?: boolean;
  /** OpenTelemetry collector (OTLP/HTTP, JSON). Nothing leaves the machine unless this is set. */
  readonly otlp?: {readonly endpoint: string; readonly headers?: Readonly<Record<string, string>>};
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Give the feeds' buffers away instead of copying them. Default false. */
  readonly transfer?: boolean;
  /**
   * Results of an earlier run that nobody needs any more: their buffers are given away, and this run's results come
   * in those that have the right size. Memory that is new to the process costs a browser about 0.4 ms a megabyte,
   * which is most of a call that hands out megabytes, and of a page's idle moments where nothing is recycled.
   */
  readonly recycle?: Results;
}

export interface ValueInfo {
  readonly name: string;
  readonly dtype: string;
  /** A number, a symbol's name, or null where nothing is known. */
  readonly dims: readonly (number | string | null)[] | null;
}

/** Which backend really runs, and why: the JSON that the command line's --json prints, plus its console line. */
export interface Binding {
  readonly requested: string;
  readonly bound: 'webgpu' | 'cpu';
  readonly evidence: 'inferred' | 'reported' | 'proven';
  readonly reason: string;
  readonly threads: number;
  readonly console: string;
  readonly events: readonly string[];
  readonly islands: readonly {readonly node: string; readonly op: string; readonly reason: string}[];
  readonly gate: readonly {readonly check: string; readonly passed: boolean; readonly sentence: string}[];
  readonly failovers: readonly {readonly stage: string; readonly error: string; readonly device_lost: boolean}[];
  readonly [more: string]: unknown;
}

export interface Session {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** As of the latest event; a new object after each. */
  readonly binding: Binding;
  run(feeds: Feeds, options?: RunOptions): Promise<Results>;
  /** A run on zeros, so that the first real one meets no compilation. */
  warmup(): Promise<void>;
  /**
   * After a failover: back to the GPU through the whole gate, at most once in two minutes. The CPU has given the
   * model's bytes up by then, so they come from the store, the file or the network once more; where they can't be
   * had, the promise is rejected and the session stays on the CPU.
   */
  retryGpu(): Promise<void>;
  dispose(): Promise<void>;
}

/** Every error of this package. `code` is one of a few; `message` a whole sentence. */
export interface SluiceErrorShape {
  readonly code:
    | 'invalid-model'
    | 'unsupported'
    | 'resource'
    | 'device'
    | 'internal'
    | 'network'
    | 'integrity'
    | 'aborted'
    | 'usage';
  readonly hint?: string;
}
