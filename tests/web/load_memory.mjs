// What a page's memory comes to while a model loads and runs. Loading: at most 1.2 times the model and 64 MiB. The
// figure is the peak of: the page's JavaScript heap, the worker's, the array buffers of both, and the WebAssembly
// memory, which never shrinks. The heaps are asked for over the debugging protocol all the time: a worker answers
// between two pieces of a download and between two steps of a load; while the module computes, its JavaScript allocates
// nothing. The threads' workers allocate nothing of their own.
// The models are chains of convolutions whose weights lie at odd addresses, as protobuf leaves them. Of a small one, 64
// MiB would hide a copy: its module may grow, beyond what a tiny model takes, by 1.2 times the model and two of its
// weights (it takes one, and the rounding of twelve), while pieces on their way may take 20 MiB whatever the model
// (they take 9). With SLUICE_LONG, IS-Net itself, in float32 and float16, and the figure as it stands.
// Running, with planes of 32 MiB: the module takes the feeds and what lives at once, results being copied out of the
// activations' memory; the worker keeps no copy of a feed; the page has the results that it holds and those before,
// since older ones are collected when memory for the next is asked for (on a busy machine now and then a run later).
// Each as large as it must be, and 12 MiB. A page that drops many small results holds, in the median, some 16 MiB of
// them, not the twice as much that the engine would leave it.
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {ONNX_FLOAT, ONNX_FLOAT16, onnxModel, tensorProto} from './onnx_writer.mjs';

need('build/web/sluice-web/sluice-simd.wasm');
const web = await start({timeout: 600_000});
const MiB = 2 ** 20;
const work = path.join(root, 'build/web/load_memory');
fs.mkdirSync(work, {recursive: true});

/** Small numbers as float16, by their bits: sign, an exponent of 2^-13 to 2^-6, mantissa. */
const asHalf = bits => (bits & 0x83ff) | ((2 + ((bits >> 10) & 7)) << 10);

/**
 * `layers` 3 x 3 convolutions of `channels` channels with holes between their taps; weights in `external`, if that is
 * a name, and all in float16 if `half`.
 */
function chain(layers, channels, {external, half = false} = {}) {
  const nodes = [];
  const initializers = [];
  const data = [];
  let state = 1;
  for (let layer = 0; layer < layers; ++layer) {
    const dims = [channels, channels, 3, 3];
    const values = (half ? Uint16Array : Float32Array).from({length: channels * channels * 9}, () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return half ? asHalf(state >>> 16) : state / 2 ** 36;
    });
    const name = `w${layer}${'_'.repeat(layer % 4)}`; // so that all four alignments come
    initializers.push(
      tensorProto(name, dims, values, external && {file: external, offset: data.length * values.byteLength}),
    );
    data.push(Buffer.from(values.buffer));
    nodes.push({
      op: 'Conv',
      inputs: [`x${layer}`, name],
      outputs: [`x${layer + 1}`],
      attributes: {pads: [2, 2, 2, 2], dilations: [2, 2], kernel_shape: [3, 3]},
    });
  }
  const value = (name, dims) => ({name, type: half ? ONNX_FLOAT16 : ONNX_FLOAT, dims});
  const dims = [1, channels, 6, 6];
  const model = onnxModel({
    nodes,
    initializers,
    inputs: [value('x0', dims)],
    outputs: [value(`x${layers}`, dims)],
  });
  return {model, data: Buffer.concat(data)};
}

const WEIGHT_BYTES = 256 * 256 * 9 * 4;
const PLANE_BYTES = 32 * MiB;

/** `layers` 3 x 3 convolutions of 8 channels of `side` x `side`; every layer's result is an output. */
function planes(layers, side) {
  const dims = [1, 8, side, side];
  const value = name => ({name, type: ONNX_FLOAT, dims});
  const names = Array.from({length: layers + 1}, (_, i) => `x${i}`);
  const weight = Float32Array.from({length: 8 * 8 * 9}, (_, i) => ((i * 37) % 64) / 4096);
  return onnxModel({
    nodes: names.slice(1).map((name, i) => ({
      op: 'Conv',
      inputs: [names[i], `w${i}`],
      outputs: [name],
      attributes: {pads: [1, 1, 1, 1], kernel_shape: [3, 3]},
    })),
    initializers: names.slice(1).map((_, i) => tensorProto(`w${i}`, [8, 8, 3, 3], weight)),
    inputs: [value('x0')],
    outputs: names.slice(1).map(value),
  });
}

