// Faults at every stage in a real browser: a call of WebGPU fails in each way that it can (the device is destroyed, an
// error in a scope or outside of all, an exception, a promise that never settles, memory that is not what was written,
// a second fault after the first), from loading to the first result and in a later run. Every job ends with right
// results, bit by bit the CPU's where it ended there, in time, and the record tells. A few; with SLUICE_LONG all.
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {ONNX_FLOAT, onnxModel, tensorProto} from './onnx_writer.mjs';
import {makeFaultyPage, openPage} from './runtime_page.mjs';
import {compare, random, sameBits} from './runtime_tensors.mjs';

// Small, so that a case takes seconds also where shaders are compiled on the CPU.
const model = 'chain.onnx';
need('build/web/sluice-web/sluice-simd.wasm');
const rows = 64;
const layers = 3;
const weights = Array.from({length: layers}, (_, i) => random(50 + i, [rows, rows], -1, 1).data);
const chain = onnxModel({
  nodes: weights.flatMap((_, i) => [
    {op: 'MatMul', inputs: [`x${i}`, `w${i}`], outputs: [`y${i}`]},
    {op: i % 2 === 0 ? 'Tanh' : 'Softmax', inputs: [`y${i}`], outputs: [`x${i + 1}`]},
  ]),
  initializers: weights.map((data, i) => tensorProto(`w${i}`, [rows, rows], data)),
  inputs: [{name: 'x0', type: ONNX_FLOAT, dims: [8, rows]}],
  outputs: [{name: `x${layers}`, type: ONNX_FLOAT, dims: [8, rows]}],
});
const work = path.join(root, 'build/web/runtime_faults');
fs.mkdirSync(work, {recursive: true});
fs.writeFileSync(path.join(work, model), chain);
const web = await start({timeout: 180_000});
const kHangSeconds = 10; // of the package, for an adapter that is no software one
const feeds = seed => ({x0: random(seed + 1, [8, rows], -1, 1)});
const names = [`x${layers}`];
const runs = 3;
const faultyRun = 1; // from 0

// The worker's part: ?call=submit&number=2&kind=destroy&phase=run. Calls are counted from the start of the phase:
// the load with the first run, which compiles for its feeds, or from the message that the page sends before a run.
const plant = `
const wanted = new URL(self.location.href).searchParams;
const [call, kind, number] = [wanted.get('call'), wanted.get('kind'), Number(wanted.get('number'))];
const channel = new BroadcastChannel('plant');
let armed = wanted.get('phase') === 'load';
let counts = {};
let device = null;
const planned = [];
self.addEventListener('message', ({data}) => {
  if (data?.plant === 'arm') [armed, counts] = [true, {}];
  if (data?.plant === 'count') channel.postMessage({counts});
});
// An adapter like any other gets the short deadline.
if (typeof GPUAdapterInfo !== 'undefined') {
  Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', {get: () => false});
}
const errors = {
  validation: () => new GPUValidationError('planted'),
  oom: () => new GPUOutOfMemoryError('planted'),
  internal: () => new GPUInternalError('planted'),
};
const uncaptured = () => {
  device.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', {cancelable: true, error: errors.validation()}));
};
function suffer() {
  if (kind === 'destroy') device.destroy();
  else if (kind === 'uncaptured') uncaptured();
  else if (kind === 'twice') {
    device.destroy();
    for (const ms of [0, 1, 5, 20]) setTimeout(uncaptured, ms); // while the CPU does the job again
  } else planned.push(errors[kind]());
}
function wrap(type, name) {
  const plain = type.prototype[name];
  const answers = ['requestAdapter', 'requestDevice', 'createComputePipelineAsync', 'popErrorScope', 'onSubmittedWorkDone', 'mapAsync'].includes(name);
  type.prototype[name] = function(...args) {
    const hit = armed && (counts[name] = (counts[name] ?? 0) + 1) === number && name === call;
    if (hit) {
      channel.postMessage({met: kind});
      if (kind === 'throw' && answers) return Promise.reject(new Error('planted'));
      if (kind === 'throw') throw new Error('planted');
      if (kind === 'null') return Promise.resolve(null);
    }
    const result = plain.apply(this, args);
    if (name === 'requestDevice') result.then(made => (device = made), () => {});
    if (hit && kind === 'hang') return new Promise(() => {});
    if (hit && kind === 'stale') new Uint8Array(result).fill(0);
    else if (hit && name === 'requestDevice') return result.then(made => (suffer(), made));
    else if (hit) suffer();
    if (name !== 'popErrorScope' || planned.length === 0) return result;
    const error = planned.shift();
    return result.then(found => found ?? error);
  };
}
if (typeof GPU !== 'undefined') {
  wrap(GPU, 'requestAdapter');
  wrap(GPUAdapter, 'requestDevice');
  for (const name of ['createShaderModule', 'createComputePipelineAsync', 'createBuffer', 'createBindGroup', 'popErrorScope']) wrap(GPUDevice, name);
  for (const name of ['writeBuffer', 'submit', 'onSubmittedWorkDone']) wrap(GPUQueue, name);
  for (const name of ['mapAsync', 'getMappedRange']) wrap(GPUBuffer, name);
}
`;
const before = `
window.met = [];
window.counts = null;
new BroadcastChannel('plant').onmessage = ({data}) => {
  if (data.met) window.met.push(data.met);
  if (data.counts) window.counts = data.counts;
};
`;
const address = makeFaultyPage(web, 'faults', {[model]: path.join(work, model)}, plant, before);

