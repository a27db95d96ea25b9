// Many runs of one session on WebGPU: a run of known sizes makes no buffer, bind group or pipeline; the
// self-test comes again after 256 (SLUICE_LONG=1: 260 runs, else 40); memory stays as it is; every result is the
// same. With SLUICE_LONG also: a plan of many seconds is split into short submits.
import fs from 'node:fs';
import {need, start} from './harness.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {random, toWire} from './runtime_tensors.mjs';

const model = 'silero_vad_v5.onnx';
const runs = process.env.SLUICE_LONG ? 260 : 40;
need('build/web/sluice-web/sluice-simd.wasm', `build/models/${model}`);
const web = await start({browserArgs: ['--enable-precise-memory-info', '--js-flags=--expose-gc']});

// In the page's own thread, so that the calls can be counted.
const before = `
window.made = {};
for (const name of ['createBuffer', 'createBindGroup', 'createComputePipelineAsync', 'createShaderModule']) {
  const plain = GPUDevice.prototype[name];
  GPUDevice.prototype[name] = function(...args) {
    window.made[name] = (window.made[name] ?? 0) + 1;
    return plain.apply(this, args);
  };
}
// Seconds of each submit, as far as the queue was not busy with the one before.
window.submits = [];
let lastDone = 0;
const submit = GPUQueue.prototype.submit;
GPUQueue.prototype.submit = function(lists) {
  submit.call(this, lists);
  if (lists.length === 0) return;
  const begin = performance.now();
  this.onSubmittedWorkDone().then(() => {
    const now = performance.now();
    window.submits.push((now - Math.max(begin, lastDone)) / 1000);
    lastDone = now;
  }, () => {});
};
const PlainMemory = WebAssembly.Memory;
WebAssembly.Memory = class extends PlainMemory {
  constructor(...args) {
    super(...args);
    window.moduleMemory = this;
  }
};
`;
const large = 'isnet_f32_256.onnx';
const split = Boolean(process.env.SLUICE_LONG) && fs.existsSync(`build/models/${large}`);
const files = Object.fromEntries([model, ...(split ? [large] : [])].map(name => [name, `build/models/${name}`]));
const address = makePage(web, 'soak', files, before);
const feeds = {
  input: toWire(random(1, [1, 512], -1, 1)),
  state: toWire(random(2, [2, 1, 128], -1, 1)),
  sr: toWire({dtype: 'int64', dims: [], data: BigInt64Array.of(16000n)}),
};

await web.test(`${runs} runs`, async () => {
  const {page, open} = await openPage(web, address);
  const {id, binding} = await open(model, {worker: false, allowSoftware: true, threads: 1});
  web.check(binding.bound === 'webgpu', `bound to ${binding.bound}: ${binding.reason}`);
  const record = await page.evaluate(
    async (session, sent, total) => {
      const {fromWire, mapValues, sameBits} = await import('./runtime_tensors.mjs');
      const runner = window.sluice.sessions.get(session);
      const counts = {};
      const heaps = [];
      let first,
        differing = 0;
      for (let run = 1; run <= total; ++run) {
        const {output} = await runner.run(mapValues(sent, fromWire));
        first ??= output;
        if (!sameBits(output, first)) ++differing;
        if ([2, 255, 257, total].includes(run)) counts[run] = {...window.made};
        if (run === 20 || run === total) {
          globalThis.gc?.();
          heaps.push({heap: performance.memory?.usedJSHeapSize ?? 0, module: window.moduleMemory.buffer.byteLength});
        }
      }
      return {counts, heaps, differing, binding: runner.binding, collected: typeof gc};
    },
    id,
    feeds,
    runs,
  );
  const {counts, heaps, differing} = record;
  web.check(record.binding.bound === 'webgpu', `it ended on ${record.binding.bound}: ${record.binding.reason}`);
  web.check(record.binding.runs === runs, `${record.binding.runs} runs are recorded`);
  web.check(differing === 0, `${differing} results differ from the first`);
  const at = run => JSON.stringify(counts[run]);
  const before256 = Math.min(runs, 255);
  web.check(at(2) === at(before256), `runs 3 to ${before256} made something: ${at(2)}, then ${at(before256)}`);
  if (runs > 257) {
    web.check(counts[257].createBuffer > counts[255].createBuffer, 'the self-test did not come again after run 256');
    web.check(at(257) === at(runs), `runs 258 to ${runs} made something`);
  }
  const [early, late] = heaps;
  web.check(late.module === early.module, `the module's memory grew from ${early.module} to ${late.module}`);
  const grown = late.heap - early.heap;
  if (web.isChromium)
    web.check(grown < early.heap * 0.05 + (1 << 20), `the heap grew by ${grown} of ${early.heap} bytes`);
  console.log(`        heap ${early.heap} then ${late.heap} bytes, module ${late.module}; made ${at(runs)}`);
});

if (split) {
  await web.test(`${large}: no submit is long`, async () => {
    const page = await openPage(web, address);
    const {id, binding} = await page.open(large, {worker: false, allowSoftware: true, threads: 1});
    web.check(binding.bound === 'webgpu', `bound to ${binding.bound}: ${binding.reason}`);
    const image = {input: random(4, [1, 3, 256, 256])};
    await page.run(id, image); // the estimate has learnt from it
    await page.page.evaluate(() => window.submits.splice(0));
    const {seconds, binding: after} = await page.run(id, image);
    web.check(after.bound === 'webgpu', `it ended on ${after.bound}`);
    const submits = (await page.page.evaluate(() => window.submits)).sort((a, b) => a - b);
    const ms = share => (1000 * submits[Math.min(submits.length - 1, Math.floor(submits.length * share))]).toFixed(0);
    console.log(
      `        ${submits.length} submits in a run of ${seconds.toFixed(1)} s: ` +
        `median ${ms(0.5)} ms, p99 ${ms(0.99)} ms, longest ${ms(1)} ms`,
    );
    web.check(submits.length >= 20, `${submits.length} submits`);
    web.check(submits.at(-1) <= seconds / 10, `one submit takes ${submits.at(-1)} of ${seconds} s`);
    await page.dispose(id);
  });
}
await web.finish();
