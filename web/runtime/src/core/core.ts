// Core: the WebAssembly module behind typed methods, one for each export of src/wasm/abi.h. Failures are
// SluiceErrors with the module's own sentence. A trap poisons it: its memory can't be trusted any more, so
// every later call fails. Not re-entrant; views that a method returns are good until the next call.
import {SluiceError, messageOf} from '../errors.js';
import {errorCodes} from '../generated/limits.js';
import type {Binding, Tensor, ValueInfo} from '../types.js';
import type {ModuleExports} from './exports.js';
import type {LoadedModule} from './load.js';
import {WasmMemory} from './memory.js';
import {bytesOf, isNumeric, tensorOf} from './values.js';
import type {WireValue} from './values.js';

export interface OpenOptions {
  readonly name: string;
  readonly requested: 'auto' | 'webgpu' | 'cpu';
  readonly outputs?: readonly string[];
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  readonly strict?: boolean;
  readonly allowSoftware?: boolean;
  readonly limits?: Readonly<Record<string, number>>;
}

export interface OpenedModel {
  readonly session: number;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly modelSha256: string;
  readonly readSeconds: number;
}

export interface Verdict {
  readonly passed: boolean;
  readonly refusal: string;
  readonly findings: readonly {readonly check: string; readonly passed: boolean; readonly sentence: string}[];
}

export interface AdapterVerdict extends Verdict {
  readonly parts: number;
  readonly rounds: number;
}

/** An encoded program (src/plan/opcodes.def), copied out of the module's memory. */
export interface EncodedProgram {
  readonly words: Uint32Array;
  readonly strings: readonly string[];
}

export interface Prepared {
  /** 0: only a run can tell. */
  readonly program: number;
  readonly fresh: boolean;
  readonly complete: boolean;
  readonly generation: number;
  readonly words: Uint32Array;
  /** Programs that may come again; what the host holds for others is to be freed. */
  readonly kept: readonly number[];
  /** Only when fresh. */
  readonly strings: readonly string[] | null;
}

export type Finished =
  | {readonly recheck: string}
  | {readonly recheck?: undefined; readonly outputs: Record<string, Tensor>; readonly nonfinite: boolean};

export interface FailureNote {
  readonly stage: string;
  readonly error: string;
  readonly deviceLost: boolean;
}

/** What the executor and the sessions need of it; tests have their own. */
export type CoreApi = Pick<Core, Exclude<keyof Core, 'memory' | 'flavour' | 'version' | 'threads'>>;

interface PointerAndBytes {
  readonly data: number;
  readonly bytes: number;
}
interface Words {
  readonly words: readonly [number, number];
  readonly strings?: readonly string[];
}

export class Core {
  readonly memory: WasmMemory;
  readonly flavour: string;
  readonly version: string;
  readonly threads: number;
  private readonly exports: ModuleExports;
  private poison: SluiceError | null = null;

  constructor(
    private readonly loaded: LoadedModule,
    private readonly onPoison: (error: SluiceError) => void = () => {},
  ) {
    this.memory = new WasmMemory(loaded.memory);
    this.flavour = loaded.flavour;
    this.exports = loaded.exports;
    this.call('sluice_configure', loaded.threads);
    const about = this.json() as {version: string; threads: number};
    this.version = about.version;
    this.threads = about.threads;
  }

  // --- memory

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

  /** A copy of `bytes` in the module's memory. */
  place(bytes: Uint8Array): number {
    const pointer = this.alloc(bytes.byteLength);
    this.memory.bytes.set(bytes, pointer);
    return pointer;
  }

  // --- sessions

  /** `model` was placed; it is handed over. */
  open(model: number, bytes: number, options: OpenOptions): OpenedModel {
    const session = this.withText(options, (text, size) => this.call('sluice_open', model, bytes, text, size));
    return {...(this.json() as Omit<OpenedModel, 'session'>), session};
  }

  close(session: number): void {
    this.guard(() => {
      this.exports.sluice_close(session);
      return 0;
    });
  }

