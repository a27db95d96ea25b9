// Threads of the module that are slow, missing or dying: the results are right, or the error has a code; nothing waits
// for ever. And their workers are made by the page: a worker that makes one waits for it (core/threads.ts).
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {ONNX_FLOAT, onnxModel, tensorProto} from './onnx_writer.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {random, sameBits} from './runtime_tensors.mjs';

const model = 'selfie_segmentation.tflite';
need('build/web/sluice-web/sluice-simd-threads.wasm', `build/models/${model}`);
const web = await start();

// Copies of the package's files for workers, in which one file is another: {name: its text}.
const address = makePage(web, 'threads', {[model]: `build/models/${model}`});
const large = 'large.onnx';
const weights = Float32Array.from({length: 2048 * 3000}, (_, i) => ((i * 7919) % 997) / 997);
const largeBytes = onnxModel({
  nodes: [{op: 'MatMul', inputs: ['x', 'w'], outputs: ['y']}],
  initializers: [tensorProto('w', [2048, 3000], weights)],
  inputs: [{name: 'x', type: ONNX_FLOAT, dims: [1, 2048]}],
  outputs: [{name: 'y', type: ONNX_FLOAT, dims: [1, 3000]}],
});
fs.writeFileSync(path.join(root, 'build/web', address, large), largeBytes);
function assets(name, changed) {
  const folder = path.join(root, 'build/web', address, name);
  fs.rmSync(folder, {recursive: true, force: true});
  fs.mkdirSync(folder, {recursive: true});
  const from = path.join(root, 'build/web/sluice-web');
  for (const file of fs.readdirSync(from).filter(one => /^(worker|thread)\.js$|\.wasm$/.test(one))) {
    fs.copyFileSync(path.join(from, file), path.join(folder, file in changed ? `plain_${file}` : file));
  }
  for (const [file, text] of Object.entries(changed))
    if (text !== null) fs.writeFileSync(path.join(folder, file), text);
  return new URL(`${address}${name}/`, web.url).href;
}
let name = '';
const feeds = seed => ({[name]: random(seed + 1, [1, 256, 256, 3], 0, 1)});
const options = {backends: ['cpu'], threads: 3, cache: false};
const fetched = async name => (await web.server.asked()).filter(one => one.path.includes(`/${name}/thread.js`)).length;

const want = [];
await web.test('on one thread', async () => {
  const page = await openPage(web, address);
  const {id, inputs} = await page.open(model, {...options, threads: 1});
  ({name} = inputs[0]);
  for (let seed = 0; seed < 3; ++seed) want.push((await page.run(id, feeds(seed))).outputs);
  await page.dispose(id);
});

async function runAll(page, id) {
  for (const [seed, one] of want.entries()) {
    const {outputs} = await page.run(id, feeds(seed));
    const same = Object.entries(one).every(([output, values]) => sameBits(outputs[output], values));
    web.check(same, `run ${seed + 1} differs from one thread's`);
  }
}

await web.test('the page makes them, a worker makes none', async () => {
  const page = await openPage(web, address);
  const {id, binding} = await page.open(model, {
    ...options,
    assets: assets('by-page', {
      'worker.js': `import './plain_worker.js';
        self.Worker = class { constructor() { throw new Error('a worker makes a worker'); } };`,
    }),
  });
  web.check(binding.threads === 3, `${binding.threads} threads`);
  await runAll(page, id);
  const times = await fetched('by-page');
  web.check(times === 2, `thread.js was fetched ${times} times (2 expected)`);
  await page.dispose(id);
});

await web.test('without thread.js: one thread does the work, and a line says so', async () => {
  const page = await openPage(web, address);
  page.page.tolerate(/thread\.js|404|Failed to load/);
  const {id} = await page.open(model, {...options, assets: assets('missing', {'thread.js': null})});
  await runAll(page, id);
  web.check(
    page.page.log.some(line => line.includes('thread 2 does not run')),
    `the console has: ${page.page.log.join('; ')}`,
  );
  await page.dispose(id);
});

