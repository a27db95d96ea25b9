// Core: the WebAssembly module behind typed methods, one for each export of src/wasm/abi.h that sessions use.
import {SluiceError} from '../errors.js';
import {fits, isNumbers} from '../protocol.js';
import type {FeedPlace} from '../protocol.js';
import type {Binding, DType, Tensor} from '../types.js';
import type {
  AdapterVerdict,
  CutoutPixels,
  EncodedProgram,
  FailureNote,
  Finished,
  OpenOptions,
  OpenedModel,
  Prepared,
  Verdict,
} from './answers.js';
import type {LoadedModule} from './load.js';
import type {HashThread} from './hash_thread.js';
import {ModuleCalls} from './module_calls.js';
import {bytesOf, numericType, tensorOf} from './values.js';
import type {WireValue} from './values.js';

/** What the executor and the sessions need of it; tests have their own. */
export type CoreApi = Pick<Core, Exclude<keyof Core, 'memory' | 'flavour' | 'version' | 'threads'>>;

interface Words {
  readonly words: readonly [number, number];
  readonly strings?: readonly string[];
}

export class Core extends ModuleCalls {
  readonly flavour: string;
  readonly version: string;
  readonly threads: number;
  /** The threads are there when there is work for them; the first call counts. */
  readonly startThreads: () => void;
  /** A new thread that hashes, to be ended by the caller; null where there are no threads. */
  readonly hashThread: () => HashThread | null;
  /** By session and input: feeds whose memory may be written again. */
  private readonly feeds = new Map<number, Map<number, FeedPlace>>();
  /** By session: what the outputs were told to be. */
  private spares: ArrayBuffer[] = [];
  private readonly outputs = new Map<number, readonly WireValue[]>();

  constructor(loaded: LoadedModule, onPoison: (error: SluiceError) => void = () => {}) {
    super(loaded, onPoison);
    this.flavour = loaded.flavour;
    this.startThreads = () => {
      loaded.team.start();
    };
    this.hashThread = () =>
      loaded.team.hashThread(block => {
        this.free(block);
      });
    this.call('sluice_configure', loaded.threads);
    const about = this.json() as {version: string; threads: number};
    this.version = about.version;
    this.threads = about.threads;
  }

  // --- sessions

  /** `model` was placed; it is handed over. */
  open(model: number, bytes: number, options: OpenOptions): OpenedModel {
    const session = this.withText(options, (text, size) => this.call('sluice_open', model, bytes, text, size));
    return {...(this.json() as Omit<OpenedModel, 'session'>), session};
  }

  /** The same bytes once more, where they were given up (modelHeld). They are handed over. */
  reopen(session: number, model: number, bytes: number, options: Pick<OpenOptions, 'modelSha256' | 'files'>): void {
    this.withText(options, (text, size) => this.call('sluice_reopen', session, model, bytes, text, size));
  }

  /** false: the CPU has packed the weights, and a device would need the model again. */
  modelHeld(session: number): boolean {
    return this.call('sluice_model_held', session) === 1;
  }

  close(session: number): void {
    this.feeds.delete(session);
    this.outputs.delete(session);
    this.call('sluice_close', session);
  }

  /**
   * `again`: the session is bound to the CPU, so a feed of the dtype and dims of the one before is written over it.
   * A device's programs may hold on to theirs.
   */
  feed(session: number, input: number, tensor: Tensor, again = false): void {
    const {dtype, dims, data} = tensor;
    const before = this.fed(session, input);
    if (again && before && isNumbers(data) && fits(tensor, before)) {
      this.memory.bytes.set(bytesOf(data), before.at);
      return;
    }
    this.feeds.get(session)?.delete(input);
    if (!isNumbers(data)) {
      this.withText({dtype, dims, strings: data}, (text, size) =>
        this.call('sluice_feed', session, input, text, size, 0, 0),
      );
      return;
    }
    const bytes = bytesOf(data);
    this.withText({dtype, dims}, (text, size) => {
      const at = this.place(bytes);
      const status = this.call('sluice_feed', session, input, text, size, at, bytes.byteLength);
      if (again) {
        const {BYTES_PER_ELEMENT: elementBytes, byteLength} = data;
        this.remember(session, input, {dtype, dims: [...dims], at, bytes: byteLength, elementBytes});
      }
      return status;
    });
  }

