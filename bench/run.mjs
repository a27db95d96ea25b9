// Each contender is a process of its own (its peak memory is its own), which loads the model, runs it once, and then
// waits: the rounds go through all of them in turn, one run at a time, so that a slow minute of the machine meets
// everybody alike. Ratios are taken round by round. Usage: bench/run.
import { fork, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeOperators } from './operators.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const args = process.argv.slice(2);
const option = (name, fallback) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1] : fallback);
const quick = args.includes('--quick');
const rounds = Number(option('rounds', quick ? 3 : 5));
const threadCounts = option('threads', '1').split(',').map(Number);
const only = option('only', '');
const runtimes = option('runtimes', 'native,wasm').split(',');

if (!fs.existsSync('build/sluice') || !fs.existsSync('build/node/node_modules/onnxruntime-node')) {
  console.log('not run: build/sluice and the packages of build/node are needed (./check)');
  process.exit(77);
}

// `calls`: runs of one measurement, for models shorter than the clock's and the pipe's jitter.
const image = (side) => ({ input: ['float32', [1, 3, side, side]] });
const models = [
  { name: 'IS-Net float32 1024', file: 'isnet_f32_1024.onnx', inputs: image(1024), slow: true },
  { name: 'IS-Net dynamic uint8 1024', file: 'isnet_small.onnx', inputs: image(1024), slow: true },
  { name: 'IS-Net float32 256', file: 'isnet_f32_256.onnx', inputs: image(256) },
  { name: 'IS-Net dynamic uint8 256', file: 'isnet_small_256.onnx', inputs: image(256) },
  {
    name: 'silero VAD', file: 'silero_vad_v5.onnx', calls: 50,
    inputs: { input: ['float32', [1, 512]], state: ['float32', [2, 1, 128]], sr: ['int64', [], 16000] },
  },
];
for (const [name, { file, dims, calls }] of Object.entries(writeOperators('build/bench'))) {
  models.push({ name, file, folder: 'build/bench', calls, inputs: { x: ['float32', dims] } });
}

const kinds = [];
for (const threads of threadCounts) {
  if (runtimes.includes('native')) {
    kinds.push({ label: 'sluice', kind: 'sluice', threads, group: 'native' });
    kinds.push({ label: 'onnxruntime-node', kind: 'ort-node', threads, group: 'native' });
  }
  if (runtimes.includes('wasm')) {
    for (const flavour of ['relaxed', 'simd']) {
      const file = `build/wasm/sluice-${flavour}${threads > 1 ? '-threads' : ''}.wasm`;
      if (!fs.existsSync(file)) {
        console.log(`not run: ${file} is missing (tools/wasm builds it)`);
        continue;
      }
      kinds.push({ label: `sluice wasm (${flavour})`, kind: 'sluice-wasm', file, threads, group: 'wasm' });
    }
    kinds.push({ label: 'onnxruntime-web', kind: 'ort-web', threads, group: 'wasm' });
  }
}

class Contender {
  constructor(kind, model) {
    Object.assign(this, kind);
    this.times = [];
    this.cpu = [];
    this.child = fork(path.join(root, 'bench/contender.mjs'), [JSON.stringify({ ...kind, model })], {
      execArgv: ['--experimental-wasm-relaxed-simd', '--max-old-space-size=8192', ...(process.env.BENCH_NODE_FLAGS ?? '').split(' ').filter(Boolean)],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.noise = (this.noise ?? '') + text));
  }
  answer() {
    return new Promise((resolve) => {
      const ended = () => resolve({ failed: (this.noise ?? 'it ended').trim().split('\n').at(-1) });
      this.child.once('message', (message) => {
        this.child.off('exit', ended);
        resolve(message);
      });
      this.child.once('exit', ended);
    });
  }
  async ask(what) {
    this.child.send(what);
    return this.answer();
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const show = (ms) => (ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`);

const report = {
  date: new Date().toISOString(),
  machine: { cpu: os.cpus()[0].model, cores: os.cpus().length, memory_bytes: os.totalmem(), system: os.release() },
  versions: {
    node: process.version,
    sluice: spawnSync('build/sluice', ['--version'], { encoding: 'utf8' }).stdout.trim(),
    'onnxruntime-node': packageVersion('onnxruntime-node'),
    'onnxruntime-web': packageVersion('onnxruntime-web'),
  },
  flags: args,
  results: [],
};
function packageVersion(name) {
  return JSON.parse(fs.readFileSync(`build/node/node_modules/${name}/package.json`, 'utf8')).version;
}

console.log(`${report.machine.cpu}, ${report.machine.cores} cores; node ${process.version}, onnxruntime-node ` +
  `${report.versions['onnxruntime-node']}, onnxruntime-web ${report.versions['onnxruntime-web']}; ${rounds} rounds`);
for (const model of models) {
  if (!model.name.includes(only) || (quick && model.slow)) continue;
  const file = path.join(model.folder ?? 'build/models', model.file);
  if (!fs.existsSync(file)) {
    console.log(`not run: ${file} is not there`);
    continue;
  }
  for (const group of [...new Set(kinds.map((kind) => `${kind.group} ${kind.threads}`))]) {
    const contenders = [];
    for (const kind of kinds.filter((each) => `${each.group} ${each.threads}` === group)) {
      const contender = new Contender(kind, { file, inputs: model.inputs, calls: model.calls ?? 1 });
      Object.assign(contender, await contender.answer());
      if (contender.failed) console.log(`${model.name}: ${contender.label} failed: ${contender.failed}`);
      else contenders.push(contender);
    }
    for (let round = 0; round < rounds; ++round) {
      for (const contender of contenders) {
        const { ms, cpu_ms } = await contender.ask('run');
        contender.times.push(ms);
        contender.cpu.push(cpu_ms);
      }
    }
    const peer = contenders.find((each) => !each.kind.startsWith('sluice'));
    for (const contender of contenders) {
      const { peak_bytes } = await contender.ask('end');
      const ratios = peer && peer !== contender ? contender.times.map((ms, i) => peer.times[i] / ms) : [];
      // Processor time too: on a machine that others use, the clock measures them.
      const cpuRatios = ratios.map((_, i) => peer.cpu[i] / contender.cpu[i]);
      const row = {
        model: model.name, runtime: contender.label, threads: contender.threads, load_ms: contender.load_ms,
        first_ms: contender.first_ms, steady_ms: contender.times, median_ms: median(contender.times), peak_bytes,
        cpu_ms: contender.cpu,
        ...(ratios.length ? { times_faster: median(ratios), times_faster_all: ratios, cpu_times_less: median(cpuRatios) } : {}),
      };
      report.results.push(row);
      console.log([
        model.name.padEnd(28), contender.label.padEnd(22), `${contender.threads} T`, `load ${show(row.load_ms)}`.padStart(14),
        `first ${show(row.first_ms)}`.padStart(15),
        `steady ${show(row.median_ms)} [${show(Math.min(...row.steady_ms))}, ${show(Math.max(...row.steady_ms))}]`.padEnd(38),
        `${(peak_bytes / 1e6).toFixed(0)} MB`.padStart(8),
        `processor ${show(median(contender.cpu))}`.padStart(18),
        ratios.length
          ? `${median(ratios).toFixed(2)} x [${Math.min(...ratios).toFixed(2)}, ${Math.max(...ratios).toFixed(2)}], processor ${median(cpuRatios).toFixed(2)} x`
          : '',
      ].join('  '));
    }
  }
}
const json = option('json', '');
if (json) fs.writeFileSync(json, `${JSON.stringify(report, null, 1)}\n`);
