// A stream's bytes, chunk by chunk, in memory that is used again: a download of hundreds of megabytes otherwise
// leaves as much garbage behind, which the browser collects late.
const bufferBytes = 256 << 10;

export class ChunkReader {
  private readonly own: ReadableStreamBYOBReader | undefined;
  private readonly plain: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private buffer = new ArrayBuffer(bufferBytes);

  constructor(stream: ReadableStream<Uint8Array>) {
    try {
      this.own = stream.getReader({mode: 'byob'});
    } catch {
      this.plain = stream.getReader(); // not a stream of bytes, as far as this browser is concerned
    }
  }

  /** The next bytes, valid until the next read; undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.plain) {
      const {done, value} = await this.plain.read();
      return done ? undefined : value;
    }
    const {done, value} = (await this.own?.read(new Uint8Array(this.buffer))) ?? {done: true, value: undefined};
    // The buffer has moved into what was read; a cancelled stream keeps it.
    this.buffer = value?.buffer ?? new ArrayBuffer(bufferBytes);
    return done ? undefined : value;
  }

  /** What is left is of no interest, but is to come to its end: an answer that is cut off is not kept by the browser. */
  async drain(): Promise<void> {
    try {
      while (await this.read());
    } catch {
      // nobody wants it
    }
  }
}
