// A core for tests without the WebAssembly module: one model, y = 2 * (2 * x + w + 1) + w, whose middle
// addition is an island. It makes real encoded programs, judges what comes back as the real one does, and
// keeps a record of what it was told.
import { Opcode, poison, programMagic, programVersion } from '../../../build/web/stage/generated/opcodes.js';
import { SluiceError } from '../../../build/web/stage/errors.js';

export const weights = Float32Array.from({ length: 4 }, (_, i) => 10 * i);
const f32 = bytes => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
const bytesOf = array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const step = x => x.map((value, i) => Math.fround(Math.fround(2 * value) + weights[i % 4]));
export const expected = x => step(step(Float32Array.from(x)).map(value => Math.fround(value + 1)));

/** What the fake device runs. */
export const kernels = {
  step: ({ 0: block, 1: x, 2: w, 3: y }) => {
    const count = new Uint32Array(block.buffer, block.byteOffset, 1)[0];
    for (let i = 0; i < count; ++i) f32(y)[i] = Math.fround(Math.fround(2 * f32(x)[i]) + f32(w)[i % 4]);
  },
  sentinel: ({ 0: block, 1: result }) => result.set(block.subarray(0, 4)),
};

const strings = ['step', 'shader step', 'sentinel', 'shader sentinel', 'Step', 'first', 'Add', 'island', 'second'];
const instruction = (opcode, ...operands) => [opcode | (operands.length << 8), ...operands];
const encode = instructions => {
  const body = instructions.flat();
  return new Uint32Array([programMagic, programVersion, body.length + 3, ...body]);
};

// Buffers: 0 input and island's result, 1 weights, 2 output and island's input, 3 sentinel.
function programOf(count) {
  const bytes = count * 4;
  const large = Math.ceil(bytes / 256) * 256;
  const dispatch = node => [
    instruction(Opcode.Step, node, 4, node === 0 ? 5 : 8),
    instruction(Opcode.Dispatch, 0, Math.ceil(count / 64), 1, 1, 0, 16, bytes * 2, count, 0, 0, bytes, 1, 0, 16, 2, 0, bytes),
  ];
  return encode([
    instruction(Opcode.Buffer, large, 0),
    instruction(Opcode.Buffer, 16, 1),
    instruction(Opcode.Buffer, large, 0),
    instruction(Opcode.Buffer, 16, 0),
    instruction(Opcode.Pipeline, 0, 1, 1, 3, 0b100),
    instruction(Opcode.Pipeline, 2, 3, 1, 1, 1),
    instruction(Opcode.Constant, 0, 1, 0, 16),
    instruction(Opcode.Uniforms, count, 0, 0, 0, ...Array(60).fill(0), 0, 0, 0, 0),
    instruction(Opcode.Sentinel, 1, 256, 3),
    instruction(Opcode.Begin),
    instruction(Opcode.Fill, poison, 2, 0, bytes),
    instruction(Opcode.Input, 0, 0, 0, bytes),
    ...dispatch(0),
    instruction(Opcode.Step, 1, 6, 7),
    instruction(Opcode.Island, 1, 1, 1, 0, 2, 0, bytes, 0, 0, 0, bytes),
    ...dispatch(2),
    instruction(Opcode.Output, 0, 2, 0, bytes),
  ]);
}

export class FakeCore {
  log = [];
  failovers = [];
  runs = { gpu: 0, cpu: 0 };
  bound = 'none';
  program = { id: 0, count: 0, generation: 0 };
  seen = false;
  rechecked = false;

  constructor(options = {}) {
    this.options = { requested: 'auto', strict: false, refusal: '', ...options };
  }
  opened = {
    session: 1,
    inputs: [{ name: 'x', dtype: 'float32', dims: ['n'] }],
    outputs: [{ name: 'y', dtype: 'float32', dims: ['n'] }],
    modelSha256: '',
    readSeconds: 0,
  };

