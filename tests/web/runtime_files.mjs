// Models of several files, and models that come a second time: external data by name, by address and as bytes;
// what is missing, wrong or elsewhere is a typed error; and a session whose weights the CPU has packed goes to the
// GPU when asked, with the model out of the store, or stays where it is when the model can't be had.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {ONNX_FLOAT, onnxModel, tensorProto} from './onnx_writer.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {compare, random, sameBits} from './runtime_tensors.mjs';

need('build/web/sluice-web/sluice-simd.wasm');
const web = await start();
const work = path.join(root, 'build/web/runtime_files');
fs.mkdirSync(path.join(work, 'parts'), {recursive: true});

const rows = 96;
const values = [1, 2, 3].map(seed => random(seed, [rows, rows], -1, 1).data);
/** Three products; weight i lies in files[i], if there is one. */
function model(files) {
  const place = i => files && {file: files[i], offset: files[0] === files[i] ? i * rows * rows * 4 : 0};
  return onnxModel({
    nodes: values.map((_, i) => ({op: 'MatMul', inputs: [`x${i}`, `w${i}`], outputs: [`x${i + 1}`]})),
    initializers: values.map((data, i) => tensorProto(`w${i}`, [rows, rows], data, place(i))),
    inputs: [{name: 'x0', type: ONNX_FLOAT, dims: [2, rows]}],
    outputs: [{name: `x${values.length}`, type: ONNX_FLOAT, dims: [2, rows]}],
  });
}
const bytesOf = data => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const contents = {
  'whole.onnx': model(null),
  'one.onnx': model(['w.bin', 'w.bin', 'w.bin']),
  'w.bin': Buffer.concat(values.map(bytesOf)),
  'three.onnx': model(['parts/0 #.bin', 'parts/1.bin', 'parts/2.bin']),
  ...Object.fromEntries(values.map((data, i) => [i === 0 ? 'parts/0 #.bin' : `parts/${i}.bin`, bytesOf(data)])),
};
for (const [name, bytes] of Object.entries(contents)) fs.writeFileSync(path.join(work, name), bytes);
const address = makePage(web, 'page');
const folder = path.join(root, 'build/web', address);
fs.cpSync(work, folder, {recursive: true});
const sha256 = name => crypto.createHash('sha256').update(contents[name]).digest('hex');
const feeds = {x0: random(9, [2, rows], -1, 1)};
const output = `x${values.length}`;
const cpu = {backends: ['cpu'], threads: 1};

const open = () => openPage(web, address);
async function outputOf(page, name, options) {
  const {id, binding} = await page.open(name, options);
  const {outputs} = await page.run(id, feeds);
  await page.dispose(id);
  return {value: outputs[output], binding};
}

await web.test('external data in one file and in three, by name and by address: the same bits', async () => {
  const page = await open();
  const {value: want} = await outputOf(page, 'whole.onnx', cpu);
  const parts = ['parts/0 #.bin', 'parts/1.bin', 'parts/2.bin'];
  const addresses = {'parts/0 #.bin': 'parts/0%20%23.bin', 'parts/1.bin': 'parts/1.bin', 'parts/2.bin': 'parts/2.bin'};
  for (const [name, options] of [
    ['one.onnx', {files: ['w.bin']}],
    ['one.onnx', {files: {'w.bin': 'w.bin'}, cache: false}],
    ['one.onnx', {files: {'w.bin': {source: 'w.bin', sha256: sha256('w.bin')}}}],
    ['three.onnx', {files: parts}],
    ['three.onnx', {files: addresses}],
  ]) {
    const {value} = await outputOf(page, name, {...cpu, ...options});
    web.check(sameBits(value, want), `${name} with ${JSON.stringify(options)}: ${compare(value, want)}`);
  }
  const gpu = await outputOf(page, 'one.onnx', {files: ['w.bin'], backends: ['webgpu'], allowSoftware: true});
  const wrong = compare(gpu.value, want);
  web.check(gpu.binding.bound === 'webgpu' && !wrong, `on ${gpu.binding.bound}: ${wrong}`);
});

await web.test('external data as bytes, beside a model that is bytes', async () => {
  const page = await open();
  const {value: want} = await outputOf(page, 'whole.onnx', cpu);
  const got = await page.page.evaluate(
    async (name, wire) => {
      const {fromWire, toWire} = await import('./runtime_tensors.mjs');
      const bytes = async file => new Uint8Array(await (await fetch(file)).arrayBuffer());
      const files = {'w.bin': await bytes('w.bin')};
      const options = {backends: ['cpu'], threads: 1, files};
      const session = await window.sluice.Session.create(await bytes('one.onnx'), options);
      const results = await session.run({x0: fromWire(wire)});
      await session.dispose();
      return toWire(results[name]);
    },
    output,
    {dtype: 'float32', dims: feeds.x0.dims, base64: bytesOf(feeds.x0.data).toString('base64')},
  );
  const data = new Float32Array(Uint8Array.from(Buffer.from(got.base64, 'base64')).buffer);
  web.check(sameBits({...got, data}, want), 'it differs from the model in one piece');
});

