// Walker: executes a program that is resident on a device, instruction by instruction. It knows no
// operators and no models; whose data it moves is the business of a ProgramData.
import {SluiceError, asSluiceError, throwIfAborted} from '../errors.js';
import type {Instruction} from './program.js';
import {Readback} from './readback.js';
import {Recorder} from './recorder.js';
import {writeBytes} from './resident.js';
import type {Resident} from './resident.js';

/** The core's side of a run. Views it returns are good until its next call. */
export interface ProgramData {
  input(index: number): Uint8Array;
  output(index: number, bytes: Uint8Array): void;
  islandInput(step: number, index: number, bytes: Uint8Array): void;
  islandRun(step: number): void;
  islandOutput(step: number, index: number): Uint8Array;
}

export interface RunStats {
  readonly dispatches: number;
  readonly submits: number;
  readonly longestSubmitSeconds: number;
}

export class Walker {
  private readonly recorder: Recorder;
  private readonly readback: Readback;

  constructor(private readonly resident: Resident) {
    this.recorder = new Recorder(resident.gpu);
    this.readback = new Readback(resident, this.recorder);
  }

  /** One run. An abort ends it between two submits. Errors of the device have the code `device`. */
  async run(data: ProgramData, signal?: AbortSignal): Promise<RunStats> {
    this.resident.gpu.check();
    const {stats} = this.recorder;
    stats.dispatches = stats.submits = stats.longestSubmitSeconds = 0;
    let where = '';
    try {
      const body = this.resident.program.body ?? [];
      const outputs: (Instruction & {kind: 'output'})[] = [];
      for (let i = 0; i < body.length; ++i) {
        const instruction = body[i] as Instruction;
        switch (instruction.kind) {
          case 'step':
            where = ` (step ${instruction.step}, ${instruction.op} "${instruction.node}")`;
            break;
          case 'dispatch':
            if (instruction.x === 0) break;
            throwIfAborted(signal, 'The run');
            await this.recorder.dispatch(
              this.resident.pipeline(instruction.pipeline),
              this.resident.groupOf(i),
              [instruction.x, instruction.y, instruction.z],
              instruction.costFlop,
              instruction.costBytes,
            );
            break;
          case 'input':
            await this.recorder.submit(); // writeBuffer overtakes what is not submitted
            this.write(instruction.buffer, instruction.offset, data.input(instruction.index));
            break;
          case 'fill':
            this.fill(instruction);
            break;
          case 'island':
            await this.island(instruction, data);
            break;
          case 'output':
            outputs.push(instruction);
            break;
        }
      }
      where = '';
      throwIfAborted(signal, 'The run');
      await this.readback.read(outputs, (i, bytes) => {
        data.output(outputs[i]?.index ?? 0, bytes);
      });
      await this.recorder.finish();
      this.resident.gpu.check();
    } catch (thrown) {
      const error = this.resident.gpu.failure ?? asSluiceError(thrown, 'device');
      this.recorder.drop();
      if (error.code === 'device' && where) throw new SluiceError('device', error.message + where, {cause: error});
      throw error;
    }
    return {...stats};
  }

  destroy(): void {
    this.recorder.drop();
    this.readback.destroy();
  }

  private write(buffer: number, offset: number, bytes: Uint8Array): void {
    const {gpu} = this.resident;
    // The scopes' verdict is seen by whatever waits next: it fails the device's record.
    const [, judged] = gpu.scoped('writing inputs', () => {
      writeBytes(gpu.queue, this.resident.buffer(buffer), offset, bytes);
    });
    judged.catch((thrown: unknown) => {
      gpu.fail(asSluiceError(thrown).message);
    });
  }

  private fill({word, buffer, offset, bytes}: Instruction & {kind: 'fill'}): void {
    const source = this.resident.fillSource(word);
    for (let done = 0; done < bytes; done += source.bytes) {
      this.recorder.copy(
        source.buffer,
        0,
        this.resident.buffer(buffer),
        offset + done,
        Math.min(source.bytes, Math.ceil((bytes - done) / 4) * 4),
      );
    }
  }

  private async island({step, inputs, outputs}: Instruction & {kind: 'island'}, data: ProgramData): Promise<void> {
    if (inputs.length > 0) {
      await this.readback.read(inputs, (i, bytes) => {
        data.islandInput(step, inputs[i]?.index ?? 0, bytes);
      });
    }
    await this.recorder.submit(); // work recorded before may still read or write what is written now
    data.islandRun(step);
    for (const {index, buffer, offset} of outputs) {
      const bytes = data.islandOutput(step, index);
      this.write(buffer, offset, bytes);
    }
  }
}
