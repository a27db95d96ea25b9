// A GPU that fails in a real browser: destroyed in mid-job, its process killed in mid-batch and while nothing
// runs. Every job ends with the CPU's own bits, once and in order, and the record says which ran where.
import {need, start} from './harness.mjs';
import {makeFaultyPage, openPage} from './runtime_page.mjs';
import {compare, fromWire, mapValues, random, sameBits, toWire} from './runtime_tensors.mjs';

const model = 'silero_vad_v5.onnx';
need('build/web/sluice-web/sluice-simd.wasm', `build/models/${model}`);
const web = await start();
const onGpu = {allowSoftware: true};
const feeds = seed => ({
  input: random(seed + 1, [1, 512], -1, 1),
  state: random(seed + 100, [2, 1, 128], -1, 1),
  sr: {dtype: 'int64', dims: [], data: BigInt64Array.of(16000n)},
});
const names = ['output', 'stateN'];

// A worker that plants a fault before it becomes the package's own: ?submit=N&what=destroy. The N-th submit
// counts from the message 'armed', which the page posts on the same channel as everything else.
const plant = `
const wanted = new URL(self.location.href).searchParams;
let devices = [], submits = 0, armed = false;
self.addEventListener('message', event => {
  if (event.data?.plant === 'arm') armed = true;
});
if (typeof GPUAdapter !== 'undefined') {
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function(...args) {
    const device = await request.apply(this, args);
    devices.push(device);
    if (what === 'bornlost') device.destroy();
    if (what === 'lowlimits') Object.defineProperty(device, 'limits', {value: low(device.limits)});
    return device;
  };
  const what = wanted.get('what');
  const low = limits => new Proxy(limits, {
    get: (target, name) => (name === 'maxStorageBuffersPerShaderStage' ? 4 : Reflect.get(target, name)),
  });
  if (what === 'noadapter') GPU.prototype.requestAdapter = async () => null;
  if (what === 'nodevice') GPUAdapter.prototype.requestDevice = async () => { throw new Error('planted'); };
  if (what === 'wrong' || what === 'stale') {
    const mapped = GPUBuffer.prototype.getMappedRange;
    GPUBuffer.prototype.getMappedRange = function(...args) {
      const range = mapped.apply(this, args);
      // The first 16 bytes are the sentinel's.
      const bytes = new Uint8Array(range);
      if (what === 'stale') bytes.fill(0);
      else for (let i = 16; i < bytes.length; i += 4) bytes[i] ^= 1;
      return range;
    };
  }
  const submit = GPUQueue.prototype.submit;
  GPUQueue.prototype.submit = function(...args) {
    const result = submit.apply(this, args);
    if (armed && ++submits === Number(wanted.get('submit'))) {
      armed = false;
      if (wanted.get('what') === 'destroy') devices.at(-1).destroy();
      if (wanted.get('what') === 'validation') devices.at(-1).createBuffer({size: 16, usage: 0xffff});
    }
    return result;
  };
}
`;
const address = makeFaultyPage(web, 'failover', {[model]: `build/models/${model}`}, plant);

/** The CPU's results for seeds 0 .. count - 1, to be equal to bit by bit. */
let reference;
async function referenceOf(count) {
  if (reference?.length >= count) return reference;
  const page = await openPage(web, address);
  const {id, binding} = await page.open(model, {backends: ['cpu']});
  web.check(binding.bound === 'cpu', 'the reference is not of the CPU');
  reference = [];
  for (let seed = 0; seed < count; ++seed) reference.push((await page.run(id, feeds(seed))).outputs);
  await page.page.close();
  return reference;
}

const near = (outputs, want) => names.every(name => !compare(outputs[name], want[name]));
const same = (outputs, want) => names.every(name => sameBits(outputs[name], want[name]));
function checkResult(outputs, want, bound, what) {
  const right = bound === 'webgpu' ? near(outputs, want) : same(outputs, want);
  web.check(right, `${what} (on ${bound}) differs from the CPU's`);
}

for (const [what, why] of [
  ['noadapter', /requestAdapter gives null/],
  ['nodevice', /no device \(planted\)/],
  ['bornlost', /lost|refuses/],
  ['lowlimits', /maxStorageBuffersPerShaderStage 4/],
  ['wrong', /wrong/],
  ['stale', /sentinel/],
]) {
  await web.test(`at load, ${what}: the CPU and a sentence, or an error where WebGPU alone is wanted`, async () => {
    const want = await referenceOf(1);
    const page = await openPage(web, `${address}?what=${what}`);
    page.page.tolerate(/GPU|device|lost/i);
    const {id, binding} = await page.open(model, onGpu);
    web.check(binding.bound === 'cpu', `bound to ${binding.bound}: the fault was not met`);
    web.check(why.test(binding.reason), `the reason is "${binding.reason}"`);
    console.log(`        ${binding.reason}`);
    const {outputs} = await page.run(id, feeds(0));
    checkResult(outputs, want[0], 'cpu', 'run 1');
    let error = {};
    await page.open(model, {...onGpu, backends: ['webgpu']}).catch(thrown => (error = thrown));
    web.check(error.code === 'device', `WebGPU alone gives ${error.code}: ${error.message}`);
    await page.dispose(id);
  });
}