await web.test(
  'files that are not named, not there, not the right ones, or not below the model: typed errors',
  async () => {
    const page = await open();
    page.page.tolerate(/404/);
    for (const [options, code, words] of [
      [{}, 'usage', /"w\.bin", which was not given/],
      [{files: ['other.bin']}, 'network', /404/],
      [{files: {'w.bin': {source: 'w.bin', sha256: '0'.repeat(64)}}}, 'integrity', /SHA-256/],
      [{files: {'w.bin': 'parts/1.bin'}}, 'invalid-model', /external data take/],
      [{files: ['../w.bin']}, 'usage', /does not lie below/],
    ]) {
      const error = await page.open('one.onnx', {...cpu, ...options}).then(
        () => ({code: 'none', message: ''}),
        thrown => thrown,
      );
      const what = JSON.stringify(options);
      web.check(error.code === code && words.test(error.message), `${what}: ${error.code}: ${error.message}`);
    }
  },
);

// In the page: another bit in the one file that the store named "rotting" holds.
async function rot(at) {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('rotting');
  let found = 0;
  for await (const [name, file] of folder.entries()) {
    if (!name.endsWith('.data')) continue;
    const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
    bytes[at < 0 ? bytes.length + at : at] ^= 16;
    const writer = await file.createWritable();
    await writer.write(bytes);
    await writer.close();
    ++found;
  }
  return found;
}

await web.test('a stored model that rots is found out before it is read, and fetched again once', async () => {
  const page = await open();
  const file = path.join(folder, 'rotting.onnx');
  fs.writeFileSync(file, contents['whole.onnx']);
  const pinned = {sha256: sha256('whole.onnx'), cache: {name: 'rotting'}};
  const asked = async () => (await web.server.asked()).filter(one => one.path.includes('rotting.onnx')).length;
  for (const options of [cpu, {backends: ['webgpu'], allowSoftware: true}]) {
    const {value: want} = await outputOf(page, 'rotting.onnx', {...options, ...pinned});
    for (const place of [0, 40, 20_000, -1]) {
      web.check((await page.page.evaluate(rot, place)) === 1, 'there is not one file in the store');
      const before = await asked();
      const {value, binding} = await outputOf(page, 'rotting.onnx', {...options, ...pinned});
      const what = `bit at ${place}, ${options.backends}`;
      web.check(binding.bound === options.backends[0], `${what}: bound to ${binding.bound}: ${binding.reason}`);
      web.check(sameBits(value, want), `${what}: ${compare(value, want)}`);
      const more = (await asked()) - before;
      web.check(binding.download.from === 'network' && more === 1, `${what}: ${more} requests`);
    }
  }
  // The server has nothing better.
  fs.writeFileSync(file, contents['one.onnx']);
  await page.page.evaluate(rot, 40);
  const before = await asked();
  const error = await page.open('rotting.onnx', {...cpu, ...pinned}).then(
    () => ({code: 'none'}),
    thrown => thrown,
  );
  web.check(error.code === 'integrity' && /SHA-256/.test(error.message), `${error.code}: ${error.message}`);
  const more = (await asked()) - before;
  web.check(more === 1, `${more} requests`);
});

await web.test('a session that can use no GPU loads the smaller module, or one that is there already', async () => {
  const modulesSince = async from =>
    (await web.server.asked())
      .slice(from)
      .filter(({path: asked}) => asked.endsWith('.wasm'))
      .map(({path: asked}) => /sluice-cpu-/.test(asked));
  const gpu = {backends: ['webgpu', 'cpu'], allowSoftware: true, threads: 1};

  let from = (await web.server.asked()).length;
  let page = await open();
  const {id: small} = await page.open('whole.onnx', cpu);
  const {id: full, binding} = await page.open('whole.onnx', gpu);
  web.check(binding.bound === 'webgpu', `beside it, a session that may is bound to ${binding.bound}`);
  web.check(String(await modulesSince(from)) === 'true,false', `loaded: ${await modulesSince(from)}`);
  const [one, other] = [await page.run(small, feeds), await page.run(full, feeds)].map(({outputs}) => outputs[output]);
  const wrong = compare(other, one);
  web.check(!wrong, `results of both: ${wrong}`);
  const refusal = await page.retryGpu(small).then(
    () => 'none',
    error => `${error.code}: ${error.message}`,
  );
  web.check(/^usage: The CPU was asked for/.test(refusal), `retryGpu of the small one: ${refusal}`);
  const again = await page.run(small, feeds);
  web.check(sameBits(again.outputs[output], one), 'after it, the results are others');
  await page.page.close();

  from = (await web.server.asked()).length;
  page = await open();
  await page.open('whole.onnx', gpu);
  const {value} = await outputOf(page, 'whole.onnx', cpu);
  web.check(sameBits(value, one), 'the larger module computes other bits on the CPU');
  web.check(String(await modulesSince(from)) === 'false', `loaded: ${await modulesSince(from)}`);
  await page.page.close();

  // A browser without WebGPU.
  from = (await web.server.asked()).length;
  const {page: bare} = await openPage(web, address);
  const bound = await bare.evaluate(async () => {
    Object.defineProperty(navigator, 'gpu', {value: undefined, configurable: true});
    const session = await window.sluice.Session.create('whole.onnx', {worker: false, threads: 1});
    const {bound: where, reason} = session.binding;
    await session.dispose();
    return `${where}: ${reason}`;
  });
  web.check(/^cpu: .*WebGPU/.test(bound), `without WebGPU it says ${bound}`);
  web.check(String(await modulesSince(from)) === 'true', `loaded: ${await modulesSince(from)}`);
});

