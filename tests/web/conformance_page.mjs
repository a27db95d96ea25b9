// Public suites in ONNX's backend-test layout inside a real browser: packs the cases into a few files, lets the
// worker (conformance_worker.mjs) run them one after another, and judges with known_gaps.txt as `sluice
// conformance` does. Lines there of the executors browser and * count, and on the GPU those of `island`.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {need, root} from './harness.mjs';

const CASES_PER_FILE = 128;
const QUIET_SECONDS = 120; // a case that takes longer is hung

export const suites = [
  {name: 'onnx-node', folder: 'build/data/onnx-node-tests/node', tolerance: {rtol: 1e-3, atol: 1e-7}, whole: 75},
  {name: 'ort-web-ops', folder: 'build/suites/ort-web-ops', tolerance: {rtol: 1e-3, atol: 1e-4}, whole: 75},
  {name: 'onnx-extra', folder: 'build/data/onnx-suite-extra', tolerance: {rtol: 1e-3, atol: 1e-7}},
  // Whole small models: some compile a hundred shaders.
  {name: 'ort-small-models', folder: 'build/data/ort-small-models', tolerance: {rtol: 1e-3, atol: 1e-3}, rarely: 6},
];

/** "a*b" against a name. */
function matches(pattern, name) {
  const parts = pattern.split('*').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

function readGaps() {
  return fs
    .readFileSync(path.join(root, 'known_gaps.txt'), 'utf8')
    .split('\n')
    .filter(line => line.trim() && !line.startsWith('#'))
    .map(line => {
      const [, executor, pattern, reason] = /^(\S+) (\S+) (.*)$/.exec(line);
      return {executor, pattern, reason};
    });
}

/** Folders with a model.onnx, by name: {name, folder}. */
export function casesOf(suite) {
  const all = path.join(root, suite.folder);
  return fs
    .readdirSync(all, {recursive: true})
    .filter(file => path.basename(file) === 'model.onnx')
    .map(file => path.dirname(file))
    .sort()
    .map(name => ({name: `${suite.name}/${name}`, folder: path.join(all, name)}));
}

// 4 bytes: size of the directory; the directory (JSON); the files' bytes.
function pack(cases, target) {
  const chunks = [];
  let at = 0;
  const put = file => {
    const bytes = fs.readFileSync(file);
    chunks.push(bytes);
    at += bytes.length;
    return [at - bytes.length, bytes.length];
  };
  const directory = cases.map(({name, folder}) => {
    const model = put(path.join(folder, 'model.onnx'));
    const sets = [];
    for (let set = 0; fs.existsSync(path.join(folder, `test_data_set_${set}`)); ++set) {
      const data = path.join(folder, `test_data_set_${set}`);
      const found = {inputs: [], outputs: []};
      for (const file of fs.readdirSync(data).sort()) {
        const [, kind, index] = /^(input|output)_(\d+)\.(?:pb|npy)$/.exec(file) ?? [];
        if (kind) found[`${kind}s`].push([Number(index), put(path.join(data, file))]);
      }
      sets.push(found);
    }
    return {name, model, sets};
  });
  // Offsets count from the file's begin, which depends on the directory's own size: grow until it fits.
  const absolute = base =>
    Buffer.from(
      JSON.stringify(
        directory.map(({name, model, sets}) => ({
          name,
          model: [model[0] + base, model[1]],
          sets: sets.map(({inputs, outputs}) => ({
            inputs: inputs.map(([i, [from, size]]) => [i, [from + base, size]]),
            outputs: outputs.map(([i, [from, size]]) => [i, [from + base, size]]),
          })),
        })),
      ),
    );
  const base = 4 + absolute(0).length + directory.length * 200;
  let json = absolute(base);
  json = Buffer.concat([json, Buffer.alloc(base - 4 - json.length, ' ')]);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(json.length);
  fs.writeFileSync(target, Buffer.concat([head, json, ...chunks]));
}

/** What a run needs: the worker, the test modules under the names that the loader asks for, the page. */
function prepare(web, flavour) {
  const single = `build/wasm/sluice-test-${flavour}.wasm`;
  const threads = `build/wasm/sluice-test-${flavour}-threads.wasm`;
  need(
    single,
    threads,
    'build/web/sluice-web/thread.js',
    'build/web-node/node_modules/esbuild',
    'build/models/selfie_segmentation.tflite',
  );
  const address = web.writePage(`conformance-${flavour}`, 'window.ready = true;');
  const folder = path.join(root, 'build/web', address);
  const esbuild = createRequire(path.join(root, 'build/web-node/node_modules/x.js'))('esbuild');
  esbuild.buildSync({
    entryPoints: [path.join(root, 'tests/web/conformance_worker.mjs')],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    outfile: path.join(folder, 'worker.js'),
    logLevel: 'warning',
  });
  // The loader takes relaxed SIMD where the browser has it: the other module under that name is how it is tried.
  for (const as of ['relaxed', 'simd']) {
    fs.copyFileSync(path.join(root, single), path.join(folder, `sluice-${as}.wasm`));
    fs.copyFileSync(path.join(root, threads), path.join(folder, `sluice-${as}-threads.wasm`));
  }
  fs.copyFileSync(path.join(root, 'build/web/sluice-web/thread.js'), path.join(folder, 'thread.js'));
  fs.copyFileSync(path.join(root, 'build/models/selfie_segmentation.tflite'), path.join(folder, 'gate.tflite'));
  return {address, folder};
}

/**
 * Runs `cases` of one suite on one executor: 'webgpu' or 'wasm'. Gives {outcomes, about, seconds}.
 * @param {{gpu: boolean, flavour: 'relaxed' | 'simd', threads: number, suite: object, cases: object[]}} how
 */
export async function runCases(web, {gpu, flavour, threads, suite, cases}) {
  const {address, folder} = prepare(web, flavour);
  const files = [];
  for (let i = 0; i < cases.length; i += CASES_PER_FILE) {
    const name = `${suite.name}-${i / CASES_PER_FILE}.bin`;
    pack(cases.slice(i, i + CASES_PER_FILE), path.join(folder, name));
    files.push({name, count: Math.min(CASES_PER_FILE, cases.length - i)});
  }
  const outcomes = [];
  let about = null;
  const settings = {
    gpu,
    threads,
    tolerance: suite.tolerance,
    assets: new URL(address, web.url).href,
    gateModel: new URL(`${address}gate.tflite`, web.url).href,
  };
  const begin = Date.now();
  let page = null;
  let heard = Date.now();
  let running = '';
  let end = () => {};
  const listen = message => {
    heard = Date.now();
    if (message.begin !== undefined) running = message.begin;
    else if (message.outcome) outcomes.push(message.outcome);
    else end(message);
  };
  const open = async () => {
    page = await web.page(address);
    await page.exposeFunction('heard', listen);
    await page.evaluate(() => {
      window.worker = new Worker('worker.js', {type: 'module'});
      const threads = [];
      window.worker.onmessage = ({data}) => {
        if (!data.thread) return void window.heard(data);
        // The first of a new module: the threads of the one before have nothing to do any more.
        if (data.thread.index === 1) for (const one of threads.splice(0)) one.terminate();
        const thread = new Worker('thread.js', {type: 'module'});
        thread.postMessage(data.thread);
        threads.push(thread);
      };
      window.worker.onerror = event => void window.heard({failed: `worker: ${event.message}`});
    });
  };
  // Resolves with what the worker says, or null when it has fallen silent.
  const ask = message =>
    new Promise(resolve => {
      heard = Date.now();
      const timer = setInterval(() => {
        if (Date.now() - heard < QUIET_SECONDS * 1000) return;
        clearInterval(timer);
        resolve(null);
      }, 500);
      end = answer => {
        clearInterval(timer);
        resolve(answer);
      };
      page.evaluate(data => window.worker.postMessage(data), message).catch(() => {});
    });
  const start = async () => {
    await open();
    const answer = await ask({start: settings});
    if (!answer?.done) throw new Error(`the worker does not start: ${answer?.failed ?? 'silence'}`);
    about = answer.done;
  };
  await start();
  for (const {name, count} of files) {
    const before = outcomes.length;
    while (outcomes.length - before < count) {
      const answer = await ask({batch: new URL(address + name, web.url).href, skip: outcomes.length - before});
      if (answer?.done) break;
      // Hung or dead: that case has failed, the rest goes on in a new page.
      const why = answer ? answer.failed : `it does not finish within ${QUIET_SECONDS} s`;
      outcomes.push({name: running, detail: why, islands: 0, island: '', dispatches: 0, seconds: QUIET_SECONDS});
      await page.close();
      await start();
    }
  }
  await page.close();
  return {outcomes, about, seconds: (Date.now() - begin) / 1000};
}

/** {passed, skipped, whole, idle, problems}: problems fail the run. */
export function judge(outcomes, {demandIslands}) {
  const gaps = readGaps();
  const count = {passed: 0, skipped: 0, whole: 0, idle: 0, problems: []};
  for (const outcome of outcomes) {
    const {name} = outcome;
    let {detail} = outcome;
    const gap = gaps.find(one => ['browser', '*'].includes(one.executor) && matches(one.pattern, name));
    if (gap && !detail && gap.pattern === name) {
      count.problems.push(`STALE   ${name} passes but stands in the known gaps`);
      continue;
    }
    if (gap && detail) {
      ++count.skipped;
      continue;
    }
    if (!detail && demandIslands) {
      const listed = gaps.find(one => one.executor === 'island' && matches(one.pattern, name));
      if (outcome.islands > 0 && !listed) detail = `passes with an island that is not listed: ${outcome.island}`;
      if (outcome.islands === 0 && listed?.pattern === name) {
        count.problems.push(`STALE   ${name} runs without an island but is listed with one`);
      }
    }
    if (detail) {
      count.problems.push(`FAILED  ${name}: ${detail}`);
      continue;
    }
    ++count.passed;
    if (outcome.islands === 0) ++count.whole;
    if (outcome.islands === 0 && outcome.dispatches === 0) ++count.idle;
  }
  return count;
}
