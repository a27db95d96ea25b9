// A GPU that fails in a real browser: destroyed in mid-job, its process killed in mid-batch and while nothing
// runs. Every job ends with the CPU's own bits, once and in order, and the record says which ran where.
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {random, sameBits, toWire} from './runtime_tensors.mjs';

const model = 'selfie_segmentation.tflite';
need('build/web/sluice-web/sluice-simd.wasm', `build/models/${model}`);
const web = await start();
const onGpu = {allowSoftware: true};
const feeds = seed => ({input_1: random(seed, [1, 256, 256, 3])});

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
    return device;
  };
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
// The page starts that worker instead; window.arm() arms it.
const before = `
const Plain = window.Worker;
const workers = [];
window.Worker = class extends Plain {
  constructor(url, options) {
    super(location.search && /worker\\.js$/.test(String(url)) ? new URL('faulty.js' + location.search, location.href) : url, options);
    workers.push(this);
  }
};
window.arm = () => { for (const worker of workers) worker.postMessage({plant: 'arm'}); };
`;
const address = makePage(web, 'failover', {[model]: `build/models/${model}`}, before);
const folder = path.join(root, 'build/web', address);
fs.writeFileSync(path.join(folder, 'plant.js'), plant);
fs.writeFileSync(path.join(folder, 'faulty.js'), "import './plant.js';\nimport '/sluice-web/worker.js';\n");

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

function near(outputs, want) {
  const [a, b] = [outputs.activation_10.data, want.activation_10.data];
  return a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) <= 1e-4 + 1e-3 * Math.abs(b[i]));
}
function checkResult(outputs, want, bound, what) {
  const same = sameBits(outputs.activation_10, want.activation_10);
  web.check(bound === 'webgpu' ? near(outputs, want) : same, `${what} (on ${bound}) differs from the CPU's`);
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
    await page.page.evaluate(() => window.arm());
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
    const count = 8;
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
      Array.from({length: count}, (_, seed) => ({input_1: toWire(feeds(seed).input_1)})),
    );
    await page.page.waitForFunction(() => window.order?.length >= 2);
    await web.crashGpu();
    const {fromWire} = await import('./runtime_tensors.mjs');
    const results = (await all).map(({outputs, bound}) => ({
      bound,
      outputs: {activation_10: fromWire(outputs.activation_10)},
    }));
    const order = await page.page.evaluate(() => window.order);
    web.check(order.join() === [...order.keys()].join() && order.length === count, `the order is ${order}`);
    results.forEach(({outputs}, i) => {
      const same = sameBits(outputs.activation_10, want[i].activation_10);
      web.check(same || near(outputs, want[i]), `job ${i + 1} differs from the CPU's`);
    });
    const record = await page.binding(id);
    const where = results.map(({bound}) => bound);
    console.log(
      `        ${where.join(' ')}; ${record.failovers.map(({stage, error}) => `${stage}: ${error}`).join('; ')}`,
    );
    web.check(where[0] === 'webgpu' && where.at(-1) === record.bound, `they ran on ${where}`);
    web.check(record.failovers.length >= 1 || record.bound === 'webgpu', 'nothing is recorded');
    web.check(record.failovers.length === 1, `${record.failovers.length} failovers are recorded (1 expected)`);
    await page.dispose(id);
  });
}
await web.finish();