await web.test('late threads: they join in the midst of the work', async () => {
  const page = await openPage(web, address);
  // A third of a second of nothing, then what was posted meanwhile.
  const late = `
    const early = [];
    const keep = event => early.push(event.data);
    addEventListener('message', keep);
    setTimeout(async () => {
      await import('./plain_thread.js');
      removeEventListener('message', keep);
      for (const data of early) onmessage({data});
    }, 300);`;
  const {id} = await page.open(model, {...options, assets: assets('late', {'thread.js': late})});
  const end = Date.now() + 1500;
  while (Date.now() < end) await runAll(page, id);
  await page.dispose(id);
});

await web.test('a thread that traps in a kernel: a typed error, and the next session computes', async () => {
  const page = await openPage(web, address);
  page.page.tolerate(/memory access|index out of bounds|RuntimeError|thread \d does not run/);
  // Its stack begins at the memory's first bytes: whatever is put there lies outside.
  const doomed = `
    const Plain = WebAssembly.Instance;
    WebAssembly.Instance = function (...args) {
      const {exports} = new Plain(...args);
      exports.__stack_pointer.value = 16;
      return {exports: {...exports, __stack_pointer: {value: 0}}};
    };
    import('./plain_thread.js').then(() => { for (const data of early) onmessage({data}); });
    const early = [];
    onmessage = event => early.push(event.data);`;
  const {id} = await page.open(model, {...options, assets: assets('doomed', {'thread.js': doomed})});
  let error = null;
  for (let round = 0; round < 40 && !error; ++round) {
    await runAll(page, id).catch(thrown => (error = thrown));
  }
  web.check(error !== null, 'no thread came to harm');
  console.log(`        ${error.code}: ${error.message}`);
  web.check(error.code === 'internal' && /a thread ends its part/.test(error.message), error.stack);
  await page.dispose(id);
  const next = await page.open(model, options);
  await runAll(page, next.id);
  await page.dispose(next.id);
});
// A file of 24 MiB: with threads there is one more, which hashes while the bytes come.
const sha256 = crypto.createHash('sha256').update(largeBytes).digest('hex');
for (const [what, folder, changed] of [
  ['a large file is hashed by a thread of its own', 'hashing', {}],
  ['and without it, where that is late', 'hashing-late', {'thread.js': 'setTimeout(() => {}, 1000);'}],
  ['or missing', 'hashing-never', {'thread.js': null}],
]) {
  await web.test(`${what}: the same hash, checked where it is asked for`, async () => {
    const page = await openPage(web, address);
    page.page.tolerate(/large\.onnx/); // aborted
    if (changed['thread.js'] === null) page.page.tolerate(/thread\.js|404|Failed to load/);
    const asked = {...options, threads: 2, assets: assets(folder, changed)};
    const opened = await page.open(large, asked);
    // One thread for kernels, one for the file's hash. Browsers may ask once for two scripts that are not there.
    const times = await fetched(folder);
    const enough = times === 2 || (times === 1 && changed['thread.js'] === null);
    web.check(enough, `thread.js was fetched ${times} times (2 expected)`);
    web.check(opened.binding.model_sha256 === sha256, `the record has the hash ${opened.binding.model_sha256}`);
    const name = `sluice-${folder}`;
    const stored = await page.open(large, {...asked, sha256, cache: {name}});
    const again = await page.open(large, {...asked, sha256, cache: {name}});
    web.check(stored.binding.download.stored && again.binding.download.from === 'store', 'it was not stored');
    const wrong = `${sha256.slice(1)}0`;
    const error = await page.open(large, {...asked, sha256: wrong}).catch(thrown => thrown);
    web.check(error.code === 'integrity', `another file than asked for: ${error.code ?? 'no error'}`);
    const aborted = await page.page.evaluate(
      async (from, settings) => {
        const control = new AbortController();
        const onProgress = ({loadedBytes}) => loadedBytes > 8e6 && control.abort();
        const {Session} = window.sluice;
        return Session.create(from, {...settings, onProgress, signal: control.signal}).catch(thrown => thrown.code);
      },
      large,
      asked,
    );
    web.check(aborted === 'aborted', `a load that was given up ends with ${aborted}`);
    const last = await page.open(large, asked);
    web.check(last.binding.model_sha256 === sha256, `after that, the record has ${last.binding.model_sha256}`);
    for (const {id} of [opened, stored, again, last]) await page.dispose(id);
  });
}
await web.finish();
