// ModuleCalls: how calls into the WebAssembly module are made: texts and bytes in, JSON out, failures as
// SluiceErrors with the module's own sentence. A trap poisons it: its memory can't be trusted any more, so
// every later call fails. Not re-entrant; a view into memory is good until the next call.
import {SluiceError, messageOf} from '../errors.js';
import {errorCodes} from '../generated/limits.js';
import type {ModuleExports} from './exports.js';
import type {LoadedModule} from './load.js';
import {WasmMemory} from './memory.js';

export class ModuleCalls {
  readonly memory: WasmMemory;
  protected readonly exports: ModuleExports;
  private readonly lines: readonly string[];
  private poison: SluiceError | null = null;

  constructor(
    loaded: LoadedModule,
    private readonly onPoison: (error: SluiceError) => void,
  ) {
    this.memory = new WasmMemory(loaded.memory);
    this.exports = loaded.exports;
    this.lines = loaded.lines;
  }

  /** Memory in the module; handed over to it or given back with free(). */
  alloc(bytes: number): number {
    const pointer = this.guard(() => this.exports.sluice_alloc(Math.max(bytes, 1))) >>> 0;
    if (pointer === 0) throw new SluiceError('resource', `The module has no memory for ${bytes} bytes more`);
    return pointer;
  }

  free(pointer: number): void {
    this.guard(() => {
      this.exports.sluice_free(pointer);
      return 0;
    });
  }

  /** The same bytes in a block of another size, perhaps elsewhere. */
  resize(pointer: number, bytes: number): number {
    const moved = this.guard(() => this.exports.sluice_resize(pointer, Math.max(bytes, 1))) >>> 0;
    if (moved === 0) throw new SluiceError('resource', `The module has no memory for ${bytes} bytes`);
    return moved;
  }

  /** SHA-256 of bytes in the module's memory, as they come. The state is given back with free(). */
  beginHash(): number {
    const state = this.guard(() => this.exports.sluice_hash_begin()) >>> 0;
    if (state === 0) throw new SluiceError('resource', 'The module has no memory for a hash');
    return state;
  }

  hash(state: number, pointer: number, bytes: number): void {
    this.guard(() => {
      this.exports.sluice_hash(state, pointer, bytes);
      return 0;
    });
  }

  /** Lower-case hexadecimal, of everything so far. */
  digest(state: number): string {
    const text = this.alloc(64);
    this.guard(() => {
      this.exports.sluice_hash_end(state, text);
      return 0;
    });
    const digits = this.memory.text(text, 64);
    this.free(text);
    return digits;
  }

  /** A copy of `bytes` in the module's memory. */
  place(bytes: Uint8Array): number {
    const pointer = this.alloc(bytes.byteLength);
    this.memory.bytes.set(bytes, pointer);
    return pointer;
  }

  /** Any call: a trap ends them all. */
  protected guard(call: () => number): number {
    if (this.poison) throw this.poison;
    try {
      return call();
    } catch (trap) {
      const last = this.lines.at(-1);
      this.poison = new SluiceError(
        'internal',
        `The WebAssembly module failed (${messageOf(trap)}${last ? `; its last word: ${last}` : ''})`,
        {
          cause: trap,
          hint: 'This is a defect of sluice-web. A new session starts a new worker.',
        },
      );
      this.onPoison(this.poison);
      throw this.poison;
    }
  }

  /** A call that answers with a status. */
  protected call<K extends keyof ModuleExports>(name: K, ...args: Parameters<ModuleExports[K]>): number {
    const status = this.guard(() => {
      const run = this.exports[name] as ((...args: number[]) => number) | undefined;
      if (!run) throw new Error(`it has no function ${name}`);
      return run(...(args as number[]));
    });
    if (status < 0) throw this.failure(status);
    return status;
  }

  private text(): string {
    return this.memory.text(
      this.guard(() => this.exports.sluice_text_data()) >>> 0,
      this.guard(() => this.exports.sluice_text_size()) >>> 0,
    );
  }

  /** The text of the last call. */
  protected json(): unknown {
    return JSON.parse(this.text());
  }

  private failure(status: number): SluiceError {
    try {
      const {message, hint} = this.json() as {message: string; hint?: string};
      return new SluiceError(errorCodes[-status - 1] ?? 'internal', message, hint ? {hint} : {});
    } catch {
      return new SluiceError('internal', `The module fails without a reason (status ${status})`);
    }
  }

  protected withText(value: object, use: (text: number, size: number) => number): number {
    return this.withBytes(this.memory.encode(JSON.stringify(value)), use);
  }

  // Memory that stays ours: placed for one call.
  protected withBytes(bytes: Uint8Array, use: (at: number, size: number) => number): number {
    const at = this.place(bytes);
    try {
      return use(at, bytes.byteLength);
    } finally {
      if (!this.poison) this.free(at);
    }
  }

  /** The bytes that the last call's answer points to. */
  protected view(): Uint8Array {
    const {data, bytes} = this.json() as {data: number; bytes: number};
    return this.memory.at(data, bytes);
  }
}