async function counted(page) {
  await page.page.evaluate(() => {
    window.counts = null;
    window.tell('count');
  });
  await page.page.waitForFunction(() => window.counts !== null);
  return page.page.evaluate(() => window.counts);
}
const arm = page => page.page.evaluate(() => window.tell('arm'));
/** What `work` gives, and seconds. */
async function timed(work) {
  const begin = performance.now();
  const result = await work();
  return {result, seconds: (performance.now() - begin) / 1000};
}

let want;
let calls;
const usual = {};
await web.test('without a fault: what is called, and how long it takes', async () => {
  const alone = await openPage(web, address);
  const cpu = await alone.open(model, {backends: ['cpu']});
  want = [];
  for (let seed = 0; seed < runs; ++seed) want.push((await alone.run(cpu.id, feeds(seed))).outputs);
  await alone.page.close();
  const page = await openPage(web, `${address}?phase=load`);
  const {result, seconds} = await timed(() => page.open(model, {allowSoftware: true}));
  web.check(result.binding.bound === 'webgpu', `bound to ${result.binding.bound}: ${result.binding.reason}`);
  calls = {};
  usual.load = seconds;
  usual.run = 0;
  for (let seed = 0; seed < runs; ++seed) {
    if (seed === faultyRun) await arm(page);
    const run = await timed(() => page.run(result.id, feeds(seed)));
    usual.run = Math.max(usual.run, run.seconds);
    if (seed === 0) calls.load = await counted(page);
    if (seed === faultyRun) calls.run = await counted(page);
  }
  console.log(`        ${JSON.stringify(calls)}; load ${usual.load.toFixed(1)} s, run ${usual.run.toFixed(2)} s`);
});

const inScope = ['validation', 'oom', 'internal'];
const sync = ['destroy', ...inScope, 'uncaptured', 'throw'];
const kindsOf = {
  requestAdapter: ['null', 'throw', 'hang'],
  requestDevice: ['destroy', 'throw', 'hang', 'twice'],
  createShaderModule: sync,
  createComputePipelineAsync: [...sync, 'hang'],
  createBuffer: sync,
  createBindGroup: sync,
  popErrorScope: ['destroy', 'uncaptured', 'throw', 'hang', 'twice'],
  writeBuffer: [...sync, 'twice'],
  submit: [...sync, 'twice'],
  onSubmittedWorkDone: ['destroy', 'uncaptured', 'throw', 'hang'],
  mapAsync: [...sync, 'hang', 'twice'],
  getMappedRange: ['destroy', 'uncaptured', 'throw', 'stale'],
};

