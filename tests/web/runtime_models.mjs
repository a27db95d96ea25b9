// Whole models through the package in a real browser, on WebGPU and on WebAssembly with one thread and
// with several, against the command line's numbers. A run that should be on the GPU and was not is a failure.
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {readNpy, writeNpy} from '../oracle/npy.mjs';
import {need, root, start} from './harness.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {compare, random, sameBits} from './runtime_tensors.mjs';

const int64 = (...values) => ({dtype: 'int64', dims: [], data: BigInt64Array.from(values, BigInt)});
const models = [
  {file: 'selfie_segmentation.tflite', feeds: {input_1: random(1, [1, 256, 256, 3])}, outputs: {activation_10: {}}},
  {
    file: 'silero_vad_v5.onnx',
    feeds: {input: random(2, [1, 512], -1, 1), state: random(3, [2, 1, 128], -1, 1), sr: int64(16000)},
    outputs: {output: {}, stateN: {}},
  },
];
const isnet = 'isnet_f32_256.onnx';
if (process.env.SLUICE_LONG && fs.existsSync(`build/models/${isnet}`)) {
  models.push({file: isnet, feeds: {input: random(4, [1, 3, 256, 256])}, outputs: {output: {}}});
}
need('build/web/sluice-web/sluice-simd.wasm', ...models.map(({file}) => `build/models/${file}`));
const isolated = await start();
const work = path.join(root, 'build/web/runtime_models');
fs.mkdirSync(work, {recursive: true});

/** The command line's results on the CPU. */
function native(model) {
  const out = path.join(work, model.file);
  fs.rmSync(out, {recursive: true, force: true});
  fs.mkdirSync(out);
  const inputs = Object.entries(model.feeds).flatMap(([name, {dtype, dims, data}], i) => {
    fs.writeFileSync(`${out}/in_${i}.npy`, writeNpy(dtype, dims, data));
    return ['--input', `${name}=${out}/in_${i}.npy`];
  });
  const run = spawnSync('build/sluice', [
    'run',
    `build/models/${model.file}`,
    '--backend',
    'cpu',
    ...inputs,
    '--out',
    out,
  ]);
  if (run.status !== 0) throw new Error(`sluice run: ${run.stderr}`);
  const files = fs
    .readdirSync(out)
    .filter(name => name.endsWith('.npy') && !name.startsWith('in_'))
    .sort();
  return Object.keys(model.outputs).map((name, i) => {
    const {type: dtype, dims, data} = readNpy(fs.readFileSync(`${out}/${files[i]}`));
    return {name, dtype, dims, data};
  });
}

const address = makePage(
  isolated,
  'models',
  Object.fromEntries(models.map(({file}) => [file, `build/models/${file}`])),
);
const alone = await isolated.serve('build/web', {isolated: false});

for (const model of models) {
  let want;
  const onCpu = {};
  const judge = (outputs, what) => {
    for (const expected of want) {
      const wrong = compare(outputs[expected.name], expected);
      isolated.check(!wrong, `${what}, ${expected.name}: ${wrong}`);
    }
  };
  await isolated.test(`${model.file}: the command line`, async () => {
    want = native(model);
  });
  for (const [what, url, options, threads] of [
    ['WebAssembly, one thread', isolated.url, {threads: 1}, 1],
    ['WebAssembly, three threads', isolated.url, {threads: 3}, 3],
    ['WebAssembly without isolation', alone.url, {threads: 3}, 1],
  ]) {
    await isolated.test(`${model.file}: ${what}`, async () => {
      const page = await openPage(isolated, address, {url});
      const session = await page.open(model.file, {...options, backends: ['cpu']});
      isolated.check(session.binding.bound === 'cpu', `bound to ${session.binding.bound}`);
      isolated.check(session.binding.threads === threads, `${session.binding.threads} threads (${threads} expected)`);
      const {outputs, seconds} = await page.run(session.id, model.feeds);
      judge(outputs, what);
      onCpu[what] = outputs;
      console.log(`        load ${session.seconds.toFixed(2)} s, run ${seconds.toFixed(3)} s`);
      await page.dispose(session.id);
    });
  }
  await isolated.test(`${model.file}: the same bits on one thread and on three`, async () => {
    const [one, three, plain] = Object.values(onCpu);
    for (const {name} of want) {
      isolated.check(sameBits(one[name], three[name]), `${name} differs between one thread and three`);
      isolated.check(sameBits(one[name], plain[name]), `${name} differs without shared memory`);
    }
  });
  await isolated.test(`${model.file}: WebGPU`, async () => {
    const page = await openPage(isolated, address);
    const session = await page.open(model.file, {allowSoftware: true, backends: ['webgpu'], strict: false});
    isolated.check(session.binding.bound === 'webgpu', `bound to ${session.binding.bound}: ${session.binding.reason}`);
    let previous;
    for (let run = 1; run <= 3; ++run) {
      const {outputs, binding, seconds} = await page.run(session.id, model.feeds);
      isolated.check(
        binding.bound === 'webgpu',
        `run ${run} was on ${binding.bound}: ${JSON.stringify(binding.failovers)}`,
      );
      isolated.check(binding.evidence === 'proven', `run ${run} is ${binding.evidence}`);
      judge(outputs, `run ${run}`);
      for (const {name} of want) {
        isolated.check(!previous || sameBits(previous[name], outputs[name]), `${name} differs between runs`);
      }
      previous = outputs;
      console.log(`        ${run === 1 ? `load ${session.seconds.toFixed(2)} s, ` : ''}run ${seconds.toFixed(3)} s`);
    }
    await page.dispose(session.id);
  });
}

