// Runs the WebAssembly module in Node. Usage (exit code 0 passed, 1 failed, 77 not run):
//   node run.mjs unit FLAVOUR [FILTER]              the unit tests that are linked into the test module (-FILTER: the others)
//   node run.mjs conformance FLAVOUR SUITE FOLDER [ATOL]  a suite in ONNX's backend-test layout, with known_gaps.txt
//   node run.mjs malformed FLAVOUR                  the corpus of broken files: an answer or an error, no trap
//   node run.mjs model FLAVOUR MODEL CLI            a model's outputs against `sluice run` and over threads
//   node run.mjs cutout FLAVOUR MODEL CLI           a photo's matte against `sluice cutout`
//   node run.mjs threads FLAVOUR                    threads that never come back from their part of a kernel
// FLAVOUR is simd or relaxed, with -threads where workers are wanted.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from './module.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const [kind, flavour, ...rest] = process.argv.slice(2);
const threads = flavour?.endsWith('-threads') ? 4 : 1;

function skip(why) {
  console.log(`not run: ${why}`);
  process.exit(77);
}
function moduleFile(name) {
  const file = join(root, 'build/wasm', `sluice-${name}.wasm`);
  if (!existsSync(file)) skip(`${file} is missing (tools/wasm --tests builds it)`);
  return file;
}

// An instance that is made anew after a trap, which leaves the old one without sense.
class Module {
  constructor(file, options) {
    Object.assign(this, { file, options, host: null });
  }
  async get() {
    this.host ??= await load(this.file, { onMessage: () => {}, ...this.options });
    return this.host;
  }
  // The sentence of a trap, with the module's last words.
  async broken(error) {
    const words = this.host.messages.slice(-3).join('; ');
    await this.host.close();
    this.host = null;
    return `trap: ${error.message}${words ? ` (${words})` : ''}\n${error.stack.split('\n').slice(1, 6).join('\n')}`;
  }
  async close() {
    await this.host?.close();
  }
}

// "a*b" against a name; "-a*b" is true of all others.
function matches(pattern, name) {
  if (pattern.startsWith('-')) return !matches(pattern.slice(1), name);
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

async function unit(filter = '*') {
  const module = new Module(moduleFile(`test-${flavour}`), { threads });
  let names = (await module.get()).call('sluice_test_list').value;
  let passed = 0, failed = 0, skipped = 0, allocations = 0;
  const slow = [];
  for (let index = 0; index < names.length; ++index) {
    if (!matches(filter, names[index])) continue;
    const host = await module.get();
    host.call('sluice_test_list');
    const start = performance.now();
    let result;
    try {
      result = host.call('sluice_test_run', index).value;
    } catch (error) {
      result = { failures: await module.broken(error), skipped: '', workerAllocations: 0 };
    }
    slow.push([performance.now() - start, names[index]]);
    if (result.failures) {
      ++failed;
      console.log(`FAILED  ${names[index]}\n${result.failures}`);
    } else if (result.skipped) {
      ++skipped;
      console.log(`skipped ${names[index]}: ${result.skipped}`);
    } else {
      ++passed;
    }
    if (result.workerAllocations) {
      allocations += result.workerAllocations;
      console.log(`note    ${names[index]}: workers called the allocator ${result.workerAllocations} times`);
    }
  }
  slow.sort((a, b) => b[0] - a[0]);
  console.log(`slowest: ${slow.slice(0, 5).map(([ms, name]) => `${name} ${(ms / 1000).toFixed(1)} s`).join(', ')}`);
  console.log(`wasm ${flavour}, ${threads} thread(s): ${passed} passed, ${failed} failed, ${skipped} skipped`);
  await module.close();
  return failed === 0 && passed > 0;
}

function readGaps() {
  return readFileSync(join(root, 'known_gaps.txt'), 'utf8').split('\n')
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => {
      const [executor, pattern, ...reason] = line.split(' ');
      return { executor, pattern, reason: reason.join(' ') };
    })
    .filter((gap) => ['*', 'cpu', 'wasm'].includes(gap.executor));
}

function casesBelow(folder, found = []) {
  if (existsSync(join(folder, 'model.onnx'))) found.push(folder);
  else for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) casesBelow(path, found);
  }
  return found;
}