// In the page's own thread, where requestAdapter can be made to give nothing for a while.
async function lateAdapter(name, files) {
  const session = await (async () => {
    const {gpu} = navigator;
    const real = gpu.requestAdapter.bind(gpu);
    gpu.requestAdapter = async () => null;
    try {
      return await window.sluice.Session.create(name, {worker: false, allowSoftware: true, threads: 1, files});
    } finally {
      gpu.requestAdapter = real;
    }
  })();
  const {fromWire, toWire} = await import('./runtime_tensors.mjs');
  window.late = {
    run: async wire => {
      const results = await session.run({x0: fromWire(wire)});
      return {bound: session.binding.bound, value: toWire(Object.values(results)[0])};
    },
    retry: () =>
      session.retryGpu().then(
        () => '',
        error => `${error.code}: ${error.message}`,
      ),
    dispose: () => session.dispose(),
  };
}
const wireFeed = {dtype: 'float32', dims: feeds.x0.dims, base64: bytesOf(feeds.x0.data).toString('base64')};
const valueOf = ({value}) => ({
  ...value,
  data: new Float32Array(Uint8Array.from(Buffer.from(value.base64, 'base64')).buffer),
});

await web.test('weights that the CPU has packed come again from the store when the GPU is asked for', async () => {
  const {page} = await open();
  for (const [name, files] of [
    ['whole.onnx', null],
    ['one.onnx', ['w.bin']],
  ]) {
    await page.evaluate(lateAdapter, name, files);
    const before = await page.evaluate(wire => window.late.run(wire), wireFeed);
    web.check(before.bound === 'cpu', `without an adapter it is bound to ${before.bound}`);
    const asked = (await web.server.asked()).length;
    const refusal = await page.evaluate(() => window.late.retry());
    web.check(!refusal, `retryGpu: ${refusal}`);
    const again = (await web.server.asked())
      .slice(asked)
      .filter(one => one.method === 'GET' && one.path.includes('.onnx'));
    web.check(again.length === 0, `the model was downloaded again: ${JSON.stringify(again)}`);
    const after = await page.evaluate(wire => window.late.run(wire), wireFeed);
    web.check(after.bound === 'webgpu', `after retryGpu it is bound to ${after.bound}`);
    const wrong = compare(valueOf(after), valueOf(before));
    web.check(!wrong, `the GPU's results: ${wrong}`);
    await page.evaluate(() => window.late.dispose());
  }
});

await web.test('where the model can not be had again, or is another, the session stays on the CPU', async () => {
  const {page} = await open();
  page.tolerate(/404/);
  for (const [what, change, words] of [
    ['gone', () => fs.rmSync(path.join(folder, 'late.onnx')), /^network: .*404/],
    [
      'another',
      () => fs.writeFileSync(path.join(folder, 'late.onnx'), contents['one.onnx']),
      /^invalid-model: .*another/,
    ],
  ]) {
    fs.writeFileSync(path.join(folder, 'late.onnx'), contents['whole.onnx']);
    await page.evaluate(lateAdapter, 'late.onnx', null);
    const before = await page.evaluate(wire => window.late.run(wire), wireFeed);
    // The store is emptied, as a browser under pressure does.
    await page.evaluate(async () => {
      const top = await navigator.storage.getDirectory();
      await top.removeEntry('sluice-models', {recursive: true});
    });
    change();
    const refusal = await page.evaluate(() => window.late.retry());
    web.check(words.test(refusal), `${what}: retryGpu says "${refusal}"`);
    const after = await page.evaluate(wire => window.late.run(wire), wireFeed);
    web.check(after.bound === 'cpu' && sameBits(valueOf(after), valueOf(before)), `${what}: then on ${after.bound}`);
    await page.evaluate(() => window.late.dispose());
  }
});
await web.finish();