  feed(session: number, input: number, tensor: Tensor): void {
    const {dtype, dims, data} = tensor;
    if (!isNumeric(data)) {
      this.withText({dtype, dims, strings: data}, (text, size) =>
        this.call('sluice_feed', session, input, text, size, 0, 0),
      );
      return;
    }
    const bytes = bytesOf(data);
    this.withText({dtype, dims}, (text, size) => {
      const at = this.place(bytes);
      return this.call('sluice_feed', session, input, text, size, at, bytes.byteLength);
    });
  }

  // --- the CPU

  cpuBind(session: number): void {
    this.call('sluice_cpu_bind', session);
  }

  cpuRun(session: number): Record<string, Tensor> {
    this.call('sluice_cpu_run', session);
    return this.results((this.json() as {outputs: readonly WireValue[]}).outputs);
  }

  // --- the GPU

  gpuAdapter(session: number, facts: object): AdapterVerdict {
    this.withText(facts, (text, size) => this.call('sluice_gpu_adapter', session, text, size));
    return this.json() as AdapterVerdict;
  }

  gpuCanary(session: number, part: number): EncodedProgram {
    this.call('sluice_gpu_canary', session, part);
    const {words, strings} = this.json() as Words;
    return {words: this.memory.words(...words), strings: strings ?? []};
  }

  /** kind 0: a Constant, 1: an Input. A view. */
  gpuCanaryData(session: number, kind: 0 | 1, index: number): Uint8Array {
    this.call('sluice_gpu_canary_data', session, kind, index);
    return this.view();
  }

  gpuCanaryJudge(session: number, output: number, bytes: Uint8Array): void {
    this.withBytes(bytes, (at, size) => this.call('sluice_gpu_canary_judge', session, output, at, size));
  }

  gpuCanaryFailed(session: number, part: number, why: string): void {
    this.withBytes(this.memory.encode(why), (at, size) =>
      this.call('sluice_gpu_canary_failed', session, part, at, size),
    );
  }

  gpuCanaryVerdict(session: number, about: {readonly when: string; readonly seconds: number}): Verdict {
    this.withText(about, (text, size) => this.call('sluice_gpu_canary_verdict', session, text, size));
    return this.json() as Verdict;
  }

  gpuPrepare(session: number): Prepared {
    this.call('sluice_gpu_prepare', session);
    const prepared = this.json() as Partial<Words> & Partial<Omit<Prepared, 'words' | 'strings'>> & {program: number};
    return {
      program: prepared.program,
      fresh: prepared.fresh ?? false,
      complete: prepared.complete ?? false,
      generation: prepared.generation ?? 0,
      kept: prepared.kept ?? [],
      words: prepared.words ? this.memory.words(...prepared.words) : new Uint32Array(0),
      strings: prepared.strings ?? null,
    };
  }

  gpuConstant(session: number, constant: number): Uint8Array {
    this.call('sluice_gpu_constant', session, constant);
    return this.view();
  }

  gpuInput(session: number, input: number): Uint8Array {
    this.call('sluice_gpu_input', session, input);
    return this.view();
  }

  gpuIslandInput(session: number, step: number, index: number, bytes: Uint8Array): void {
    this.withBytes(bytes, (at, size) => this.call('sluice_gpu_island_input', session, step, index, at, size));
  }

  gpuIslandRun(session: number, step: number): void {
    this.call('sluice_gpu_island_run', session, step);
  }

  gpuIslandOutput(session: number, step: number, index: number): Uint8Array {
    this.call('sluice_gpu_island_output', session, step, index);
    return this.view();
  }

  gpuOutput(session: number, output: number, bytes: Uint8Array): void {
    this.withBytes(bytes, (at, size) => this.call('sluice_gpu_output', session, output, at, size));
  }