for (const [what, submit, query, lost] of [
  ['destroyed at its first submit', 1, 'what=destroy', true],
  ['destroyed in the middle of a run', 3, 'what=destroy', true],
  ['that meets a validation error', 2, 'what=validation', false],
]) {
  await web.test(`a device ${what}: the job ends on the CPU, bit by bit`, async () => {
    const want = await referenceOf(4);
    const page = await openPage(web, `${address}?submit=${submit}&${query}`);
    page.page.tolerate(/GPUBuffer|usage/i);
    const {id, binding} = await page.open(model, onGpu);
    web.check(binding.bound === 'webgpu', `bound to ${binding.bound}: ${binding.reason}`);
    const first = await page.run(id, feeds(0));
    checkResult(first.outputs, want[0], first.binding.bound, 'run 1');
    web.check(first.binding.bound === 'webgpu', `run 1 was on ${first.binding.bound}`);
    await page.page.evaluate(() => window.tell('arm'));
    const second = await page.run(id, feeds(1));
    web.check(second.binding.bound === 'cpu', `run 2 was on ${second.binding.bound}: the fault was not met`);
    checkResult(second.outputs, want[1], 'cpu', 'run 2');
    const {failovers} = second.binding;
    web.check(failovers.length === 1 && failovers[0].device_lost === lost, `failovers: ${JSON.stringify(failovers)}`);
    for (const seed of [2, 3])
      checkResult((await page.run(id, feeds(seed))).outputs, want[seed], 'cpu', `run ${seed + 1}`);
    let refused = '';
    await page.retryGpu(id).catch(error => (refused = error.code));
    web.check(refused === 'device', `retryGpu() within two minutes gives "${refused}"`);
    console.log(`        ${failovers[0].stage}: ${failovers[0].error}`);
    await page.dispose(id);
  });
}

if (web.isChromium) {
  await web.test('the GPU process killed in mid-batch: every job ends, once, in order', async () => {
    const count = 60;
    const want = await referenceOf(count);
    const page = await openPage(web, address);
    page.page.tolerate(/GPU|device|lost/i);
    const {id, binding} = await page.open(model, onGpu);
    web.check(binding.bound === 'webgpu', `bound to ${binding.bound}: ${binding.reason}`);
    // All at once: they wait for each other in the worker.
    const all = page.page.evaluate(
      async (session, list) => {
        window.order = [];
        const {fromWire, mapValues, toWire} = await import('./runtime_tensors.mjs');
        const runs = list.map(async (one, i) => {
          const results = await window.sluice.sessions.get(session).run(mapValues(one, fromWire));
          window.order.push(i);
          return {outputs: mapValues(results, toWire), bound: window.sluice.binding(session).bound};
        });
        return Promise.all(runs);
      },
      id,
      Array.from({length: count}, (_, seed) => mapValues(feeds(seed), toWire)),
    );
    await page.page.waitForFunction(() => window.order?.length >= 3);
    await web.crashGpu();
    const results = (await all).map(({outputs, bound}) => ({bound, outputs: mapValues(outputs, fromWire)}));
    const order = await page.page.evaluate(() => window.order);
    web.check(order.join() === [...order.keys()].join() && order.length === count, `the order is ${order}`);
    results.forEach(({outputs}, i) => {
      web.check(same(outputs, want[i]) || near(outputs, want[i]), `job ${i + 1} differs from the CPU's`);
    });
    const record = await page.binding(id);
    const where = results.map(({bound}) => bound);
    console.log(
      `        ${where.filter(one => one === 'webgpu').length} on webgpu, then the CPU; ${record.failovers.map(({stage, error}) => `${stage}: ${error}`).join('; ')}`,
    );
    web.check(where[0] === 'webgpu' && where.at(-1) === record.bound, `they ran on ${where}`);
    web.check(record.failovers.length >= 1 || record.bound === 'webgpu', 'nothing is recorded');
    web.check(record.failovers.length === 1, `${record.failovers.length} failovers are recorded (1 expected)`);
    await page.dispose(id);
  });
}
await web.finish();
