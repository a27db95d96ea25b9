// Brings a model's bytes into the core's memory, without a second copy where the length is known.
import type {Core} from '../core/core.js';
import {SluiceError} from '../errors.js';
import type {ModelSource, WireOptions} from '../protocol.js';
import {loadModel} from '../store/index.js';
import type {LoadedModel, ModelSink} from '../store/index.js';
import type {ProgressEvent} from '../types.js';

/** Bytes in the core's memory, to be handed over to it. */
export interface PlacedModel {
  readonly pointer: number;
  readonly bytes: number;
  /** How they came, for the record. */
  readonly download: Omit<LoadedModel, 'bytes'> & {readonly seconds: number};
}

const FIRST_BYTES = 1 << 20; // where the length is unknown; doubled as more comes

type Memory = Pick<Core, 'alloc' | 'free' | 'memory'>;

/** Takes chunks as they come, into one piece of the core's memory. */
export class CoreSink implements ModelSink {
  private pointer = 0;
  private space = 0;
  private used = 0;

  constructor(private readonly core: Memory) {}

  begin(totalBytes?: number): void {
    this.used = 0;
    if (totalBytes !== undefined) this.reserve(totalBytes);
  }

  write(chunk: Uint8Array): void {
    const wanted = this.used + chunk.byteLength;
    if (wanted > this.space) this.reserve(Math.max(wanted, this.space * 2, FIRST_BYTES));
    this.core.memory.bytes.set(chunk, this.pointer + this.used);
    this.used = wanted;
  }

  /** The bytes belong to the caller from now on. */
  finish(): {readonly pointer: number; readonly bytes: number} {
    if (this.used === 0) throw new SluiceError('invalid-model', 'The model is empty (0 bytes)');
    this.space = 0;
    return {pointer: this.pointer, bytes: this.used};
  }

  /** Gives the memory back, unless finish() has. */
  drop(): void {
    if (this.space > 0) this.core.free(this.pointer);
    this.space = 0;
  }

  private reserve(bytes: number): void {
    if (bytes <= this.space) return;
    const {core} = this;
    // A restart keeps nothing, so the old piece may go first.
    if (this.used === 0) this.drop();
    const pointer = core.alloc(bytes);
    core.memory.bytes.copyWithin(pointer, this.pointer, this.pointer + this.used);
    this.drop();
    this.pointer = pointer;
    this.space = bytes;
  }
}

/** The model's bytes, placed. `options` say how they are kept and what their hash must be. */
export async function placeModel(
  core: Memory,
  source: ModelSource,
  options: WireOptions,
  signal: AbortSignal,
  event: (event: ProgressEvent) => void,
): Promise<PlacedModel> {
  const sink = new CoreSink(core);
  const begin = performance.now();
  try {
    const {bytes: _bytes, ...download} = await loadModel(
      'url' in source ? source.url : 'blob' in source ? source.blob : source.bytes,
      sink,
      {
        signal,
        onProgress: event,
        ...(options.cache !== undefined ? {cache: options.cache} : {}),
        ...(options.sha256 !== undefined ? {sha256: options.sha256} : {}),
      },
    );
    return {...sink.finish(), download: {...download, seconds: (performance.now() - begin) / 1000}};
  } finally {
    sink.drop();
  }
}
