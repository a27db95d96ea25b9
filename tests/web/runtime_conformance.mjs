// The public operator suites through the package in a real browser, on WebGPU and on WebAssembly: what passes
// natively passes here. known_gaps.txt holds for both. On WebGPU every 16th; with SLUICE_LONG every 4th, with
// SLUICE_STRIDE=1 all.
// A case counts for WebGPU only if its session was bound there and stayed.
import fs from 'node:fs';
import {need, start} from './harness.mjs';
import {caseNames, gapsOf, readCase} from './runtime_cases.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {ARRAYS, compare, fromWire, toWire} from './runtime_tensors.mjs';

// As CMakeLists.txt has them for the command line.
const suites = [
  {name: 'onnx-node', folder: 'build/data/onnx-node-tests/node', odd: 0.12},
  {name: 'onnx-extra', folder: 'build/data/onnx-suite-extra', odd: 0.1},
  {name: 'ort-web-ops', folder: 'build/suites/ort-web-ops', atol: 1e-4, odd: 0.02},
  {name: 'ort-small-models', folder: 'build/data/ort-small-models', atol: 1e-3, odd: 0.15},
  {name: 'tflite-glow', folder: 'build/suites/tflite-glow', atol: 1e-4, odd: 0.01},
  {name: 'tflite-seanet', folder: 'build/suites/tflite-seanet', odd: 0.01},
].filter(({folder}) => fs.existsSync(folder));
need('build/web/sluice-web/sluice-simd.wasm', 'build/data/onnx-node-tests/node');
const web = await start();
const stride = Number(process.env.SLUICE_STRIDE ?? (process.env.SLUICE_LONG ? 4 : 16));
const together = 10; // cases in one call of the page

// Whose values are drawn at random: only dtype and shape can be right or wrong.
const isRandom = name => /bernoulli|random/i.test(name);
// Sequences, optionals, complex and sub-byte numbers have no place in the package's Tensor.
const notExpressible = /no plain tensor|which this interface does not hand out/;

// In the page: runs cases one after another, each in a session of its own.
async function defineRunCases() {
  const {ARRAYS: arrays, fromWire: from, toWire: to} = await import('./runtime_tensors.mjs');
  const bytesOf = base64 => Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  const tensorOf = (value, {dtype, dims}) =>
    value.rawBase64 === undefined
      ? from(value)
      : {
          dtype,
          dims: dims.map(one => (typeof one === 'number' ? one : 1)),
          data: new arrays[dtype](bytesOf(value.rawBase64).buffer),
        };
  window.runCases = async (cases, options) => {
    const answers = [];
    for (const {name, model, sets} of cases) {
      const answer = {name, sets: [], begin: performance.now()};
      let session;
      try {
        session = await window.sluice.Session.create(bytesOf(model), {cache: false, ...options});
        const odd = session.inputs.find(({dtype}) => /[^a-z0-9]/.test(dtype));
        if (odd) throw new Error(`the input is ${odd.dtype}, no plain tensor`);
        for (const {inputs} of sets) {
          const feeds = {};
          session.inputs.forEach((input, i) => {
            if (inputs[i]) feeds[input.name] = tensorOf(inputs[i], input);
          });
          const results = await session.run(feeds);
          answer.sets.push(session.outputs.map(({name: output}) => to(results[output])));
        }
        const {bound, failovers, islands, reason} = session.binding;
        Object.assign(answer, {bound, failovers, islands: islands.length, reason});
      } catch (error) {
        answer.error = `${error.code ?? error.name}: ${error.message}`;
      }
      await session?.dispose();
      answer.seconds = (performance.now() - answer.begin) / 1000;
      answers.push(answer);
    }
    return answers;
  };
}
const wireValue = value => (!value ? null : value.raw ? {rawBase64: value.raw.toString('base64')} : toWire(value));