// The first layers of an 8-bit model, whose weights have one zero point for all rows. Chromium's software
// adapter compiles their shaders for most of a minute.
const quantized = 'isnet_small_256.onnx';
if (fs.existsSync(`build/models/${quantized}`) && (process.env.SLUICE_LONG || !isolated.isChromium)) {
  await isolated.test(`${quantized}, as far as its first pooling: both backends agree`, async () => {
    const folder = makePage(isolated, 'quantized', {[quantized]: `build/models/${quantized}`});
    const page = await openPage(isolated, folder);
    const outputs = ['/conv_in/Conv_output_0_output_quantized', '/stage1/pool1/MaxPool_output_0'];
    const feeds = {input: random(1, [1, 3, 256, 256])};
    const results = {};
    for (const backend of ['cpu', 'webgpu']) {
      const {id} = await page.open(quantized, {backends: [backend], allowSoftware: true, outputs, cache: false});
      const run = await page.run(id, feeds);
      isolated.check(run.binding.bound === backend, `the run was on ${run.binding.bound}`);
      results[backend] = run.outputs;
      await page.dispose(id);
    }
    for (const name of outputs) {
      const wrong = compare(results.webgpu[name], results.cpu[name]);
      isolated.check(!wrong, `${name}: ${wrong}`);
    }
  });
}
await isolated.test('options: limits of the adapter, outputs by name, float32 only, the console line', async () => {
  const {file, feeds} = models[1];
  const page = await openPage(isolated, `${address}?debug=ep`);
  const want = await page.open(file, {backends: ['cpu'], threads: 1});
  const {outputs: all} = await page.run(want.id, feeds);
  const some = await page.open(file, {allowSoftware: true, limits: 'adapter', outputs: ['stateN'], dtype: 'float32'});
  isolated.check(some.binding.bound === 'webgpu', `bound to ${some.binding.bound}: ${some.binding.reason}`);
  isolated.check(some.binding.adapter.features.f16 === false, 'shader-f16 was asked for');
  const names = some.outputs.map(({name}) => name).join();
  isolated.check(names === 'stateN', `the outputs are ${names}`);
  const {outputs, binding} = await page.run(some.id, feeds);
  const wrong = compare(outputs.stateN, all.stateN);
  isolated.check(Object.keys(outputs).join() === 'stateN' && !wrong, `stateN ${wrong}`);
  isolated.check(binding.bound === 'webgpu', `the run was on ${binding.bound}`);
  await page.dispose(some.id);
  if (isolated.isChromium) {
    // The worker's console is the page's there.
    const lines = page.page.log.filter(line => line.includes('[EP] sluice'));
    isolated.check(
      lines.some(line => line.includes('bound=webgpu')),
      `console: ${page.page.log.join(' | ')}`,
    );
  }
});
await isolated.test('events while a model loads and runs for the first time', async () => {
  const page = await openPage(isolated, address);
  const session = await page.open(models[0].file, {backends: ['cpu'], threads: 1});
  const phases = [...new Set(session.phases)].join(' ');
  isolated.check(/^download read compile ready$/.test(phases), `the phases are ${phases}`);
  const again = await page.open(models[0].file, {backends: ['cpu'], threads: 1});
  isolated.check(again.binding.download.from === 'store', `the second load came from ${again.binding.download.from}`);
  for (const {id} of [session, again]) await page.dispose(id);
});
await isolated.test('files that are not where the option says, models that are not there: typed errors', async () => {
  const page = await openPage(isolated, address);
  page.page.tolerate(/nowhere|404|NetworkError|MIME|Loading/i);
  const codeOf = (model, options) =>
    page.open(model, options).then(
      () => 'none',
      error => error.code,
    );
  const codes = [
    await codeOf(models[0].file, {assets: '/nowhere/'}),
    await codeOf('nowhere.onnx', {backends: ['cpu']}),
    await codeOf('main.js', {backends: ['cpu'], cache: false}),
    await codeOf(models[0].file, {backends: ['cpu'], threads: 2}),
  ];
  isolated.check(
    /^internal,network,(invalid-model|integrity|network),none$/.test(codes.join()),
    `the codes are ${codes}`,
  );
});
await isolated.finish();
