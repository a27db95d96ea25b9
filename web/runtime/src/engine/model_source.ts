// Brings a model's bytes into the core's memory, without a second copy where the length is known.
import type {Core} from '../core/core.js';
import {SluiceError, asSluiceError, messageOf, throwIfAborted} from '../errors.js';
import type {ModelSource, WireOptions} from '../protocol.js';
import type {ProgressEvent} from '../types.js';

/** Bytes in the core's memory, to be handed over to it. */
export interface PlacedModel {
  readonly pointer: number;
  readonly bytes: number;
}

// Takes chunks as they come. The space doubles while the length is unknown.
class CoreSink {
  private pointer = 0;
  private space = 0;
  private used = 0;

  constructor(private readonly core: Core) {}

  reserve(bytes: number): void {
    if (bytes <= this.space) return;
    const pointer = this.core.alloc(bytes);
    const {memory} = this.core;
    memory.bytes.copyWithin(pointer, this.pointer, this.pointer + this.used);
    this.drop();
    this.pointer = pointer;
    this.space = bytes;
  }

  write(chunk: Uint8Array): void {
    if (this.used + chunk.byteLength > this.space) {
      this.reserve(Math.max(this.used + chunk.byteLength, this.space * 2, 1 << 20));
    }
    this.core.memory.bytes.set(chunk, this.pointer + this.used);
    this.used += chunk.byteLength;
  }

  restart(): void {
    this.used = 0;
  }

  finish(): PlacedModel {
    if (this.used === 0) throw new SluiceError('invalid-model', 'The model is empty (0 bytes)');
    return {pointer: this.pointer, bytes: this.used};
  }

  drop(): void {
    if (this.space > 0) this.core.free(this.pointer);
    this.space = 0;
  }
}

async function readStream(
  stream: ReadableStream<Uint8Array>,
  sink: CoreSink,
  signal: AbortSignal,
  onBytes: (loaded: number) => void,
): Promise<void> {
  const reader = stream.getReader();
  let loaded = 0;
  try {
    for (;;) {
      throwIfAborted(signal, 'Loading the model');
      const {done, value} = await reader.read();
      if (done) break;
      sink.write(value);
      loaded += value.byteLength;
      onBytes(loaded);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function download(
  url: string,
  sink: CoreSink,
  signal: AbortSignal,
  event: (event: ProgressEvent) => void,
): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, {signal});
  } catch (thrown) {
    throwIfAborted(signal, 'Loading the model');
    throw new SluiceError('network', `The model ${url} can not be fetched (${messageOf(thrown)})`, {cause: thrown});
  }
  if (!response.ok || !response.body) {
    throw new SluiceError('network', `The model ${url} can not be fetched (status ${response.status})`);
  }
  const announced = Number(response.headers.get('content-length') ?? 0);
  const encoded = response.headers.has('content-encoding');
  if (announced > 0 && !encoded) sink.reserve(announced);
  try {
    await readStream(response.body, sink, signal, loadedBytes => {
      event({
        phase: 'download',
        loadedBytes,
        ...(announced > 0 && !encoded ? {totalBytes: announced} : {}),
        fromCache: false,
      });
    });
  } catch (thrown) {
    throwIfAborted(signal, 'Loading the model');
    throw asSluiceError(thrown, 'network');
  }
}

/** The model's bytes, placed. `options` say how they are kept and what their hash must be. */
export async function placeModel(
  core: Core,
  source: ModelSource,
  _options: WireOptions,
  signal: AbortSignal,
  event: (event: ProgressEvent) => void,
): Promise<PlacedModel> {
  const sink = new CoreSink(core);
  try {
    if ('bytes' in source) {
      sink.reserve(source.bytes.byteLength);
      sink.write(source.bytes);
    } else if ('blob' in source) {
      sink.reserve(source.blob.size);
      await readStream(source.blob.stream(), sink, signal, () => {});
    } else {
      await download(source.url, sink, signal, event);
    }
    return sink.finish();
  } catch (thrown) {
    sink.drop();
    throw thrown;
  }
}
