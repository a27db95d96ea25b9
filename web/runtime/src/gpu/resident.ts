// Resident: what one program keeps on the device between runs: pipelines, buffers with the weights, the
// uniform block, bind groups. Another generation (other sizes) keeps whatever is large enough.
import {SluiceError} from '../errors.js';
import type {EncodedProgram} from '../core/answers.js';
import {BufferUsage} from './constants.js';
import type {GpuDevice} from './device.js';
import type {CompiledPipeline} from './pipelines.js';
import {decodeProgram} from './program.js';
import type {Dispatch, Program, Range} from './program.js';

/** Device bytes of a program's constants: a view, good until the next call into the core. */
export type ConstantSource = (constant: number) => Uint8Array;

interface Resource {
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** Tells a buffer from the one that it replaces, in keys of bind groups. */
  readonly serial: number;
}

const UPLOAD_PIECE = 8 << 20; // one writeBuffer
const UPLOAD_UNSEEN = 32 << 20; // bytes handed over before the queue is waited for
const FILL_BYTES = 256 << 10;
let serials = 0;

export class Resident {
  private strings: readonly string[] = [];
  private current: Program | null = null;
  private pipelines: CompiledPipeline[] = [];
  private buffers: Resource[] = [];
  private uniformBuffer: Resource | null = null;
  private groups = new Map<string, GPUBindGroup>();
  /** By instruction of the body; undefined where nothing is dispatched. */
  private groupsOfBody: (GPUBindGroup | undefined)[] = [];
  private sentinelGroup: GPUBindGroup | null = null;
  private readonly written = new Set<number>();
  private readonly fills = new Map<number, GPUBuffer>();
  private ended = false;

  constructor(readonly gpu: GpuDevice) {}

  get program(): Program {
    if (!this.current?.body) throw new SluiceError('internal', 'The program has no sizes yet');
    return this.current;
  }

  pipeline(index: number): GPUComputePipeline {
    const compiled = this.pipelines[index];
    if (!compiled) throw new SluiceError('internal', `The program has no pipeline ${index}`);
    return compiled.pipeline;
  }

  buffer(index: number): GPUBuffer {
    return this.resource(index).buffer;
  }

  get uniforms(): GPUBuffer {
    if (!this.uniformBuffer) throw new SluiceError('internal', 'The program has no uniform block');
    return this.uniformBuffer.buffer;
  }

  groupOf(instruction: number): GPUBindGroup {
    const group = this.groupsOfBody[instruction];
    if (!group) throw new SluiceError('internal', `The instruction ${instruction} dispatches nothing`);
    return group;
  }

  get sentinel(): {group: GPUBindGroup; pipeline: GPUComputePipeline; uniformOffset: number; buffer: GPUBuffer} {
    const at = this.program.sentinel;
    if (!at || !this.sentinelGroup) throw new SluiceError('internal', 'The program has no sentinel');
    return {
      group: this.sentinelGroup,
      pipeline: this.pipeline(at.pipeline),
      uniformOffset: at.uniformOffset,
      buffer: this.buffer(at.buffer),
    };
  }

  /** Bytes of device memory in use. */
  get bytes(): number {
    return [...this.buffers, ...(this.uniformBuffer ? [this.uniformBuffer] : [])].reduce(
      (sum, one) => sum + one.bytes,
      0,
    );
  }

  /**
   * Makes everything for a program or a further generation of it (`strings` null: those of before), and
   * uploads the constants that are not there yet.
   */
  async load(words: Uint32Array, strings: readonly string[] | null, constants: ConstantSource): Promise<void> {
    if (strings) this.strings = strings;
    const program = decodeProgram({words, strings: this.strings} satisfies EncodedProgram);
    if (this.pipelines.length === 0) {
      this.pipelines = await this.gpu.pipelines.acquire(program.pipelines);
      if (this.ended) this.releasePipelines();
    }
    this.current = program;
    if (!program.body) return;
    const [, judged] = this.gpu.scoped('making buffers', () => {
      this.makeBuffers(program);
      this.makeGroups(program);
      this.makeFills(program);
    });
    await judged;
    await this.upload(program, constants);
  }

  /** A buffer that holds `word` throughout, to copy from. */
  fillSource(word: number): {buffer: GPUBuffer; bytes: number} {
    const buffer = this.fills.get(word);
    if (!buffer) throw new SluiceError('internal', `No fill of ${word} was announced`);
    return {buffer, bytes: FILL_BYTES};
  }

  /** Gives all of it back once the queue is done with it. */
  destroy(): void {
    this.ended = true;
    for (const {buffer} of this.buffers) this.gpu.retire(buffer);
    if (this.uniformBuffer) this.gpu.retire(this.uniformBuffer.buffer);
    for (const buffer of this.fills.values()) this.gpu.retire(buffer);
    this.buffers = [];
    this.uniformBuffer = null;
    this.fills.clear();
    this.groups.clear();
    this.groupsOfBody = [];
    this.releasePipelines();
  }

  private releasePipelines(): void {
    for (const {key} of this.pipelines) this.gpu.pipelines.release(key);
    this.pipelines = [];
  }

  private resource(index: number): Resource {
    const found = this.buffers[index];
    if (!found) throw new SluiceError('internal', `The program has no buffer ${index}`);
    return found;
  }

  private create(label: string, bytes: number, usage: GPUBufferUsageFlags): Resource {
    const size = Math.max(16, Math.ceil(bytes / 4) * 4);
    return {buffer: this.gpu.device.createBuffer({label, size, usage}), bytes: size, serial: ++serials};
  }