/** What is wrong with a case's results; '' when nothing. */
function judge(one, answer, backend, atol) {
  if (answer.error) return answer.error;
  if (answer.bound !== backend) return `ran on ${answer.bound}: ${JSON.stringify(answer.failovers)} ${answer.reason}`;
  const tolerance = {atol, rtol: 1e-3, ...one.info};
  if (isRandom(one.name)) tolerance.atol = Infinity;
  let compared = 0;
  for (const [s, {outputs}] of one.sets.entries()) {
    for (const [o, expected] of outputs.entries()) {
      if (!expected) continue;
      const got = fromWire(answer.sets[s][o]);
      let want = expected;
      if (expected.raw) {
        if ((one.info.strides?.[o] ?? 1) > 1) continue; // thinned goldens: the command line judges those
        const bytes = Uint8Array.from(expected.raw);
        want = {dtype: got.dtype, dims: got.dims, data: new ARRAYS[got.dtype](bytes.buffer)};
      }
      ++compared;
      const differs = compare(got, want, tolerance);
      if (differs) return `output ${o} ${differs}`;
    }
  }
  return compared > 0 ? '' : 'no output was compared';
}

async function runSuite(page, {name: suite, folder, atol = 1e-7, odd}, backend) {
  const options = {
    threads: 1,
    ...(backend === 'cpu' ? {backends: ['cpu']} : {backends: ['webgpu'], allowSoftware: true}),
  };
  const isGap = gapsOf(suite);
  const names = caseNames(folder).filter((_, i) => backend === 'cpu' || i % stride === 0);
  const failures = [],
    stale = [],
    notRun = [],
    times = [];
  let passed = 0,
    islands = 0;
  for (let at = 0; at < names.length; at += together) {
    const cases = names.slice(at, at + together).map(name => readCase(folder, name));
    notRun.push(...cases.filter(({why}) => why).map(({name, why}) => `${name}: ${why}`));
    const run = cases.filter(({why}) => !why);
    const sent = run.map(({name, model, sets}) => ({
      name,
      model,
      sets: sets.map(({inputs}) => ({inputs: Array.from(inputs, wireValue)})),
    }));
    const answers = await page.evaluate((list, settings) => window.runCases(list, settings), sent, options);
    for (const [i, answer] of answers.entries()) {
      const {name} = run[i];
      times.push([answer.seconds, name]);
      const wrong = judge(run[i], answer, backend, atol);
      if (wrong && notExpressible.test(wrong)) notRun.push(`${name}: ${wrong}`);
      else if (wrong && !isGap(backend, name)) failures.push(`${name}: ${wrong}`);
      else if (!wrong && isGap(backend, name)) stale.push(`${name} passes, though known_gaps.txt lists it`);
      else if (!wrong) ++passed;
      if (!wrong && answer.islands > 0) ++islands;
    }
  }
  times.sort(([a], [b]) => b - a);
  const slowest = times.slice(0, 2).map(([seconds, name]) => `${name} ${seconds.toFixed(1)} s`);
  console.log(
    `        ${passed} of ${names.length} passed (${islands} with islands), ${notRun.length} not expressible, ` +
      `${failures.length} failed; slowest: ${slowest.join(', ')}`,
  );
  if (process.env.SLUICE_VERBOSE) for (const text of notRun) console.log(`        not run ${text.slice(0, 160)}`);
  for (const text of failures) console.log(`        FAILED ${text.slice(0, 300)}`);
  web.check(
    notRun.length <= Math.max(1, names.length * odd),
    `${notRun.length} of ${names.length} can not be expressed`,
  );
  web.check(failures.length + stale.length === 0, `${failures.length} fail; ${stale.join('; ')}`);
}

const address = makePage(web, 'conformance');
for (const backend of ['cpu', 'webgpu']) {
  for (const suite of suites) {
    await web.test(`${suite.name} on ${backend}`, async () => {
      const {page} = await openPage(web, address);
      await page.evaluate(defineRunCases);
      // Holds the worker, which would go with the last session.
      const {model} = readCase('build/data/onnx-node-tests/node', 'test_abs');
      await page.evaluate(async base64 => {
        const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
        window.holder = await window.sluice.Session.create(bytes, {cache: false, backends: ['cpu'], threads: 1});
      }, model);
      await runSuite(page, suite, backend);
    });
  }
}
await web.finish();
