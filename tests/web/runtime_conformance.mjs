// ONNX's operator tests through the package in a real browser, on WebGPU and on WebAssembly: what passes
// natively passes here. known_gaps.txt holds for both. On WebGPU every 12th, with SLUICE_LONG=1 all.
// A case counts for WebGPU only if its session was bound there and stayed.
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {compare, fromWire, readTensorProto, toWire} from './runtime_tensors.mjs';

const suite = 'build/data/onnx-node-tests/node';
need('build/web/sluice-web/sluice-simd.wasm', suite);
const web = await start();
const stride = process.env.SLUICE_LONG ? 1 : Number(process.env.SLUICE_STRIDE ?? 12);
const together = 10; // cases in one call of the page

const gaps = fs
  .readFileSync(path.join(root, 'known_gaps.txt'), 'utf8')
  .split('\n')
  .map(line => /^(\*|cpu|webgpu|browser) onnx-node\/(\S+)/.exec(line))
  .filter(match => match !== null);
const isGap = (backend, name) =>
  gaps.some(([, executor, pattern]) => ['*', 'browser', backend].includes(executor) && pattern === name);

/** One case: {name, model, sets: [{inputs, outputs}]}, or {name, why} where this interface can't express it. */
function readCase(name) {
  const folder = path.join(suite, name);
  const sets = [];
  for (const set of fs
    .readdirSync(folder)
    .filter(one => one.startsWith('test_data_set_'))
    .sort()) {
    const read = kind => {
      const files = fs.readdirSync(path.join(folder, set)).filter(file => file.startsWith(kind));
      return files
        .sort((a, b) => parseInt(a.split('_')[1]) - parseInt(b.split('_')[1]))
        .map(file => readTensorProto(new Uint8Array(fs.readFileSync(path.join(folder, set, file)))));
    };
    const [inputs, outputs] = [read('input_'), read('output_')];
    if ([...inputs, ...outputs].some(tensor => tensor === null)) return {name, why: 'a value that is no plain tensor'};
    sets.push({inputs, outputs});
  }
  return {name, model: fs.readFileSync(path.join(folder, 'model.onnx')).toString('base64'), sets};
}

// Whose values are drawn at random: only dtype and shape can be right or wrong.
const isRandom = name => name.startsWith('test_bernoulli');
// Sequences, optionals, complex and sub-byte numbers have no place in the package's Tensor.
const notExpressible = /no plain tensor|which this interface does not hand out/;

const address = makePage(web, 'conformance');
for (const backend of ['cpu', 'webgpu']) {
  await web.test(`onnx-node on ${backend}`, async () => {
    const page = await openPage(web, address);
    // Holds the worker, which would go with the last session.
    await page.page.evaluate(async () => {
      const {fromWire, toWire, mapValues} = await import('./runtime_tensors.mjs');
      window.runCases = async (cases, options) => {
        const answers = [];
        for (const {name, model, sets} of cases) {
          const answer = {name, sets: [], begin: performance.now()};
          let session;
          try {
            const bytes = Uint8Array.from(atob(model), c => c.charCodeAt(0));
            session = await window.sluice.Session.create(bytes, {cache: false, ...options});
            const odd = session.inputs.find(({dtype}) => /[^a-z0-9]/.test(dtype));
            if (odd) throw new Error(`the input is ${odd.dtype}, no plain tensor`);
            for (const {inputs} of sets) {
              const feeds = {};
              session.inputs.forEach((input, i) => {
                if (inputs[i]) feeds[input.name] = fromWire(inputs[i]);
              });
              const results = await session.run(feeds);
              answer.sets.push(session.outputs.map(({name: output}) => toWire(results[output])));
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
    });
    const options =
      backend === 'cpu' ? {backends: ['cpu'], threads: 1} : {backends: ['webgpu'], allowSoftware: true, threads: 1};
    const names = fs
      .readdirSync(suite)
      .sort()
      .filter((_, i) => backend === 'cpu' || i % stride === 0);
    const failures = [],
      unexpected = [],
      notRun = [],
      slow = [];
    let passed = 0,
      islands = 0;
    const holder = readCase(names[0]);
    await page.page.evaluate(
      async (model, settings) => {
        window.holder = await window.sluice.Session.create(
          Uint8Array.from(atob(model), c => c.charCodeAt(0)),
          {cache: false, ...settings},
        );
      },
      holder.model,
      options,
    );
    for (let at = 0; at < names.length; at += together) {
      const cases = names.slice(at, at + together).map(readCase);
      notRun.push(...cases.filter(one => one.why).map(one => `${one.name}: ${one.why}`));
      const run = cases.filter(one => !one.why);
      const sent = run.map(({name, model, sets}) => ({
        name,
        model,
        sets: sets.map(({inputs}) => ({inputs: inputs.map(toWire)})),
      }));
      const answers = await page.page.evaluate((list, settings) => window.runCases(list, settings), sent, options);
      answers.forEach((answer, i) => {
        const {name, sets} = run[i];
        slow.push([answer.seconds, name]);
        let wrong = answer.error ?? '';
        if (!wrong && answer.bound !== backend)
          wrong = `ran on ${answer.bound}: ${JSON.stringify(answer.failovers)} ${answer.reason}`;
        for (const [s, {outputs}] of sets.entries()) {
          outputs.forEach((want, o) => {
            if (wrong) return;
            const got = fromWire(answer.sets[s][o]);
            const tolerance = isRandom(name) ? {atol: Infinity} : {atol: 1e-7, rtol: 1e-3};
            const differs = compare(got, want, tolerance);
            if (differs) wrong = `output ${o} ${differs}`;
          });
        }
        if (wrong && notExpressible.test(wrong)) notRun.push(`${name}: ${wrong}`);
        else if (wrong && !isGap(backend, name)) failures.push(`${name}: ${wrong}`);
        else if (!wrong && isGap(backend, name)) unexpected.push(`${name} passes, though known_gaps.txt lists it`);
        else if (!wrong) ++passed;
        if (!wrong && answer.islands > 0) ++islands;
      });
    }
    slow.sort(([a], [b]) => b - a);
    console.log(
      `        ${passed} of ${names.length} passed (${islands} with islands), ${notRun.length} not expressible, ${failures.length} failed; ` +
        `slowest: ${slow
          .slice(0, 3)
          .map(([seconds, name]) => `${name} ${seconds.toFixed(1)} s`)
          .join(', ')}`,
    );
    if (process.env.SLUICE_VERBOSE) for (const text of notRun) console.log(`        not run ${text.slice(0, 160)}`);
    for (const text of failures) console.log(`        FAILED ${text.slice(0, 300)}`);
    web.check(notRun.length < names.length * 0.12, `${notRun.length} of ${names.length} can not be expressed`);
    web.check(failures.length + unexpected.length === 0, `${failures.length} fail, ${unexpected.join('; ')}`);
  });
}
await web.finish();