/** One fault: {bound, seconds of the slower of load and faulty run}. */
async function suffer({call, kind, phase, number}) {
  const what = `${kind} at ${call} ${number} of ${calls[phase][call]}, ${phase}`;
  const page = await openPage(web, `${address}?call=${call}&kind=${kind}&number=${number}&phase=${phase}`);
  page.page.tolerate(/GPU|device|lost|planted|creating shader module/i); // the browsers' own words on the console
  const slowest = {load: 0, run: 0};
  const opened = await timed(() => page.open(model, {allowSoftware: true}));
  slowest.load = opened.seconds;
  const {id} = opened.result;
  for (let seed = 0; seed < runs; ++seed) {
    if (phase === 'run' && seed === faultyRun) await arm(page);
    const {result, seconds} = await timed(() => page.run(id, feeds(seed)));
    slowest.run = Math.max(slowest.run, seconds);
    const {bound} = result.binding;
    // A job that failed over has the CPU's own bits; one that was read back in time has the device's.
    const same = names.every(name => sameBits(result.outputs[name], want[seed][name]));
    const near = names.every(name => !compare(result.outputs[name], want[seed][name]));
    web.check(bound === 'cpu' ? same || (near && seed === faultyRun) : near, `${what}: run ${seed + 1} on ${bound}`);
  }
  const {bound, failovers, reason} = await page.binding(id);
  const met = await page.page.evaluate(() => window.met);
  web.check(met.join() === kind, `${what}: the fault was met ${met.length} times`);
  // A device that is lost between two jobs may be replaced once: that is a line of the record, too.
  web.check(failovers.length <= 2, `${what}: ${JSON.stringify(failovers)}`);
  const told = failovers.length > 0 || (bound === 'cpu' && reason.length > 0);
  web.check(bound === 'webgpu' || told, `${what}: nothing is told`);
  if (inScope.includes(kind) || kind === 'uncaptured' || kind === 'destroy' || kind === 'twice') {
    web.check(told, `${what}: it was passed over (${bound}: ${reason})`);
  }
  const allowed = {load: 3 * usual.load + kHangSeconds + 5, run: 3 * (usual.run + usual.load) + kHangSeconds + 5};
  for (const part of ['load', 'run']) {
    web.check(slowest[part] <= allowed[part], `${what}: the ${part} takes ${slowest[part].toFixed(1)} s`);
  }
  await page.page.close();
  return {bound, seconds: Math.max(slowest.load, slowest.run)};
}

const long = Boolean(process.env.SLUICE_LONG);
const few = [
  'createComputePipelineAsync',
  'createBuffer',
  'popErrorScope',
  'writeBuffer',
  'mapAsync',
  'getMappedRange',
];
const total = {cases: 0, cpu: 0, seconds: 0};
let turn = 0;
for (const [call, kinds] of Object.entries(kindsOf)) {
  if (!long && !few.includes(call)) continue;
  await web.test(`faults at ${call}`, async () => {
    // Firefox has no constructor of some errors.
    const probe = await openPage(web, address);
    const has = await probe.page.evaluate(() =>
      ['GPUInternalError', 'GPUUncapturedErrorEvent'].map(name => typeof window[name] === 'function'),
    );
    await probe.page.close();
    const cases = [];
    for (const phase of ['load', 'run']) {
      const count = calls[phase][call] ?? 0;
      for (const kind of kinds) {
        if ((kind === 'internal' && !has[0]) || (/uncaptured|twice/.test(kind) && !has[1])) continue;
        // The gate's own, one of the model's, the last: in turn.
        const number = [1, Math.ceil(count / 2), count][turn++ % 3];
        if (count > 0) cases.push({call, kind, phase, number});
      }
    }
    const chosen = long ? cases : cases.filter(({kind}) => kind !== 'hang').slice(-1);
    for (const one of chosen) {
      const {bound, seconds} = await suffer(one);
      ++total.cases;
      if (bound === 'cpu') ++total.cpu;
      total.seconds = Math.max(total.seconds, seconds);
    }
    console.log(`        ${chosen.length} faults`);
  });
}
console.log(
  `        ${total.cases} faults, ${total.cpu} ended on the CPU; the longest job took ${total.seconds.toFixed(1)} s`,
);
await web.test('most of them cost the device', async () => {
  web.check(total.cases >= (long ? 60 : few.length) && total.cpu > total.cases / 2, JSON.stringify(total));
});
await web.finish();
