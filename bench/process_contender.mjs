// A runtime in a process of its own, driven over the process's channel (run.mjs forks it): it starts ('start'), is asked
// for runs ({batch: N}) and for what it made ('results'), and ends ('end') with its peak memory. The command line of
// Sluice is itself started for each batch, on the same inputs from files.
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import {readNpy, writeNpy} from '../tests/oracle/npy.mjs';
import {feedsOf, sampledResults} from './feeds.mjs';

const {kind, module, threads, model} = JSON.parse(process.argv[2]);
const require = createRequire(path.resolve('build/node/package.json'));
const feeds = feedsOf(model.inputs);

const peakBytes = () => {
  const status = fs.existsSync('/proc/self/status') ? fs.readFileSync('/proc/self/status', 'utf8') : '';
  const found = /VmHWM:\s+(\d+)/.exec(status);
  return found ? Number(found[1]) * 1024 : process.resourceUsage().maxRSS * 1024;
};
const bytesOf = files => files.reduce((sum, file) => sum + fs.statSync(file).size, 0);

// --- the command line

function scalarNpy(data) {
  const file = writeNpy('int64', [1], data).toString('latin1');
  return Buffer.from(file.replace("'shape': (1,), }", "'shape': (), }  "), 'latin1');
}

function sluice() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-'));
  process.on('exit', () => fs.rmSync(folder, {recursive: true}));
  const given = ['--backend', 'cpu', '--threads', String(threads)];
  for (const [name, {type, dims, data}] of Object.entries(feeds)) {
    const at = path.join(folder, `in_${given.length}.npy`);
    fs.writeFileSync(at, dims.length ? writeNpy(type, dims, data) : scalarNpy(data));
    given.push('-i', `${name}=${at}`);
  }
  for (const name of model.outputs ?? []) given.push('-o', name);
  const call = (...args) => {
    const {stdout, stderr, status} = spawnSync('build/sluice', args, {encoding: 'utf8'});
    if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1));
    return stdout;
  };
  let peak = 0;
  const measure = runs => {
    const made = JSON.parse(call('bench', model.file, ...given, '--json', '--runs', String(runs)));
    peak = Math.max(peak, made.peak_rss_bytes);
    return made;
  };
  return {
    start() {
      const {read_ms, compile_ms, prepare_ms, first_ms, median_ms} = measure(1);
      return {load_ms: read_ms, create_ms: compile_ms + prepare_ms, first_ms, run_ms: median_ms};
    },
    batch(runs) {
      const {median_ms, median_cpu_ms} = measure(runs);
      return {ms: median_ms, cpu_ms: median_cpu_ms};
    },
    results() {
      const out = path.join(folder, 'out');
      call('run', model.file, ...given, '--out', out);
      const made = {};
      for (const name of fs.readdirSync(out)) {
        const found = /^\d+_(.*)\.npy$/.exec(name);
        if (found) made[found[1]] = readNpy(fs.readFileSync(path.join(out, name))).data;
      }
      return sampledResults(made);
    },
    peak: () => peak,
    installed: () => bytesOf(['build/sluice']),
  };
}

// --- runtimes in this process: {load() -> bytes or nothing, create(bytes), run() -> {name: data}}

async function sluiceWasm() {
  const {load} = await import('../tests/wasm/module.mjs');
  let host;
  let session;
  let outputs;
  return {
    load: () => fs.readFileSync(model.file),
    async create(bytes) {
      host = await load(path.resolve(module), {threads, onMessage: () => {}});
      const options = {name: path.basename(model.file), requested: 'cpu', outputs: model.outputs};
      const opened = host.call('sluice_open', host.put(bytes), bytes.length, JSON.stringify(options));
      session = opened.status;
      outputs = opened.value.outputs.map(({name}) => name);
      opened.value.inputs.forEach(({name}, index) => {
        const {type, dims, data} = feeds[name];
        const tensor = JSON.stringify({dtype: type, dims});
        host.call('sluice_feed', session, index, tensor, host.put(data), data.byteLength);
      });
      host.call('sluice_cpu_bind', session);
    },
    run() {
      const made = host.call('sluice_cpu_run', session).value.outputs;
      return Object.fromEntries(
        made.map(({data, bytes, dtype}, i) => [
          outputs[i],
          readRaw(dtype ?? 'float32', host.bytes(data, bytes).slice()),
        ]),
      );
    },
    installed: () => bytesOf([module]),
  };
}