  gpuFinish(session: number, record: {readonly seconds: number}): Finished {
    this.withText(record, (text, size) => this.call('sluice_gpu_finish', session, text, size));
    const finished = this.json() as {recheck?: string; outputs?: readonly WireValue[]; nonfinite?: boolean};
    if (finished.recheck !== undefined) return {recheck: finished.recheck};
    return {outputs: this.results(finished.outputs ?? []), nonfinite: finished.nonfinite ?? false};
  }

  gpuFailover(session: number, why: FailureNote): void {
    this.withText(why, (text, size) => this.call('sluice_gpu_failover', session, text, size));
  }

  // --- the record

  note(session: number, members: object): void {
    this.withText(members, (text, size) => this.call('sluice_note', session, text, size));
  }

  binding(session: number): Binding {
    this.call('sluice_binding', session);
    return this.json() as Binding;
  }

  otlp(session: number, resource: {attributes: Readonly<Record<string, string>>}): {metrics: object; logs: object} {
    this.withText(resource, (text, size) => this.call('sluice_otlp', session, text, size));
    return this.json() as {metrics: object; logs: object};
  }

  // --- the cutout

  /** Sets the session's feed out of RGBA pixels, which were placed; they are handed over. `manifest`: JSON. */
  cutoutPrepare(
    session: number,
    manifest: string,
    pixels: number,
    width: number,
    height: number,
  ): {readonly width: number; readonly height: number; readonly note: string} {
    this.withBytes(this.memory.encode(manifest), (text, size) =>
      this.call('sluice_cutout_prepare', session, text, size, pixels, width, height),
    );
    return this.json() as {width: number; height: number; note: string};
  }

  cutoutFinish(session: number, options: object): CutoutPixels {
    this.withText(options, (text, size) => this.call('sluice_cutout_finish', session, text, size));
    return this.cutoutPixels();
  }

  cutoutRecolor(session: number, alpha: Uint8Array): CutoutPixels {
    this.call('sluice_cutout_recolor', session, this.place(alpha), alpha.byteLength);
    return this.cutoutPixels();
  }

  private cutoutPixels(): CutoutPixels {
    const {alpha, foreground, width, height, refineSeconds} = this.json() as {
      alpha: number;
      foreground: number;
      width: number;
      height: number;
      refineSeconds?: number;
    };
    return {
      alpha: this.memory.copy(alpha, width * height),
      foreground: this.memory.copy(foreground, width * height * 4),
      width,
      height,
      refineSeconds: refineSeconds ?? 0,
    };
  }

  // --- how calls are made

  private guard(call: () => number): number {
    if (this.poison) throw this.poison;
    try {
      return call();
    } catch (trap) {
      const last = this.loaded.lines.at(-1);
      this.poison = new SluiceError('internal', `The WebAssembly module failed (${last ?? messageOf(trap)})`, {
        cause: trap,
        hint: 'This is a defect of sluice-web. A new session starts a new worker.',
      });
      this.onPoison(this.poison);
      throw this.poison;
    }
  }

  private call<K extends keyof ModuleExports>(name: K, ...args: Parameters<ModuleExports[K]>): number {
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

  private json(): unknown {
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

  private withText(value: object, use: (text: number, size: number) => number): number {
    return this.withBytes(this.memory.encode(JSON.stringify(value)), use);
  }

  // Memory that stays ours: placed for one call.
  private withBytes(bytes: Uint8Array, use: (at: number, size: number) => number): number {
    const at = this.place(bytes);
    try {
      return use(at, bytes.byteLength);
    } finally {
      if (!this.poison) this.free(at);
    }
  }

  private view(): Uint8Array {
    const {data, bytes} = this.json() as PointerAndBytes;
    return this.memory.at(data, bytes);
  }

  private results(values: readonly WireValue[]): Record<string, Tensor> {
    const out: Record<string, Tensor> = {};
    for (const value of values) out[value.name] = tensorOf(value, this.memory);
    return out;
  }
}

export interface CutoutPixels {
  /** One byte a pixel. */
  readonly alpha: Uint8Array<ArrayBuffer>;
  /** RGBA with alpha 255. */
  readonly foreground: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  readonly refineSeconds: number;
}