  feed(_session, _input, tensor) {
    this.x = Float32Array.from(tensor.data);
  }
  close() {
    this.log.push('close');
  }
  cpuBind() {
    this.log.push('cpuBind');
    this.bound = 'cpu';
  }
  cpuRun() {
    if (this.bound === 'webgpu') throw new SluiceError('usage', 'bound to a device that has not failed');
    ++this.runs.cpu;
    this.log.push('cpuRun');
    return { y: { dtype: 'float32', dims: [this.x.length], data: expected(this.x) } };
  }

  startThreads() {}
  modelHeld() {
    return true;
  }
  gpuAdapter(_session, facts) {
    this.seen = false;
    this.log.push('gpuAdapter');
    this.facts = facts;
    return { passed: !this.options.refusal, refusal: this.options.refusal, findings: [], parts: 2, rounds: 3 };
  }
  gpuCanary(_session, part) {
    this.canary = { part, x: Float32Array.from({ length: 64 }, () => Math.floor(Math.random() * 100)), right: false };
    return { words: programOf(64), strings };
  }
  gpuCanaryData(_session, kind) {
    return bytesOf(kind === 0 ? weights : this.canary.x);
  }
  gpuCanaryJudge(_session, _output, bytes) {
    // The fake self-test's island does nothing, so what it makes is the second step of the input's own data.
    this.canary.right = f32(bytes.slice()).every((value, i) => value === this.canaryExpected()[i]);
    if (!this.canary.right) this.canaryRefusal = 'the self-test gives wrong numbers';
  }
  canaryExpected() {
    return step(this.canary.x);
  }
  gpuCanaryFailed(_session, _part, why) {
    this.canaryRefusal = why;
  }
  gpuCanaryVerdict(_session, { when }) {
    this.log.push(`verdict ${when}`);
    const refusal = this.canaryRefusal ?? '';
    this.canaryRefusal = undefined;
    if (!refusal) this.bound = 'webgpu';
    if (!refusal && when !== 'at load') this.rechecked = true;
    return { passed: !refusal, refusal, findings: [] };
  }
  gpuPrepare() {
    if (!this.x) return { program: 0, fresh: false, complete: false, generation: 0, kept: [], words: new Uint32Array(0), strings: null };
    const fresh = !this.seen;
    this.seen = true;
    if (this.program.count !== this.x.length) ++this.program.generation;
    this.program.count = this.x.length;
    this.log.push('gpuPrepare');
    return {
      program: 1, fresh, complete: true, generation: this.program.generation,
      kept: [1], words: programOf(this.x.length), strings: fresh ? strings : null,
    };
  }
  gpuConstant() {
    return bytesOf(weights);
  }
  gpuInput() {
    return bytesOf(this.x);
  }
  gpuIslandInput(_session, _step, _index, bytes) {
    this.island = f32(bytes.slice());
  }
  gpuIslandRun() {
    this.island = this.island.map(value => Math.fround(value + 1));
  }
  gpuIslandOutput() {
    return bytesOf(this.island);
  }
  gpuOutput(_session, _output, bytes) {
    const words = new Uint32Array(bytes.slice().buffer);
    if (words.includes(poison)) throw new SluiceError('device', 'An output word was never written');
    this.y = f32(bytes.slice());
  }
  gpuFinish() {
    if (this.runs.gpu === 0 && !this.rechecked) return { recheck: 'after run 1' };
    ++this.runs.gpu;
    this.log.push('gpuFinish');
    return { outputs: { y: { dtype: 'float32', dims: [this.y.length], data: this.y } }, nonfinite: false };
  }
  gpuFailover(_session, why) {
    this.failovers.push(why);
    this.log.push(`gpuFailover ${why.stage}`);
    this.bound = 'cpu';
    const only = this.options.requested === 'webgpu' && why.stage === '';
    if (only || this.options.strict) throw new SluiceError('device', why.error);
  }
  note() {}
  binding() {
    return { bound: this.bound, failovers: this.failovers, events: [], console: '', runs: this.runs.gpu + this.runs.cpu };
  }
}