// An empty text when the case passes.
function runCase(host, folder, atol) {
  const info = existsSync(join(folder, 'case.json')) ? JSON.parse(readFileSync(join(folder, 'case.json'))) : {};
  const bytes = readFileSync(join(folder, 'model.onnx'));
  const files = {};
  for (const name of readdirSync(folder)) {
    if (/^model\.onnx$|^case\.json$|^test_data_set/.test(name)) continue;
    const data = readFileSync(join(folder, name));
    files[name] = [host.put(data), data.length];
  }
  const at = host.put(bytes);
  const random = host.call('sluice_test_random', at, bytes.length).status === 1;
  const { status: session, value: about } = host.call('sluice_open', at, bytes.length,
    JSON.stringify({ name: 'model.onnx', requested: 'cpu', files }));
  try {
    let sets = 0;
    for (; existsSync(join(folder, `test_data_set_${sets}`)); ++sets) {
      const data = join(folder, `test_data_set_${sets}`);
      const file = (stem) => ['.pb', '.npy'].map((ending) => join(data, stem + ending)).find(existsSync);
      about.inputs.forEach((_, index) => {
        const path = file(`input_${index}`);
        if (!path) return;
        const value = readFileSync(path);
        const place = host.put(value);
        try {
          host.call('sluice_test_feed', session, index, place, value.length);
        } finally {
          host.x.sluice_free(place);
        }
      });
      host.call('sluice_cpu_run', session);
      let compared = 0;
      for (let index = 0; index < about.outputs.length; ++index) {
        const path = file(`output_${index}`);
        if (!path) continue;
        ++compared;
        const value = readFileSync(path);
        const place = host.put(value);
        const { difference } = host.call('sluice_test_compare', session, index, place, value.length,
          info.atol ?? atol, info.rtol ?? 1e-3, random ? 0 : 1).value;
        host.x.sluice_free(place);
        if (difference) return `output ${index} ${difference}`;
      }
      if (compared === 0) return `data set ${sets} holds no expected output`;
    }
    return sets === 0 ? 'there is no test_data_set_0' : '';
  } finally {
    host.x.sluice_close(session);
  }
}

async function conformance(suite, folder, atol = '1e-7') {
  const top = join(root, folder);
  if (!existsSync(top)) skip(`${suite} needs ${folder}, which is unpacked from ../shared/data and not there`);
  const gaps = readGaps();
  const module = new Module(moduleFile(`test-${flavour}`), { threads });
  let passed = 0, failed = 0, skipped = 0;
  const cases = casesBelow(top);
  for (const path of cases) {
    const name = `${suite}/${path.slice(top.length + 1)}`;
    let why;
    try {
      why = runCase(await module.get(), path, Number(atol));
    } catch (error) {
      why = error instanceof WebAssembly.RuntimeError ? await module.broken(error) : error.message;
    }
    const gap = gaps.find(({ pattern }) => matches(pattern, name));
    if (why && gap) {
      ++skipped;
    } else if (why) {
      ++failed;
      console.log(`FAILED  ${name}: ${why}`);
    } else if (gap && gap.pattern === name) {
      ++failed;
      console.log(`STALE   ${name} passes but is listed as a gap: ${gap.reason}`);
    } else {
      ++passed;
    }
  }
  const host = await module.get();
  console.log(`wasm ${flavour}, ${threads} thread(s): ${passed} passed, ${failed} failed, ${skipped} skipped (${cases.length} cases); ` +
    `memory ${(host.memory.buffer.byteLength / 1e6).toFixed(0)} MB`);
  await module.close();
  return failed === 0 && passed > 0;
}

function filesBelow(folder, found = []) {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) filesBelow(path, found);
    else found.push(path);
  }
  return found;
}

async function malformed() {
  const top = join(root, 'build/data/malformed');
  if (!existsSync(top)) skip('the malformed files are not unpacked');
  const module = new Module(moduleFile(flavour), { threads, maximumPages: 16384 });
  let refused = 0, opened = 0, failed = 0;
  for (const path of filesBelow(top)) {
    const bytes = readFileSync(path);
    const host = await module.get();
    try {
      const { status } = host.call('sluice_open', host.put(bytes), bytes.length, JSON.stringify({ name: 'm', requested: 'cpu' }));
      host.x.sluice_close(status);
      ++opened;
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) {
        ++failed;
        console.log(`FAILED  ${path.slice(top.length + 1)}: ${await module.broken(error)}`);
      } else if (error.code === 'internal' || !error.code) {
        ++failed;
        console.log(`FAILED  ${path.slice(top.length + 1)}: ${error.message}`);
      } else {
        ++refused;
      }
    }
  }
  console.log(`wasm ${flavour}: ${refused} refused, ${opened} opened, ${failed} failed`);
  await module.close();
  return failed === 0 && refused > 100;
}

// Float32 elements of a .npy file.
function readNpy(path) {
  const bytes = readFileSync(path);
  const header = bytes.readUInt16LE(8);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset + 10 + header, bytes.byteOffset + bytes.length));
}