function readRaw(dtype, bytes) {
  const arrays = {float32: Float32Array, uint8: Uint8Array, int8: Int8Array, int32: Int32Array, int64: BigInt64Array};
  return new arrays[dtype](bytes.buffer, 0, bytes.byteLength / arrays[dtype].BYTES_PER_ELEMENT);
}

async function onnxruntime() {
  const web = kind === 'ort-web';
  const dist = 'build/node/node_modules/onnxruntime-web/dist';
  const ort = web
    ? await import(pathToFileURL(path.resolve(dist, 'ort.node.min.mjs')).href)
    : require('onnxruntime-node');
  if (web) ort.env.wasm.numThreads = threads;
  const binaries = `build/node/node_modules/onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}`;
  let session;
  let inputs;
  return {
    // The native package reads the file itself: that is part of its create.
    load: () => (web ? fs.readFileSync(model.file) : null),
    async create(bytes) {
      session = await ort.InferenceSession.create(bytes ?? model.file, {
        executionProviders: [web ? 'wasm' : 'cpu'],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      inputs = Object.fromEntries(
        Object.entries(feeds).map(([name, {type, dims, data}]) => [name, new ort.Tensor(type, data, dims)]),
      );
    },
    async run() {
      const made = await (model.outputs ? session.run(inputs, model.outputs) : session.run(inputs));
      return Object.fromEntries(Object.entries(made).map(([name, {data}]) => [name, data]));
    },
    installed: () =>
      web
        ? bytesOf(['ort.node.min.mjs', 'ort-wasm-simd-threaded.wasm'].map(name => path.join(dist, name)))
        : bytesOf(fs.readdirSync(binaries).map(name => path.join(binaries, name))),
  };
}

async function litert() {
  const {loadLiteRt} = await import('../tests/oracle/litert.mjs');
  const modules = 'build/node/node_modules';
  const wasm = path.join(modules, '@litertjs/core/wasm');
  let library;
  let compiled;
  let names;
  return {
    load: () => fs.readFileSync(model.file),
    async create(bytes) {
      library = await loadLiteRt(modules);
      compiled = await library.loadAndCompile(new Uint8Array(bytes), {accelerator: 'wasm'});
      names = compiled.getOutputDetails().map(({name}) => name);
    },
    async run() {
      const given = Object.values(feeds).map(({data, dims}) => new library.Tensor(data, dims));
      const made = await compiled.run(given);
      const results = {};
      for (const [i, tensor] of made.entries()) {
        results[names[i]] = await tensor.data();
        tensor.delete();
      }
      for (const tensor of given) tensor.delete();
      return results;
    },
    installed: () =>
      bytesOf(['litert_wasm_internal.js', 'litert_wasm_internal.wasm'].map(name => path.join(wasm, name))),
  };
}

function inProcess(runtime) {
  let last;
  // The results of the run before are dropped, as by a program that has used them.
  const run = async () => {
    last = null;
    const begin = performance.now();
    last = await runtime.run();
    return performance.now() - begin;
  };
  return {
    async start() {
      let begin = performance.now();
      const bytes = await runtime.load();
      const load_ms = bytes ? performance.now() - begin : null;
      begin = performance.now();
      await runtime.create(bytes);
      const create_ms = performance.now() - begin;
      const first_ms = await run();
      return {load_ms, create_ms, first_ms, run_ms: first_ms < 1000 ? await run() : first_ms};
    },
    async batch(runs) {
      const times = [];
      const cpu = process.cpuUsage();
      for (let i = 0; i < runs; ++i) times.push(await run());
      const {user, system} = process.cpuUsage(cpu);
      times.sort((a, b) => a - b);
      return {ms: times[times.length >> 1], cpu_ms: (user + system) / 1000 / runs};
    },
    results: () => sampledResults(last),
    peak: peakBytes,
    installed: runtime.installed,
  };
}

const runtimes = {'sluice-wasm': sluiceWasm, 'ort-node': onnxruntime, 'ort-web': onnxruntime, litert};
const contender = kind === 'sluice' ? sluice() : inProcess(await runtimes[kind]());
process.on('message', async what => {
  try {
    if (what === 'start') process.send({...(await contender.start()), installed_bytes: contender.installed()});
    else if (what === 'results') process.send(contender.results());
    else if (what === 'end') process.send({peak_bytes: contender.peak()}, () => process.exit(0));
    else process.send(await contender.batch(what.batch));
  } catch (error) {
    process.send({failed: String(error.message).split('\n')[0]});
  }
});
process.send('here');