  /** Memory for an input's feed, to be written before the next run on the CPU. */
  reserveFeed(session: number, input: number, dtype: DType, dims: readonly number[]): void {
    const {bytes, each} = numericType(dtype, dims) ?? {bytes: 0, each: 0};
    this.withText({dtype, dims}, (text, size) => {
      const at = this.alloc(bytes);
      const status = this.call('sluice_feed', session, input, text, size, at, bytes);
      this.remember(session, input, {dtype, dims: [...dims], at, bytes, elementBytes: each});
      return status;
    });
  }

  /** The feed that was set with `again` and is still there. */
  fed(session: number, input: number): FeedPlace | undefined {
    return this.feeds.get(session)?.get(input);
  }

  // --- the CPU

  cpuBind(session: number): void {
    this.call('sluice_cpu_bind', session);
  }

  cpuRun(session: number): Record<string, Tensor> {
    this.cpuRunAgain(session);
    return this.cpuResults(session);
  }

  /** A run whose results stay where they are. */
  cpuRunAgain(session: number): void {
    const asTold = this.call('sluice_cpu_run_again', session) === 1;
    if (asTold && this.outputs.has(session)) return;
    const {outputs} = this.json() as {outputs: readonly WireValue[]};
    this.outputs.set(session, outputs);
  }

  /** What the latest run on the CPU has made, and where it lies until the next one: a new list where that has changed. */
  cpuOutputs(session: number): readonly WireValue[] {
    return this.outputs.get(session) ?? [];
  }

  cpuResults(session: number): Record<string, Tensor> {
    return this.results(this.cpuOutputs(session));
  }

  /** Memory for results of the same sizes, until the next ones are handed out. */
  recycle(buffers: readonly ArrayBuffer[]): void {
    this.spares = [...buffers];
  }

  /** What the latest run has changed of the record (OpenedModel.runFigures); null: more than that. */
  runFigures(session: number, count: number): Float64Array<ArrayBuffer> | null {
    const at = this.runFiguresAt(session);
    return at === 0 ? null : this.memory.doubles(at, count);
  }

  /** Where they lie until the next call; 0 for null. */
  runFiguresAt(session: number): number {
    return this.guard(() => this.exports.sluice_run_figures(session)) >>> 0;
  }

  // --- the GPU

  gpuAdapter(session: number, facts: object): AdapterVerdict {
    if (!('sluice_gpu_adapter' in this.exports)) {
      throw new SluiceError('usage', 'The CPU was asked for, so the module that was loaded can drive no device');
    }
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

  /** A few milliseconds of what no result waits for; false: there was nothing to do. */
  workIdly(session: number): boolean {
    return this.call('sluice_work_idly', session) === 1;
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
    this.feeds.delete(session);
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

  private remember(session: number, input: number, fed: FeedPlace): void {
    const all = this.feeds.get(session);
    if (all) all.set(input, fed);
    else this.feeds.set(session, new Map([[input, fed]]));
  }

  private spare(bytes: number): ArrayBuffer | undefined {
    const at = this.spares.findIndex(buffer => buffer.byteLength === bytes);
    return at < 0 ? undefined : this.spares.splice(at, 1)[0];
  }

  private results(values: readonly WireValue[]): Record<string, Tensor> {
    const out: Record<string, Tensor> = {};
    for (const value of values) out[value.name] = tensorOf(value, this.memory, size => this.spare(size));
    this.spares = [];
    return out;
  }
}
