// MemoryView: the module's memory, as it grows; WasmMemory: with texts in and out of it, too. A view is good until the
// next call into the module: growth replaces the buffer (unshared memory detaches the old).
export class MemoryView {
  private view: Uint8Array;

  constructor(readonly memory: WebAssembly.Memory) {
    this.view = new Uint8Array(memory.buffer);
  }

  /** The whole memory, as it is now. */
  get bytes(): Uint8Array {
    const {buffer} = this.memory;
    if (this.view.buffer !== buffer || this.view.byteLength !== buffer.byteLength) this.view = new Uint8Array(buffer);
    return this.view;
  }

  /** Whether these bytes are there, as far as this thread has heard. */
  has(pointer: number, size: number): boolean {
    return pointer + size <= this.bytes.byteLength;
  }

  /** A view, no copy. */
  at(pointer: number, size: number): Uint8Array {
    return this.bytes.subarray(pointer, pointer + size);
  }

  /** A copy in memory of its own, never shared: `into`, which has that size, or new. */
  copy(pointer: number, size: number, into = new ArrayBuffer(size)): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(into);
    out.set(this.at(pointer, size));
    return out;
  }

  /** Copied: they outlive the next call. */
  doubles(pointer: number, count: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.copy(pointer, count * 8).buffer);
  }
}

export class WasmMemory extends MemoryView {
  private readonly decoder = new TextDecoder();
  private readonly encoder = new TextEncoder();

  /** Other threads may see it. */
  get shared(): boolean {
    return !(this.memory.buffer instanceof ArrayBuffer);
  }

  /** 32-bit words, copied. */
  words(pointer: number, count: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.copy(pointer, count * 4).buffer);
  }

  text(pointer: number, size: number): string {
    // TextDecoder refuses shared memory.
    return this.decoder.decode(this.copy(pointer, size));
  }

  encode(text: string): Uint8Array {
    return this.encoder.encode(text);
  }
}