// The ramp that `sluice run --input NAME=random:0` makes (cli/feeds.h).
function generated(elements) {
  const out = new Float32Array(elements);
  for (let i = 0; i < elements; ++i) {
    const h = Number((BigInt(i + 1) * 2654435761n) % 4294967296n);
    out[i] = 2 * (Math.floor(h / 256) / 2 ** 24) - 1;
  }
  return out;
}

// All outputs of one run on generated inputs, as {name: Float32Array}.
async function outputsOf(name, count, path) {
  const host = await load(moduleFile(name), { threads: count });
  const bytes = readFileSync(path);
  const { status: session, value: about } = host.call('sluice_open', host.put(bytes), bytes.length,
    JSON.stringify({ name: basename(path), requested: 'cpu' }));
  about.inputs.forEach(({ dtype, dims }, index) => {
    if (dtype !== 'float32') throw new Error(`input ${index} is ${dtype}`);
    const data = generated(dims.reduce((a, b) => a * b, 1));
    host.call('sluice_feed', session, index, JSON.stringify({ dtype, dims }), host.put(data), data.byteLength);
  });
  const out = {};
  for (const { name: output, data, bytes: length } of host.call('sluice_cpu_run', session).value.outputs) {
    out[output] = new Float32Array(host.memory.buffer.slice(data, data + length));
  }
  const allocations = host.x.sluice_worker_allocations();
  await host.close();
  return { out, allocations };
}

async function model(path, cli) {
  path = join(root, path);
  if (!existsSync(path)) skip(`${path} is not there (tools/setup models)`);
  const { out: one, allocations: none } = await outputsOf(flavour, 1, path);
  let ok = none === 0;
  for (const count of [2, 4]) {
    const { out, allocations } = await outputsOf(`${flavour}-threads`, count, path);
    for (const [name, data] of Object.entries(one)) {
      if (Buffer.compare(Buffer.from(data.buffer), Buffer.from(out[name].buffer)) !== 0) {
        console.log(`FAILED  ${name} differs on ${count} threads`);
        ok = false;
      }
    }
    if (allocations !== 0) {
      console.log(`FAILED  workers called the allocator ${allocations} times`);
      ok = false;
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'));
  try {
    execFileSync(join(root, cli), ['run', path, '--backend', 'cpu', '--out', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    const files = readdirSync(folder).filter((name) => name.endsWith('.npy'));
    for (const [name, data] of Object.entries(one)) {
      const file = files.find((each) => each === `${name}.npy`) ?? files.find((each) => each.includes(name.replace(/[^\w.-]/g, '_')));
      if (!file) {
        console.log(`FAILED  ${name} is not among ${files.join(', ')}`);
        ok = false;
        continue;
      }
      const want = readNpy(join(folder, file));
      let worst = 0, wrong = 0;
      data.forEach((value, i) => {
        const error = Math.abs(value - want[i]);
        if (!(error <= 1e-4 + 1e-3 * Math.abs(want[i]))) ++wrong;
        worst = Math.max(worst, error);
      });
      console.log(`${name}: ${data.length} elements, largest difference from native ${worst.toExponential(2)}`);
      if (wrong !== 0 || data.length !== want.length) {
        console.log(`FAILED  ${name}: ${wrong} elements differ`);
        ok = false;
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  console.log(`wasm ${flavour} ${basename(path)}: ${ok ? 'passed' : 'failed'} (1, 2 and 4 threads bit-equal; against native)`);
  return ok && Object.keys(one).length > 0;
}

// A thread that traps, and one that is silent: the owner's call ends with a trap that says so, and others compute on.
async function threadTrouble() {
  const [none, trap, silence] = [0, 1, 2];
  let failed = 0;
  for (const [trouble, patience, wanted] of [[none, 120, ''], [trap, 120, 'without a trap'], [silence, 2, 'within two minutes'], [none, 120, '']]) {
    const host = await load(moduleFile(`test-${flavour}`), { threads: 2, onMessage: () => {} });
    let said = '';
    try {
      const sum = host.x.sluice_test_threads(trouble, patience);
      if (sum !== 3) said = `the sum is ${sum} (3 expected)`;
    } catch (error) {
      said = `${error.message}; ${host.messages.at(-1)}`;
    }
    const good = wanted ? said.includes(wanted) : said === '';
    if (!good) ++failed;
    console.log(`${good ? 'ok    ' : 'FAILED'}  ${said || 'computed by both'}`);
    await host.close();
  }
  return failed === 0;
}

const kinds = { unit, conformance, malformed, model, threads: threadTrouble };
if (!kinds[kind]) {
  console.error('usage: run.mjs unit|conformance|malformed|model|threads FLAVOUR ...');
  process.exit(2);
}
process.exit((await kinds[kind](...rest)) ? 0 : 1);
