// Brings a model's bytes into the core's memory, in one piece and without a second copy, also where their
// number is told only at the end. Downloads begin while the core itself is still being compiled.
import type {Core} from '../core/core.js';
import type {HashThread} from '../core/hash_thread.js';
import {SluiceError} from '../errors.js';
import type {ModelSource, WireFile, WireOptions} from '../protocol.js';
import {loadModel} from '../store/index.js';
import type {Hasher, LoadedModel, ModelSink} from '../store/index.js';
import type {ProgressEvent} from '../types.js';

/** Bytes in the core's memory, to be handed over to it. */
export interface PlacedFile {
  readonly pointer: number;
  readonly bytes: number;
  /** How they came, for the record. */
  readonly download: Omit<LoadedModel, 'bytes'> & {readonly seconds: number};
}

export interface PlacedModel extends PlacedFile {
  /** External data, by the name that the model gives. */
  readonly files: Readonly<Record<string, PlacedFile>>;
}

// Where the length is unknown: the block grows in place, as a rule, by an eighth at a time.
const STEP_BYTES = 1 << 20;

// A file of so many bytes is hashed beside its download, where there may be threads, in pieces of at least so many. Until
// that thread is there, the hash may lag so far behind.
const HASH_BESIDE_BYTES = 16 << 20;
const HASH_PIECE_BYTES = 1 << 20;
const HASH_LAG_BYTES = 32 << 20;

// A file of at most so many bytes does not wait for the core, but is copied into it when all is there.
const WAITING_BYTES = 4 << 20;

type Memory = Pick<Core, 'alloc' | 'free' | 'resize' | 'memory' | 'beginHash' | 'hash' | 'digest' | 'hashThread'>;

/** Takes chunks as they come, into one piece of the core's memory. */
export class CoreSink implements ModelSink {
  private core: Memory | null = null;
  private pointer = 0;
  private space = 0;
  private used = 0;
  private readonly hashes: number[] = [];
  /** What has come before the core was there. */
  private waiting: Uint8Array | null = null;
  /** While it is under way, the bytes stay where they are. */
  private thread: HashThread | null = null;
  private fixed = false;

  constructor(private readonly whenReady: Promise<Memory> | Memory) {}

  async begin(totalBytes?: number): Promise<void> {
    this.fixed = totalBytes !== undefined;
    if (totalBytes !== undefined && totalBytes <= WAITING_BYTES && !this.core && 'then' in this.whenReady) {
      this.waiting = new Uint8Array(totalBytes);
      this.used = 0;
      return;
    }
    this.waiting = null;
    const core = (this.core = await this.whenReady);
    await this.thread?.settled();
    this.used = 0;
    if (totalBytes === undefined) return;
    this.reserve(totalBytes);
    if (totalBytes >= HASH_BESIDE_BYTES) this.thread ??= core.hashThread();
  }

  write(chunk: Uint8Array): void {
    const wanted = this.used + chunk.byteLength;
    if (this.waiting) {
      this.waiting.set(chunk, this.used);
      this.used = wanted;
      return;
    }
    if (wanted > this.space) this.reserve(Math.max(wanted, this.space + Math.max(STEP_BYTES, this.space >> 3)));
    this.memory.memory.bytes.set(chunk, this.pointer + this.used);
    this.used = wanted;
  }

  /** Hashes what was written last where it lies now. */
  hasher(): Hasher {
    let begun: number | undefined;
    const state = () => {
      if (begun === undefined) this.hashes.push((begun = this.memory.beginHash()));
      return begun;
    };
    const thread = this.fixed ? this.thread : null;
    let taken = this.used; // or under way
    const rest = (use: (at: number, bytes: number) => void) => {
      use(this.pointer + taken, this.used - taken);
      taken = this.used;
    };
    const here = (at: number, bytes: number) => {
      this.memory.hash(state(), at, bytes);
    };
    return {
      update: () => {
        if (this.waiting) return;
        const lag = this.used - taken;
        if (!thread || (!thread.ready && lag >= HASH_LAG_BYTES)) rest(here);
        else if (thread.ready && lag >= HASH_PIECE_BYTES) rest((at, bytes) => thread.hash(state(), at, bytes));
      },
      digest: async () => {
        await this.settle();
        await thread?.settled();
        rest(here);
        return this.memory.digest(state());
      },
    };
  }