const files = {};
const add = (name, bytes) => {
  files[name] = path.join(work, name);
  fs.writeFileSync(files[name], bytes);
};
const whole = chain(12, 256);
add('tiny.onnx', chain(1, 8).model);
add('chain.onnx', whole.model);
const narrow = chain(24, 256, {half: true});
add('narrow.onnx', narrow.model);
const parted = chain(12, 256, {external: 'weights.bin'});
add('parted.onnx', parted.model);
add('weights.bin', parted.data);
add('planes.onnx', planes(3, 1024));
add('small_plane.onnx', planes(1, 256));
const wholeModels = {
  'IS-Net': 'build/models/isnet_f32_1024.onnx',
  'IS-Net in float16': 'build/models/isnet_medium.onnx',
};
for (const [name, file] of Object.entries(wholeModels)) {
  if (process.env.SLUICE_LONG && fs.existsSync(file)) files[path.basename(file)] = file;
  else delete wholeModels[name];
}
const address = makePage(web, 'page', files);

/** Bytes of one V8 isolate: its heap, and buffers beside it. */
async function heapOf(client) {
  const {usedSize, backingStorageSize = 0} = await client.send('Runtime.getHeapUsage');
  return {used: usedSize, buffers: backingStorageSize};
}

/** The module's memory, found among the worker's objects. */
async function moduleMemory(client) {
  const {result} = await client.send('Runtime.evaluate', {expression: 'WebAssembly.Memory.prototype'});
  const {objects} = await client.send('Runtime.queryObjects', {prototypeObjectId: result.objectId});
  const sum = 'function() { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }';
  const call = {objectId: objects.objectId, functionDeclaration: sum, returnByValue: true};
  return (await client.send('Runtime.callFunctionOn', call)).result.value;
}

const workerOf = page => page.workers().find(one => one.url().endsWith('/worker.js'));

const inWords = bytes => `${(bytes / MiB).toFixed(1)} MiB`;
const median = figures => [...figures].sort((a, b) => a - b)[figures.length >> 1];

/** Whether a model of `bytes` took no more than it may, `least` being what a tiny one took. */
function judge({module, heaps}, bytes, least, what = '') {
  const allowed = least.module + 1.2 * bytes + 2 * WEIGHT_BYTES;
  web.check(module <= allowed, `${what}the module has ${inWords(module)} (at most ${inWords(allowed)})`);
  web.check(heaps <= 20 * MiB, `${what}the heaps have ${inWords(heaps)} (at most 20 MiB)`);
}

