// GpuSession: one session's work on one device: the gate, the program and its runs. Its errors of code
// device and resource mean that the device is not to be used any more for this session; what then happens
// is the caller's business (engine/loaded_session.ts).
import type {AdapterVerdict, Finished} from '../core/answers.js';
import type {CoreApi} from '../core/core.js';
import {SluiceError} from '../errors.js';
import type {Tensor} from '../types.js';
import type {GpuDevice} from './device.js';
import {Resident} from './resident.js';
import {roundsAgain, roundsAtLoad, runSelfTest} from './self_test.js';
import {Walker} from './walker.js';
import type {ProgramData} from './walker.js';

/** A program on the device. */
interface Loaded {
  readonly resident: Resident;
  readonly walker: Walker;
  /** Which sizes it was made for; a program without sizes differs from all that have some. */
  sizes: string;
}

export class GpuSession {
  /** By the core's numbers: a model whose operands decide what is compiled has several. */
  private readonly programs = new Map<number, Loaded>();
  /** The self-test that a run has to pass before it counts; else empty. For the record. */
  private gate = '';

  constructor(
    private readonly core: CoreApi,
    private readonly session: number,
    readonly gpu: GpuDevice,
  ) {}

  /** What it was doing when it failed: "run 3", "gate after run 1". */
  stageOf(run: number): string {
    return this.gate ? `gate ${this.gate}` : `run ${run}`;
  }

  /** The whole gate: what the adapter says of itself, then the self-test. A refusal is a device error. */
  async pass(): Promise<void> {
    const verdict: AdapterVerdict = this.core.gpuAdapter(this.session, this.gpu.facts);
    if (!verdict.passed) throw new SluiceError('device', verdict.refusal);
    const rounds = roundsAtLoad(verdict.parts, verdict.rounds);
    const tested = await runSelfTest(this.core, this.session, this.gpu, rounds);
    if (!tested.passed) throw new SluiceError('device', tested.refusal);
    this.gpu.check();
  }

  /** Compiles and uploads what the set feeds (or none) allow. Null: only a run can tell what to compile. */
  async prepare(): Promise<Loaded | null> {
    const prepared = this.core.gpuPrepare(this.session);
    const {program, fresh} = prepared;
    if (program === 0) return null;
    for (const id of [...this.programs.keys()]) {
      if (id === program ? fresh : !prepared.kept.includes(id)) this.unload(id);
    }
    let loaded = this.programs.get(program);
    const sizes = `${prepared.complete} ${prepared.generation}`;
    if (loaded?.sizes === sizes) return loaded;
    if (!loaded) {
      const resident = new Resident(this.gpu);
      loaded = {resident, walker: new Walker(resident), sizes: ''};
      this.programs.set(program, loaded);
    }
    const constants = (constant: number) => this.core.gpuConstant(this.session, constant);
    await loaded.resident.load(prepared.words, prepared.strings, constants);
    loaded.sizes = sizes;
    return loaded;
  }

  /** One run of the feeds that are set. Repeats the self-test where the core asks for it. */
  async run(signal?: AbortSignal): Promise<Record<string, Tensor>> {
    const begin = performance.now();
    const loaded = await this.prepare();
    if (!loaded) throw new SluiceError('internal', 'The core makes no program for the feeds that are set');
    await loaded.walker.run(this.data(), signal);
    const record = {seconds: (performance.now() - begin) / 1000};
    let finished: Finished = this.core.gpuFinish(this.session, record);
    if (finished.recheck !== undefined) {
      this.gate = finished.recheck;
      const tested = await runSelfTest(this.core, this.session, this.gpu, roundsAgain(finished.recheck));
      if (!tested.passed) throw new SluiceError('device', tested.refusal);
      this.gate = '';
      finished = this.core.gpuFinish(this.session, record);
    }
    if (finished.recheck !== undefined) throw new SluiceError('internal', 'The core asks for one self-test twice');
    return finished.outputs;
  }

  /** Bytes of device memory that its programs hold. */
  get bytes(): number {
    return [...this.programs.values()].reduce((sum, {resident}) => sum + resident.bytes, 0);
  }

  destroy(): void {
    for (const id of [...this.programs.keys()]) this.unload(id);
  }

  private unload(program: number): void {
    const loaded = this.programs.get(program);
    this.programs.delete(program);
    loaded?.walker.destroy();
    loaded?.resident.destroy();
  }

  private data(): ProgramData {
    const {core, session} = this;
    return {
      input: index => core.gpuInput(session, index),
      output: (index, bytes) => {
        core.gpuOutput(session, index, bytes);
      },
      islandInput: (step, index, bytes) => {
        core.gpuIslandInput(session, step, index, bytes);
      },
      islandRun: step => {
        core.gpuIslandRun(session, step);
      },
      islandOutput: (step, index) => core.gpuIslandOutput(session, step, index),
    };
  }
}