  private makeBuffers(program: Program): void {
    const usage = BufferUsage.storage | BufferUsage.copySource | BufferUsage.copyTarget;
    this.buffers = program.buffers.map(({bytes, weights}, i) => {
      const there = this.buffers[i];
      if (there && there.bytes >= bytes) return there;
      if (there) {
        this.gpu.retire(there.buffer);
        if (weights) this.forgetConstants(program, i);
      }
      return this.create(weights ? 'weights' : 'work', bytes, usage);
    });
    const {uniforms} = program;
    if (uniforms.length > 0) {
      if (!this.uniformBuffer || this.uniformBuffer.bytes < uniforms.byteLength) {
        if (this.uniformBuffer) this.gpu.retire(this.uniformBuffer.buffer);
        this.uniformBuffer = this.create('uniforms', uniforms.byteLength, BufferUsage.uniform | BufferUsage.copyTarget);
      }
      this.gpu.queue.writeBuffer(this.uniformBuffer.buffer, 0, uniforms as Uint32Array<ArrayBuffer>);
    }
  }

  private forgetConstants(program: Program, buffer: number): void {
    for (const constant of program.constants) {
      if (constant.buffer === buffer) this.written.delete(constant.constant);
    }
  }

  private makeGroups(program: Program): void {
    const before = this.groups;
    this.groups = new Map();
    this.groupsOfBody = (program.body ?? []).map(instruction => {
      if (instruction.kind !== 'dispatch' || instruction.x === 0) return undefined;
      return this.group(before, instruction);
    });
    const {sentinel} = program;
    this.sentinelGroup =
      sentinel &&
      this.group(before, {
        pipeline: sentinel.pipeline,
        uniform: {offset: sentinel.uniformOffset, bytes: 16},
        bindings: [{buffer: sentinel.buffer, offset: 0, bytes: 16}],
      });
  }

  private group(
    before: Map<string, GPUBindGroup>,
    of: Pick<Dispatch, 'pipeline' | 'uniform' | 'bindings'>,
  ): GPUBindGroup {
    const parts = of.bindings.map(({buffer, offset, bytes}) => `${this.resource(buffer).serial}:${offset}:${bytes}`);
    const block = of.uniform ? `${this.uniformBuffer?.serial}:${of.uniform.offset}:${of.uniform.bytes}` : '';
    const key = `${of.pipeline} ${block} ${parts.join(' ')}`;
    const there = this.groups.get(key) ?? before.get(key);
    const made = there ?? this.createGroup(of);
    this.groups.set(key, made);
    return made;
  }

  private createGroup(of: Pick<Dispatch, 'pipeline' | 'uniform' | 'bindings'>): GPUBindGroup {
    const compiled = this.pipelines[of.pipeline];
    if (!compiled) throw new SluiceError('internal', `The program has no pipeline ${of.pipeline}`);
    const entries: GPUBindGroupEntry[] = of.bindings.map((range: Range, i) => ({
      binding: 1 + i,
      resource: {buffer: this.buffer(range.buffer), offset: range.offset, size: range.bytes},
    }));
    if (of.uniform) {
      entries.push({
        binding: 0,
        resource: {buffer: this.uniforms, offset: of.uniform.offset, size: of.uniform.bytes},
      });
    }
    return this.gpu.device.createBindGroup({layout: compiled.layout, entries});
  }

  private makeFills(program: Program): void {
    for (const instruction of program.body ?? []) {
      if (instruction.kind !== 'fill' || this.fills.has(instruction.word)) continue;
      const {buffer} = this.create('fill', FILL_BYTES, BufferUsage.copySource | BufferUsage.copyTarget);
      this.gpu.queue.writeBuffer(buffer, 0, new Uint32Array(FILL_BYTES / 4).fill(instruction.word));
      this.fills.set(instruction.word, buffer);
    }
  }

  // In pieces, with waits between them: the browser holds a copy of whatever the queue has not taken yet.
  private async upload(program: Program, constants: ConstantSource): Promise<void> {
    let unseen = 0;
    const verdicts: Promise<void>[] = [];
    for (const {constant, buffer, offset, bytes} of program.constants) {
      if (this.written.has(constant)) continue;
      for (let done = 0; done < bytes; done += UPLOAD_PIECE) {
        const size = Math.min(UPLOAD_PIECE, bytes - done);
        // Asked for again after a wait: another session's call may have moved the core's memory.
        const view = constants(constant);
        const [, judged] = this.gpu.scoped('uploading weights', () => {
          writeBytes(this.gpu.queue, this.buffer(buffer), offset + done, view.subarray(done, done + size));
        });
        verdicts.push(judged);
        unseen += size;
        if (unseen < UPLOAD_UNSEEN) continue;
        unseen = 0;
        this.gpu.queue.submit([]);
        await this.gpu.wait(this.gpu.queue.onSubmittedWorkDone(), 'uploading weights');
        await Promise.all(verdicts.splice(0));
      }
      this.written.add(constant);
    }
    await Promise.all(verdicts);
  }
}

/** Writes bytes of any number: WebGPU takes whole words only. */
export function writeBytes(queue: GPUQueue, buffer: GPUBuffer, offset: number, bytes: Uint8Array): void {
  const whole = bytes.byteLength & ~3;
  if (whole > 0) queue.writeBuffer(buffer, offset, bytes as Uint8Array<ArrayBuffer>, 0, whole);
  if (whole < bytes.byteLength) {
    const word = new Uint8Array(4);
    word.set(bytes.subarray(whole));
    queue.writeBuffer(buffer, offset + whole, word);
  }
}
