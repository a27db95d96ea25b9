// A WebGPU device in JavaScript, for tests of the executor without a GPU: buffers are arrays, a "kernel" is a
// function found by its pipeline's label, commands are executed when they are submitted. Any call can be made
// to fail, by name and number: FakeGpu.faults = [{call: 'submit', number: 2, kind: 'lose'}].
const later = () => new Promise(resolve => setImmediate(resolve));
const never = () => new Promise(() => {});

export const faultKinds = ['lose', 'validation', 'oom', 'internal', 'hang', 'throw', 'uncaptured', 'stale'];

class FakeBuffer {
  constructor(device, { size, usage, label }) {
    Object.assign(this, { device, size, usage, label: label ?? '', destroyed: false, mapped: false });
    this.data = new Uint8Array(size);
  }
  async mapAsync() {
    const hang = this.device.hit('mapAsync');
    if (hang) return never();
    await later();
    if (this.device.isLost) throw new Error('the device is lost');
    this.mapped = true;
  }
  getMappedRange(offset, size) {
    if (!this.mapped) throw new Error('not mapped');
    return this.data.slice(offset, offset + size).buffer;
  }
  unmap() {
    this.mapped = false;
  }
  destroy() {
    this.destroyed = true;
    this.device.bytes -= this.size;
  }
}

class FakeQueue {
  constructor(device) {
    this.device = device;
  }
  writeBuffer(buffer, at, source, offset = 0, size = undefined) {
    this.device.hit('writeBuffer');
    if (this.device.dead()) return;
    const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    const unit = source.BYTES_PER_ELEMENT;
    const part = bytes.subarray(offset * unit, size === undefined ? undefined : (offset + size) * unit);
    if (part.length % 4 !== 0 || at % 4 !== 0) this.device.error('validation', 'writeBuffer of no whole words');
    else if (buffer.destroyed) this.device.error('validation', 'writeBuffer into a destroyed buffer');
    else buffer.data.set(part, at);
  }
  submit(lists) {
    this.device.hit('submit');
    for (const commands of lists) {
      for (const command of commands) {
        if (!this.device.dead()) command();
      }
    }
  }
  async onSubmittedWorkDone() {
    if (this.device.hit('onSubmittedWorkDone')) return never();
    await later();
  }
}

class FakeEncoder {
  constructor(device) {
    this.device = device;
    this.commands = [];
  }
  beginComputePass() {
    let pipeline, group;
    return {
      setPipeline: value => void (pipeline = value),
      setBindGroup: (_index, value) => void (group = value),
      dispatchWorkgroups: (x, y, z) => {
        this.device.hit('dispatch');
        const [p, g] = [pipeline, group];
        this.commands.push(() => this.device.dispatch(p, g, [x, y, z]));
      },
      end: () => {},
    };
  }
  copyBufferToBuffer(from, fromAt, to, toAt, size) {
    this.commands.push(() => {
      if (from.destroyed || to.destroyed) this.device.error('validation', 'copy of a destroyed buffer');
      else to.data.set(from.data.subarray(fromAt, fromAt + size), toAt);
    });
  }
  finish() {
    return this.commands;
  }
}

export class FakeGpu {
  features = new Set();
  limits = { maxBufferSize: 1 << 28 };
  queue = new FakeQueue(this);
  isLost = false;
  calls = {};
  fired = [];
  bytes = 0;
  scopes = [];
  listeners = [];
  hanging = false;
  stale = false;

  constructor(kernels, faults = []) {
    this.kernels = kernels;
    this.faults = faults;
    this.lost = new Promise(resolve => (this.resolveLost = resolve));
  }

  addEventListener(name, listener) {
    if (name === 'uncapturederror') this.listeners.push(listener);
  }

  /** Counts a call and suffers the fault planned for it. True: its promise is never to settle. */
  hit(call) {
    const number = (this.calls[call] = (this.calls[call] ?? 0) + 1);
    const fault = this.faults.find(one => one.call === call && one.number === number);
    if (fault) {
      this.fired.push(fault);
      switch (fault.kind) {
        case 'lose': this.lose('unknown'); break;
        case 'validation': case 'oom': case 'internal': this.error(fault.kind, `a planned ${fault.kind}`); break;
        case 'hang': this.hanging = true; break;
        case 'throw': throw new Error(`a planned exception at ${call}`);
        case 'uncaptured': this.raise(`a planned uncaptured error`); break;
        case 'stale': this.stale = true; break;
      }
    }
    return this.hanging;
  }

  lose(reason) {
    if (this.isLost) return;
    this.isLost = true;
    this.resolveLost({ reason, message: 'as planned' });
  }
  destroy() {
    this.lose('destroyed');
  }
  // A lost device, or one that only pretends: calls appear to succeed and do nothing.
  dead() {
    return this.isLost || this.stale;
  }

  error(kind, message) {
    const filter = kind === 'oom' ? 'out-of-memory' : kind;
    for (let i = this.scopes.length; i-- > 0; ) {
      if (this.scopes[i].filter !== filter) continue;
      this.scopes[i].error ??= { message };
      return;
    }
    this.raise(message);
  }
  raise(message) {
    for (const listener of this.listeners) listener({ error: { message }, preventDefault() {} });
  }
  pushErrorScope(filter) {
    this.scopes.push({ filter, error: null });
  }
  async popErrorScope() {
    const scope = this.scopes.pop();
    if (this.hit('popErrorScope')) return never();
    await later();
    return scope.error;
  }

  createBuffer(descriptor) {
    this.hit('createBuffer');
    this.bytes += descriptor.size;
    return new FakeBuffer(this, descriptor);
  }
  createShaderModule({ code }) {
    this.hit('createShaderModule');
    return { code, getCompilationInfo: async () => ({ messages: [] }) };
  }
  createBindGroupLayout(descriptor) {
    return descriptor;
  }
  createPipelineLayout(descriptor) {
    return descriptor;
  }
  async createComputePipelineAsync({ label }) {
    if (this.hit('createComputePipelineAsync')) return never();
    await later();
    if (!this.kernels[label]) throw new Error(`no kernel ${label}`);
    return { label };
  }
  createBindGroup(descriptor) {
    this.hit('createBindGroup');
    return descriptor;
  }
  createCommandEncoder() {
    return new FakeEncoder(this);
  }
  dispatch(pipeline, group, grid) {
    const bound = {};
    for (const { binding, resource } of group.entries) {
      const { buffer, offset, size } = resource;
      if (buffer.destroyed) return this.error('validation', 'a destroyed buffer is bound');
      bound[binding] = buffer.data.subarray(offset, offset + size);
    }
    this.kernels[pipeline.label](bound, grid);
  }
}
