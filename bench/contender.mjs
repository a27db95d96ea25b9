// One runtime with one model, asked over the channel of its process: it loads, runs once and tells both times; 'run'
// is answered with the milliseconds of one run (the mean of `calls`), by the clock and of processor time, 'end' with the
// peak memory. Every contender gets
// the same numbers as inputs; outputs are back on the host when a run ends.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeNpy } from '../tests/oracle/npy.mjs';

const { kind, file, threads, model } = JSON.parse(process.argv[2]);
const require = createRequire(path.resolve('build/node/package.json'));

// Element i: h = ((i+1) * 2654435761) mod 2^32, u = floor(h / 256) / 2^24, here 2u - 1.
function numbers(type, dims, value) {
  const count = dims.reduce((a, b) => a * b, 1);
  if (type === 'int64') return BigInt64Array.from({ length: count }, () => BigInt(value));
  const data = new Float32Array(count);
  for (let i = 0; i < count; ++i) data[i] = ((Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 24) * 2 - 1;
  return data;
}
const feeds = Object.fromEntries(
  Object.entries(model.inputs).map(([name, [type, dims, value]]) => [name, { type, dims, data: numbers(type, dims, value) }]));

const peak = () => Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;

// {run: async () => {}, ms?: of the last run when the runtime times itself, peak: bytes}
async function start() {
  if (kind === 'sluice') {
    // The command line's own clock: a process for each measurement, of which the steady runs count.
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-'));
    process.on('exit', () => fs.rmSync(folder, { recursive: true }));
    const inputs = [];
    for (const [name, { type, dims, data }] of Object.entries(feeds)) {
      const at = path.join(folder, `${inputs.length}.npy`);
      fs.writeFileSync(at, dims.length ? writeNpy(type, dims, data) : scalarNpy(data));
      inputs.push('-i', `${name}=${at}`);
    }
    const command = ['bench', model.file, '--backend', 'cpu', '--threads', String(threads), '--json', ...inputs];
    const once = (runs) => {
      const { stdout, stderr, status } = spawnSync('build/sluice', [...command, '--runs', String(runs)], { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1));
      return JSON.parse(stdout);
    };
    const first = once(1);
    let most = first.peak_rss_bytes;
    return {
      load_ms: first.read_ms + first.compile_ms + first.prepare_ms, first_ms: first.first_ms,
      run() {
        const measured = once(model.calls > 1 ? model.calls : 1);
        most = Math.max(most, measured.peak_rss_bytes);
        return { ms: measured.median_ms, cpu_ms: measured.median_cpu_ms };
      },
      peak: () => most,
    };
  }
  if (kind === 'sluice-wasm') {
    const { load } = await import('../tests/wasm/module.mjs');
    const began = performance.now();
    const host = await load(path.resolve(file), { threads, onMessage: () => {} });
    const bytes = fs.readFileSync(model.file);
    const options = JSON.stringify({ name: path.basename(model.file), requested: 'cpu' });
    const { status: session, value } = host.call('sluice_open', host.put(bytes), bytes.length, options);
    value.inputs.forEach(({ name }, index) => {
      const { type, dims, data } = feeds[name];
      host.call('sluice_feed', session, index, JSON.stringify({ dtype: type, dims }), host.put(data), data.byteLength);
    });
    host.call('sluice_cpu_bind', session);
    return { began, run: () => host.call('sluice_cpu_run', session).value.outputs.map(({ data, bytes: n }) => host.bytes(data, n).slice()), peak };
  }
  const web = kind === 'ort-web';
  const ort = web
    ? await import(pathToFileURL(path.resolve('build/node/node_modules/onnxruntime-web/dist/ort.node.min.mjs')).href)
    : require('onnxruntime-node');
  const began = performance.now();
  if (web) ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(web ? fs.readFileSync(model.file) : model.file, {
    executionProviders: [web ? 'wasm' : 'cpu'], intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3,
  });
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, { type, dims, data }]) => [name, new ort.Tensor(type, data, dims)]));
  return { began, run: () => session.run(inputs), peak };
}

function scalarNpy(data) {
  const file = writeNpy('int64', [1], data).toString('latin1');
  return Buffer.from(file.replace("'shape': (1,), }", "'shape': (), }  "), 'latin1');
}

const contender = await start();
let { load_ms, first_ms } = contender;
if (load_ms === undefined) {
  load_ms = performance.now() - contender.began;
  const began = performance.now();
  await contender.run();
  first_ms = performance.now() - began;
}
process.on('message', async (what) => {
  if (what === 'end') {
    process.send({ peak_bytes: contender.peak() }, () => process.exit(0));
    return;
  }
  if (kind === 'sluice') {
    process.send(contender.run());
    return;
  }
  const began = performance.now(), cpu = process.cpuUsage();
  for (let i = 0; i < model.calls; ++i) await contender.run();
  const { user, system } = process.cpuUsage(cpu);
  process.send({ ms: (performance.now() - began) / model.calls, cpu_ms: (user + system) / 1000 / model.calls });
});
process.send({ load_ms, first_ms });
