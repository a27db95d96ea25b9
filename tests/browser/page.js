// Runs programs (src/exec/null/program.h) on this browser's WebGPU and compares what they compute
// with the reference's results. Driven by run.mjs through openDevice() and runFamily().
'use strict';

// Contents of every buffer that nobody has written: a kernel that reads such memory gives another
// result with another word.
const FILLS = [0x7fc0ffee, 0x3f8ccccd];

let device = null;
let lost = '';
const uncaptured = [];
const pipelines = new Map();  // by text and bindings

async function openDevice() {
  if (!navigator.gpu) return {error: 'navigator.gpu is not there'};
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) return {error: 'requestAdapter gives null'};
  const f16 = adapter.features.has('shader-f16');
  // Default limits, which every adapter must offer, and those features that programs may need.
  const requiredFeatures = ['shader-f16', 'subgroups'].filter(name => adapter.features.has(name));
  device = await adapter.requestDevice({requiredFeatures});
  device.lost.then(info => { lost = `${info.reason}: ${info.message}`; });
  device.addEventListener('uncapturederror', event => uncaptured.push(event.error.message));
  const limits = {};
  for (const name of ['maxStorageBuffersPerShaderStage', 'maxStorageBufferBindingSize',
                      'maxComputeWorkgroupStorageSize', 'maxComputeInvocationsPerWorkgroup',
                      'minStorageBufferOffsetAlignment']) {
    limits[name] = device.limits[name];
  }
  const {vendor, architecture, description, isFallbackAdapter} = adapter.info ?? {};
  return {
    f16, limits, info: {vendor, architecture, description, isFallbackAdapter},
    features: requiredFeatures, language: [...(navigator.gpu.wgslLanguageFeatures ?? [])],
  };
}

// A feature of the device or of the language that a program needs; '' is none.
function has(need) {
  return !need || device.features.has(need) || !!navigator.gpu.wgslLanguageFeatures?.has(need);
}

function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; ++i) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// --- pipelines

async function makePipeline(source, uniform, bindings) {
  device.pushErrorScope('validation');
  const entries = bindings.map((bound, i) => ({
    binding: 1 + i,
    visibility: GPUShaderStage.COMPUTE,
    buffer: {type: bound.writable ? 'storage' : 'read-only-storage'},
  }));
  if (uniform) {
    entries.push({binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: {type: 'uniform'}});
  }
  const layout = device.createBindGroupLayout({entries});
  const module = device.createShaderModule({label: source.shader, code: source.wgsl});
  const scope = device.popErrorScope();
  const messages = (await module.getCompilationInfo()).messages;
  const wrong = messages.filter(message => message.type === 'error');
  if (wrong.length > 0) {
    throw new Error(`${source.shader}.wgsl ${JSON.stringify(source.knobs)}: ` + wrong.map(
        message => `line ${message.lineNum}: ${message.message}`).join('; '));
  }
  const error = await scope;
  if (error) throw new Error(`${source.shader}.wgsl ${JSON.stringify(source.knobs)}: ${error.message}`);
  try {
    const pipeline = await device.createComputePipelineAsync({
      layout: device.createPipelineLayout({bindGroupLayouts: [layout]}),
      compute: {module, entryPoint: 'main'},
    });
    return {layout, pipeline};
  } catch (caught) {
    throw new Error(`${source.shader}.wgsl ${JSON.stringify(source.knobs)}: ${caught.message}`);
  }
}

function pipelineOf(source, dispatch) {
  const uniform = dispatch.uniform.length > 0;
  const key = source.wgsl + uniform + dispatch.bindings.map(bound => bound.writable);
  if (!pipelines.has(key)) pipelines.set(key, makePipeline(source, uniform, dispatch.bindings));
  return pipelines.get(key);
}

// --- one program