  /** The bytes belong to the caller from now on. */
  async finish(): Promise<{readonly pointer: number; readonly bytes: number}> {
    await this.settle();
    if (this.used === 0) throw new SluiceError('invalid-model', 'The model is empty (0 bytes)');
    if (this.used < this.space) this.pointer = this.memory.resize(this.pointer, this.used);
    this.space = 0;
    return {pointer: this.pointer, bytes: this.used};
  }

  /** Gives all memory back; the bytes only if finish() has not given them away. */
  async drop(): Promise<void> {
    await this.thread?.settled();
    this.thread?.end();
    if (this.space > 0) this.memory.free(this.pointer);
    this.space = 0;
    for (const state of this.hashes.splice(0)) this.memory.free(state);
  }

  // What waits goes to the core.
  private async settle(): Promise<void> {
    const bytes = this.waiting?.subarray(0, this.used);
    if (!bytes) return;
    this.core = await this.whenReady;
    this.waiting = null;
    this.used = 0;
    this.reserve(bytes.byteLength);
    this.write(bytes);
  }

  private reserve(bytes: number): void {
    if (bytes <= this.space) return;
    const core = this.memory;
    // A restart keeps nothing, so the old piece may go first.
    if (this.used === 0 && this.space > 0) {
      core.free(this.pointer);
      this.space = 0;
    }
    this.pointer = this.space > 0 ? core.resize(this.pointer, bytes) : core.alloc(bytes);
    this.space = bytes;
  }

  private get memory(): Memory {
    if (!this.core) throw new SluiceError('internal', 'Bytes of a model come before their beginning');
    return this.core;
  }
}

async function placeFile(
  core: Promise<Memory> | Memory,
  source: ModelSource,
  options: Pick<WireOptions, 'cache' | 'sha256'>,
  signal: AbortSignal | undefined,
  event: (event: ProgressEvent) => void,
): Promise<PlacedFile> {
  const sink = new CoreSink(core);
  const begin = performance.now();
  try {
    const {bytes: _bytes, ...download} = await loadModel(
      'url' in source ? source.url : 'blob' in source ? source.blob : source.bytes,
      sink,
      {
        ...(signal ? {signal} : {}),
        onProgress: event,
        ...(options.cache !== undefined ? {cache: options.cache} : {}),
        ...(options.sha256 !== undefined ? {sha256: options.sha256} : {}),
      },
    );
    return {...(await sink.finish()), download: {...download, seconds: (performance.now() - begin) / 1000}};
  } finally {
    await sink.drop();
  }
}

/**
 * The model's bytes and its external data, placed one after another. `options` say how they are kept and what
 * their hashes must be.
 */
export async function placeModel(
  core: Promise<Memory> | Memory,
  source: ModelSource,
  options: WireOptions,
  signal: AbortSignal | undefined,
  event: (event: ProgressEvent) => void,
): Promise<PlacedModel> {
  const model = await placeFile(core, source, options, signal, event);
  const files: Record<string, PlacedFile> = {};
  try {
    for (const [name, file] of Object.entries<WireFile>(options.files ?? {})) {
      const {cache} = options;
      const kept = {...(cache !== undefined ? {cache} : {}), ...(file.sha256 ? {sha256: file.sha256} : {})};
      files[name] = await placeFile(core, file.source, kept, signal, progress => {
        event(progress.phase === 'download' ? {...progress, file: name} : progress);
      });
    }
  } catch (thrown) {
    freePlaced(await core, {...model, files});
    throw thrown;
  }
  return {...model, files};
}

/** Gives everything back that was placed and not handed over. */
export function freePlaced(core: Pick<Memory, 'free'>, placed: PlacedModel): void {
  for (const {pointer} of [placed, ...Object.values(placed.files)]) core.free(pointer);
}
