// PipelineCache: the compute pipelines of one device, by what they are made of. All that a program needs
// are compiled side by side; programs share what is equal, and the last to release one frees it.
import {SluiceError, messageOf} from '../errors.js';
import {COMPUTE_STAGE} from './constants.js';
import type {GpuDevice} from './device.js';

export interface PipelineSpec {
  readonly label: string;
  readonly wgsl: string;
  readonly uniform: boolean;
  /** Storage bindings; bit i of the mask: binding 1 + i is read-write. */
  readonly bindings: number;
  readonly writableMask: number;
}

export interface CompiledPipeline {
  readonly key: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

interface Entry {
  users: number;
  readonly compiled: Promise<CompiledPipeline>;
}

export class PipelineCache {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly device: GpuDevice) {}

  /** All of `specs`, in order. A failure is a device error that names the shader. */
  async acquire(specs: readonly PipelineSpec[]): Promise<CompiledPipeline[]> {
    const taken: string[] = [];
    const waits = specs.map(spec => {
      const key = keyOf(spec);
      let entry = this.entries.get(key);
      if (!entry) {
        entry = {users: 0, compiled: this.compile(spec, key)};
        entry.compiled.catch(() => {}); // seen below
        this.entries.set(key, entry);
      }
      ++entry.users;
      taken.push(key);
      return entry.compiled;
    });
    try {
      // The deadline is for one pipeline: every one that comes starts it afresh.
      return await this.device.wait(Promise.all(waits), 'compiling shaders');
    } catch (thrown) {
      taken.forEach(key => {
        this.release(key);
      });
      throw thrown;
    }
  }

  release(key: string): void {
    const entry = this.entries.get(key);
    if (entry && --entry.users === 0) this.entries.delete(key);
  }

  private async compile(spec: PipelineSpec, key: string): Promise<CompiledPipeline> {
    const {device} = this.device;
    const [made, judged] = this.device.scoped(`shader ${spec.label}`, () => {
      const entries: GPUBindGroupLayoutEntry[] = [];
      if (spec.uniform) entries.push({binding: 0, visibility: COMPUTE_STAGE, buffer: {type: 'uniform'}});
      for (let i = 0; i < spec.bindings; ++i) {
        const type = (spec.writableMask >>> i) & 1 ? 'storage' : 'read-only-storage';
        entries.push({binding: 1 + i, visibility: COMPUTE_STAGE, buffer: {type}});
      }
      const layout = device.createBindGroupLayout({label: spec.label, entries});
      const module = device.createShaderModule({label: spec.label, code: spec.wgsl});
      const pipeline = device.createComputePipelineAsync({
        label: spec.label,
        layout: device.createPipelineLayout({bindGroupLayouts: [layout]}),
        compute: {module, entryPoint: 'main'},
      });
      pipeline.catch(() => {}); // seen below, after the scopes' word
      return {layout, module, pipeline};
    });
    try {
      await judged;
      const pipeline = await made.pipeline;
      this.device.heard();
      return {key, layout: made.layout, pipeline};
    } catch (thrown) {
      if (this.device.failure) throw this.device.failure;
      const info = await made.module.getCompilationInfo().catch(() => null);
      const first = info?.messages.find(message => message.type === 'error');
      const where = first ? `line ${first.lineNum}: ${first.message}` : messageOf(thrown);
      throw new SluiceError('device', `The device does not compile the shader ${spec.label} (${where})`, {
        cause: thrown,
      });
    }
  }
}

function keyOf(spec: PipelineSpec): string {
  return `${spec.uniform ? 1 : 0} ${spec.bindings} ${spec.writableMask} ${spec.wgsl}`;
}