// The outputs' bytes, in the order of program.outputs.
async function execute(program, fill) {
  const made = [];
  for (const dispatch of program.dispatches) {
    made.push(await pipelineOf(program.pipelines[dispatch.pipeline], dispatch));
  }
  const ALIGN = 256;
  const up = bytes => Math.ceil(bytes / ALIGN) * ALIGN;
  const garbage = [];
  const buffer = (size, usage) => {
    const one = device.createBuffer({size, usage});
    garbage.push(one);
    return one;
  };
  for (const filter of ['validation', 'out-of-memory', 'internal']) device.pushErrorScope(filter);
  const buffers = program.buffers.map(({size, data}) => {
    const one = buffer(size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
    device.queue.writeBuffer(one, 0, new Uint32Array(Math.floor(size / 4)).fill(fill));
    if (data) device.queue.writeBuffer(one, 0, bytesOf(data));
    return one;
  });
  let uniformBytes = 0;
  for (const dispatch of program.dispatches) uniformBytes += up(dispatch.uniform.length * 4 + 16);
  const uniforms = buffer(Math.max(uniformBytes, ALIGN), GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  let at = 0;
  program.dispatches.forEach((dispatch, i) => {
    const entries = dispatch.bindings.map((bound, b) => ({
      binding: 1 + b,
      resource: {buffer: buffers[bound.buffer], offset: bound.offset, size: bound.size},
    }));
    if (dispatch.uniform.length > 0) {
      const size = Math.ceil(dispatch.uniform.length / 4) * 16;
      device.queue.writeBuffer(uniforms, at, new Uint32Array(dispatch.uniform));
      entries.push({binding: 0, resource: {buffer: uniforms, offset: at, size}});
      at += up(size);
    }
    pass.setPipeline(made[i].pipeline);
    pass.setBindGroup(0, device.createBindGroup({layout: made[i].layout, entries}));
    pass.dispatchWorkgroups(...dispatch.grid);
  });
  pass.end();
  let stagingBytes = 0;
  const places = program.outputs.map(output => {
    const place = stagingBytes;
    stagingBytes += up(output.size);
    return place;
  });
  const staging = buffer(Math.max(stagingBytes, ALIGN), GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  program.outputs.forEach((output, i) => {
    const whole = Math.ceil(output.size / 4) * 4;
    if (whole > 0) encoder.copyBufferToBuffer(buffers[output.buffer], output.offset, staging, places[i], whole);
  });
  device.queue.submit([encoder.finish()]);
  const mapped = staging.mapAsync(GPUMapMode.READ);
  mapped.catch(() => {});
  const errors = await Promise.all([0, 1, 2].map(() => device.popErrorScope()));
  const error = errors.find(one => one);
  if (error) {
    for (const one of garbage) one.destroy();
    throw new Error(error.message);
  }
  await mapped;
  const bytes = staging.getMappedRange().slice(0);
  for (const one of garbage) one.destroy();
  return program.outputs.map((output, i) => new Uint8Array(bytes, places[i], output.size));
}

// --- comparison

function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

// As a readback does: the nearest number with `bits` significant ones, ties to even, `least` being
// the smallest step. Overflow goes to infinity.
function rounded(x, bits, least, largest) {
  if (!Number.isFinite(x) || x === 0) return x;
  const step = Math.max(2 ** (Math.floor(Math.log2(Math.abs(x))) - bits + 1), least);
  const scaled = x / step, low = Math.floor(scaled), rest = scaled - low;
  const even = low % 2 === 0 ? low : low + 1;
  const y = (rest === 0.5 ? even : Math.round(scaled)) * step;
  return Math.abs(y) > largest ? Math.sign(y) * Infinity : y;
}

function reader(bytes, format) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (format) {
    case 'f32': return {count: bytes.length / 4, real: true, at: i => view.getFloat32(i * 4, true)};
    case 'f16': return {count: bytes.length / 2, real: true, at: i => halfToNumber(view.getUint16(i * 2, true))};
    case 'i32': return {count: bytes.length / 4, at: i => view.getInt32(i * 4, true)};
    case 'u32': return {count: bytes.length / 4, at: i => view.getUint32(i * 4, true)};
    default: return {count: bytes.length / 8, at: i => view.getBigInt64(i * 8, true)};
  }
}

// Empty, or the first element that is wrong. Integers, booleans and moved words are exact.
function difference(got, want, output) {
  const a = reader(got, output.format), b = reader(bytesOf(want.data), output.format);
  if (b.count < a.count) return `${a.count} elements against ${b.count}`;
  let wrong = 0, first = '', sum = 0, largest = 0, scale = 0;
  for (let i = 0; i < a.count; ++i) {
    let x = a.at(i);
    const y = b.at(i);
    if (a.real && output.dtype === 'float16') x = rounded(x, 11, 2 ** -24, 65504);
    if (a.real && output.dtype === 'bfloat16') x = rounded(x, 8, 2 ** -133, 3.3895313892515355e38);
    if (a.real && Number.isFinite(y)) scale = Math.max(scale, Math.abs(y));
    if (x === y || (x !== x && y !== y)) continue;
    if (a.real) {
      sum += Math.abs(x - y);
      largest = Math.max(largest, Math.abs(x - y));
      if (want.mean !== undefined) continue;
    }
    if (a.real && Math.abs(x - y) <= want.atol + want.rtol * Math.abs(y)) continue;
    if (wrong++ === 0) first = `element ${i} of ${a.count}: ${x} against ${y}`;
  }
  if (want.mean !== undefined && !(sum <= want.mean * a.count)) {
    return `the mean error is ${sum / a.count} (${want.mean} is allowed), of numbers up to ${scale}`;
  }
  const errors = a.real ? `, mean error ${sum / a.count}, largest ${largest} of ${scale}` : '';
  return wrong === 0 ? '' : `${first} (${wrong} wrong${errors})`;
}

async function runCase(one) {
  const first = await execute(one.program, FILLS[0]);
  const second = await execute(one.program, FILLS[1]);
  for (let i = 0; i < first.length; ++i) {
    const output = one.program.outputs[i];
    const want = one.expected[output.index];
    const why = difference(first[i], want, output);
    if (why) return `output ${output.index} (${output.dtype} [${output.shape}]): ${why}`;
    if (first[i].some((byte, k) => byte !== second[i][k])) {
      return `output ${output.index} (${output.dtype} [${output.shape}]) depends on what memory held`;
    }
  }
  return '';
}

// Whether this page would notice: one program as it is, then damaged in ways that must each be
// reported. Empty, or what went unnoticed.
async function selfCheck(url) {
  const {cases} = await (await fetch(url)).json();
  const good = cases.find(one => !one.f16 && !one.need && one.program.outputs.length > 0 &&
      one.program.outputs[0].format === 'f32' && one.program.outputs[0].size > 0);
  if (!good) return 'no program to damage';
  const fails = async damage => {
    const copy = structuredClone(good);
    damage(copy);
    return await runCase(copy).catch(error => String(error.message ?? error));
  };
  const output = good.program.outputs[0].index;
  const why = await fails(() => {});
  if (why) return `${good.op} ${good.name}: ${why}`;
  const damages = {
    'a wrong expectation': copy => {
      const bytes = bytesOf(copy.expected[output].data);
      const values = new Float32Array(bytes.buffer);
      const last = values[values.length - 1];
      values[values.length - 1] = Number.isFinite(last) ? last * 1.01 + 0.01 : 0;
      copy.expected[output].data = btoa(String.fromCharCode(...bytes));
    },
    'a shader that does not compile': copy => {
      for (const source of copy.program.pipelines) source.wgsl += 'fn main(';
    },
    'a binding past its buffer': copy => { copy.program.dispatches[0].bindings[0].offset = 1 << 20; },
    'dispatches left out': copy => { copy.program.dispatches = []; },
  };
  for (const [what, damage] of Object.entries(damages)) {
    if (!await fails(damage)) return `${what} went unnoticed`;
  }
  return uncaptured.length > 0 ? `uncaptured: ${uncaptured[0]}` : '';
}

// The smallest cases that together have every shader of `cases`, and every value of each of its knobs.
function fewest(cases) {
  const bytes = one => one.program.buffers.reduce((sum, {size}) => sum + size, 0);
  const seen = new Set();
  return [...cases].sort((a, b) => bytes(a) - bytes(b)).filter(one => {
    const before = seen.size;
    for (const {shader, knobs} of one.program.pipelines) {
      seen.add(shader);
      for (const [name, value] of Object.entries(knobs)) seen.add(`${shader} ${name}=${value}`);
    }
    return seen.size > before;
  });
}

// `atOnce` programs are under way at a time: a readback's latency costs more than its work. `few`: only as many
// cases as have each knob once.
async function runFamily(url, atOnce, few) {
  const {family, cases: all} = await (await fetch(url)).json();
  const result = {
    family, cases: 0, passed: 0, half: 0, halfPassed: 0, failures: [], times: [],
    /** By variant: programs that passed, and by need: those that were not run. */
    variants: {}, notRun: {},
  };
  const able = all.filter(one => {
    const missing = [one.f16 ? 'shader-f16' : '', one.need].find(need => !has(need));
    if (missing) result.notRun[missing] = (result.notRun[missing] ?? 0) + 1;
    return !missing;
  });
  const cases = few ? fewest(able) : able;
  const before = pipelines.size;
  let next = 0;
  const work = async () => {
    while (next < cases.length && !lost) {
      const one = cases[next++];
      ++result.cases;
      if (one.f16) ++result.half;
      const begin = performance.now();
      const why = await runCase(one).catch(error => String(error.message ?? error));
      result.times.push([Math.round(performance.now() - begin), `${one.op} ${one.name} (${one.variant})`]);
      if (why) {
        result.failures.push(`${one.op} ${one.name} (${one.variant}): ${why}`);
      } else {
        ++result.passed;
        result.variants[one.variant] = (result.variants[one.variant] ?? 0) + 1;
        if (one.f16) ++result.halfPassed;
      }
    }
  };
  await Promise.all(Array.from({length: atOnce}, work));
  result.pipelines = pipelines.size - before;
  result.lost = lost;
  result.uncaptured = uncaptured.splice(0);
  return result;
}