/** Loads, and gives the peak of everything. */
async function load(model, options) {
  const opened = await openPage(web, address);
  const {page} = opened;
  const own = await page.createCDPSession();
  let over = false;
  const peak = {page: 0, worker: 0};
  const sample = async () => {
    const inPage = await heapOf(own);
    peak.page = Math.max(peak.page, inPage.used + inPage.buffers);
    const worker = workerOf(page);
    if (!worker) return;
    const inside = await heapOf(worker.client).catch(() => null);
    if (!inside) return;
    peak.worker = Math.max(peak.worker, inside.used + inside.buffers);
  };
  const sampling = (async () => {
    while (!over) {
      await sample();
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  })();
  const session = await opened.open(model, options);
  over = true;
  await sampling;
  await sample();
  const module = await moduleMemory(workerOf(page).client);
  web.check(module > 0 && peak.worker > 0 && peak.page > 0, 'nothing was measured');
  const mib = bytes => (bytes / MiB).toFixed(1);
  const heaps = peak.page + peak.worker;
  const total = heaps + module;
  console.log(`        ${mib(total)} MiB: page ${mib(peak.page)}, worker ${mib(peak.worker)}, module ${mib(module)}`);
  await opened.dispose(session.id);
  await page.close();
  return {total, module, heaps, session};
}

const cpu = {backends: ['cpu'], threads: 1};
const ways = [
  ['for the CPU', cpu],
  ['for the CPU, with threads', {backends: ['cpu'], threads: 2}],
  ['for the CPU, without a store', {...cpu, cache: false}],
  ['for WebGPU', {backends: ['webgpu'], allowSoftware: true}],
];
for (const [how, options] of ways) {
  let least;
  const bound = options.backends[0];
  await web.test(`a tiny model ${how}`, async () => {
    least = await load('tiny.onnx', options);
  });
  for (const [what, file, {model}] of [
    ['a model', 'chain.onnx', whole],
    ['a float16 model', 'narrow.onnx', narrow],
  ]) {
    await web.test(`${what} of ${(model.length / MiB).toFixed(0)} MiB ${how}`, async () => {
      const loaded = await load(file, options);
      const {binding} = loaded.session;
      web.check(binding.bound === bound, `bound to ${binding.bound}: ${binding.reason}`);
      judge(loaded, model.length, least);
    });
  }
  for (const [name, file] of Object.entries(wholeModels)) {
    await web.test(`${name} ${how}`, async () => {
      const bytes = fs.statSync(file).size;
      const {total, session} = await load(path.basename(file), options);
      web.check(session.binding.bound === bound, `bound to ${session.binding.bound}: ${session.binding.reason}`);
      const allowed = 1.2 * bytes + 64 * MiB;
      web.check(total <= allowed, `${inWords(total)} (at most ${inWords(allowed)})`);
    });
  }
}

await web.test('the store instead of the network, and external data: no more', async () => {
  const least = await load('tiny.onnx', cpu);
  for (const [what, model, options] of [
    ['again', 'chain.onnx', cpu],
    ['external', 'parted.onnx', {...cpu, files: ['weights.bin']}],
    ['external, again', 'parted.onnx', {...cpu, files: ['weights.bin']}],
  ]) {
    const loaded = await load(model, options);
    const {from} = loaded.session.binding.download;
    web.check(what !== 'again' || from === 'store', `${what}: it came from ${from}`);
    judge(loaded, whole.model.length, least, `${what}: `);
  }
});

const room = planes => planes * PLANE_BYTES + 12 * MiB;
const atMost = (bytes, planes, what) => {
  web.check(bytes <= room(planes), `${what} ${inWords(bytes)} (at most ${inWords(room(planes))})`);
};

/** Seven runs in a page of their own; what the page has in the median. */
async function runPlanes(threads, outputs) {
  const opened = await openPage(web, address);
  const {page} = opened;
  const own = await page.createCDPSession();
  const session = await opened.open('planes.onnx', {backends: ['cpu'], threads, outputs});
  const worker = workerOf(page);
  const before = await moduleMemory(worker.client);
  const inPage = [];
  let inWorker = 0;
  for (let run = 0; run < 7; ++run) {
    const sums = await page.evaluate(async id => {
      window.feed ??= Float32Array.from({length: 8 << 20}, (_, i) => (i % 251) / 251);
      const x0 = {dtype: 'float32', dims: [1, 8, 1024, 1024], data: window.feed};
      window.held = await window.sluice.sessions.get(id).run({x0});
      return Object.values(window.held).map(({data}) => data[12345]);
    }, session.id);
    web.check(sums.length === outputs.length && sums.every(sum => sum > 0), `the results hold ${sums}`);
    inPage.push((await heapOf(own)).buffers);
    inWorker = Math.max(inWorker, (await heapOf(worker.client)).buffers);
  }
  const module = await moduleMemory(worker.client);
  const [usual, most] = [median(inPage), Math.max(...inPage)];
  console.log(
    `        page ${inWords(usual)}, at most ${inWords(most)}, worker ${inWords(inWorker)}, module ${inWords(before)} to ${inWords(module)}`,
  );
  // The feed, and of each layer its input and its output, or all that is handed out.
  atMost(module, 1 + Math.max(2, outputs.length), 'the module has');
  atMost(inWorker, 0, 'the worker has');
  atMost(most, 1 + 3 * outputs.length, 'the page has');
  await opened.dispose(session.id);
  await page.close();
  return usual;
}

for (const threads of [1, 2]) {
  for (const outputs of [['x3'], ['x1', 'x2', 'x3']]) {
    await web.test(`runs with ${outputs.length} results of 32 MiB, threads: ${threads}`, async () => {
      const planes = 1 + 2 * outputs.length;
      const usual = [await runPlanes(threads, outputs)];
      // What happens to live through two collections grows old: on a busy machine now and then all of a page's results.
      if (usual[0] > room(planes)) usual.push(await runPlanes(threads, outputs), await runPlanes(threads, outputs));
      atMost(median(usual), planes, 'in the median the page has');
    });
  }
}
for (const threads of [1, 2]) {
  await web.test(`hundreds of results of 2 MiB, threads: ${threads}`, async () => {
    const opened = await openPage(web, address);
    const {page} = opened;
    const own = await page.createCDPSession();
    const session = await opened.open('small_plane.onnx', {backends: ['cpu'], threads});
    const inPage = [];
    for (let sample = 0; sample < 41; ++sample) {
      await page.evaluate(async id => {
        window.feed ??= Float32Array.from({length: 8 * 256 * 256}, (_, i) => (i % 251) / 251);
        const x0 = {dtype: 'float32', dims: [1, 8, 256, 256], data: window.feed};
        for (let run = 0; run < 5; ++run) await window.sluice.sessions.get(id).run({x0});
      }, session.id);
      inPage.push((await heapOf(own)).buffers);
    }
    const usual = median(inPage);
    console.log(`        page ${inWords(usual)}, at most ${inWords(Math.max(...inPage))}`);
    web.check(usual <= 26 * MiB, `most of the time the page has ${inWords(usual)} (at most 26 MiB)`);
    await opened.dispose(session.id);
    await page.close();
  });
}
await web.finish();
