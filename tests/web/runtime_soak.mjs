// Many runs of one session on WebGPU: a run of known sizes makes no buffer, bind group or pipeline; the
// self-test comes again after 256 (SLUICE_LONG=1: 260 runs, else 40); memory stays as it is; every result is the
// same.
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
const PlainMemory = WebAssembly.Memory;
WebAssembly.Memory = class extends PlainMemory {
  constructor(...args) {
    super(...args);
    window.moduleMemory = this;
  }
};
`;
const address = makePage(web, 'soak', {[model]: `build/models/${model}`}, before);
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
await web.finish();
