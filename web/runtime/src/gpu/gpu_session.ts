// GpuSession: one session's work on one device: the gate, the program and its runs. Its errors of code
// device and resource mean that the device is not to be used any more for this session; what then happens
// is the caller's business (engine/loaded_session.ts).
import type {AdapterVerdict, CoreApi, Finished} from '../core/core.js';
import {SluiceError} from '../errors.js';
import type {Tensor} from '../types.js';
import type {GpuDevice} from './device.js';
import {Resident} from './resident.js';
import {roundsAgain, roundsAtLoad, runSelfTest} from './self_test.js';
import {Walker} from './walker.js';
import type {ProgramData} from './walker.js';

export class GpuSession {
  private resident: Resident | null = null;
  private walker: Walker | null = null;
  private program = 0;
  private generation = 0;

  constructor(
    private readonly core: CoreApi,
    private readonly session: number,
    readonly gpu: GpuDevice,
  ) {}

  /** The whole gate: what the adapter says of itself, then the self-test. A refusal is a device error. */
  async pass(): Promise<void> {
    const verdict: AdapterVerdict = this.core.gpuAdapter(this.session, this.gpu.facts);
    if (!verdict.passed) throw new SluiceError('device', verdict.refusal);
    const rounds = roundsAtLoad(verdict.parts, verdict.rounds);
    const tested = await runSelfTest(this.core, this.session, this.gpu, rounds);
    if (!tested.passed) throw new SluiceError('device', tested.refusal);
    this.gpu.check();
  }

  /** Compiles and uploads what the set feeds (or none) allow. */
  async prepare(): Promise<void> {
    const prepared = this.core.gpuPrepare(this.session);
    if (prepared.program === 0) return;
    const sameProgram = this.resident && this.program === prepared.program && !prepared.fresh;
    if (sameProgram && this.generation === prepared.generation) return;
    if (!sameProgram) this.unload();
    this.resident ??= new Resident(this.gpu);
    this.walker ??= new Walker(this.resident);
    await this.resident.load(prepared.words, prepared.strings, constant =>
      this.core.gpuConstant(this.session, constant),
    );
    this.program = prepared.program;
    this.generation = prepared.generation;
  }

  /** One run of the feeds that are set. Repeats the self-test where the core asks for it. */
  async run(signal?: AbortSignal): Promise<Record<string, Tensor>> {
    const begin = performance.now();
    await this.prepare();
    if (!this.walker) throw new SluiceError('internal', 'The core makes no program for the feeds that are set');
    const stats = await this.walker.run(this.data(), signal);
    const record = {
      seconds: (performance.now() - begin) / 1000,
      hostCopies: stats.hostCopies,
      hostCopyBytes: stats.hostCopyBytes,
    };
    let finished: Finished = this.core.gpuFinish(this.session, record);
    if (finished.recheck !== undefined) {
      const tested = await runSelfTest(this.core, this.session, this.gpu, roundsAgain(finished.recheck));
      if (!tested.passed) throw new SluiceError('device', tested.refusal);
      finished = this.core.gpuFinish(this.session, record);
    }
    if (finished.recheck !== undefined) throw new SluiceError('internal', 'The core asks for one self-test twice');
    return finished.outputs;
  }

  /** Bytes of device memory that its program holds. */
  get bytes(): number {
    return this.resident?.bytes ?? 0;
  }

  destroy(): void {
    this.unload();
  }

  private unload(): void {
    this.walker?.destroy();
    this.resident?.destroy();
    this.walker = null;
    this.resident = null;
    this.program = this.generation = 0;
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
