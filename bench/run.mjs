// The comparison of bench/run: for each model and number of threads, all runtimes are started, then measured in turn.
// Each is a process or a browser of its own, so its peak memory is its own.
import {fork, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {distance} from './feeds.mjs';
import {allModels, present} from './models.mjs';
import {UsageError, parseOptions, usage} from './options.mjs';
import {PageContender} from './page_contender.mjs';
import {preparePeers} from './peers.mjs';
import {htmlOf} from './report.mjs';
import {stageRunPage} from './web/site.mjs';
import {serve} from '../tests/web/harness.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);

let options;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exit(2);
}
if (options.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const models = allModels();
if (options.list) {
  for (const model of models) console.log(`${model.name}${present(model) ? '' : `  (not here: ${model.file})`}`);
  process.exit(0);
}

// --- who takes part

const missing = [];
const absent = why => (missing.push(why), console.log(`not run: ${why}`), null);
const packageVersion = folder =>
  fs.existsSync(`${folder}/package.json`)
    ? JSON.parse(fs.readFileSync(`${folder}/package.json`, 'utf8')).version
    : null;

/** A process that is driven as process_contender.mjs says. */
class ProcessContender {
  constructor(kind, model) {
    const flags = ['--experimental-wasm-relaxed-simd', '--max-old-space-size=8192'];
    this.child = fork(path.join(root, 'bench/process_contender.mjs'), [JSON.stringify({...kind, model})], {
      execArgv: [...flags, ...(process.env.BENCH_NODE_FLAGS ?? '').split(' ').filter(Boolean)],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.noise = '';
    this.child.stderr.setEncoding('utf8').on('data', text => (this.noise += text));
    this.here = this.answer();
    this.here.catch(() => {});
  }
  answer() {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error(this.noise.trim().split('\n').at(-1) || 'its process ended'));
      this.child.once('exit', ended);
      this.child.once('message', message => {
        this.child.off('exit', ended);
        if (message.failed) reject(new Error(message.failed));
        else resolve(message);
      });
    });
  }
  async ask(what) {
    await this.here;
    this.child.send(what);
    return this.answer();
  }
  start = () => this.ask('start');
  batch = runs => this.ask({batch: runs});
  results = () => this.ask('results');
  end = () => this.ask('end');
  kill = () => this.child.kill('SIGKILL');
}

let site = null;
const everybody = [];
const add = (place, label, formats, make, more = {}) => everybody.push({place, label, formats, make, ...more});
const both = ['onnx', 'tflite'];
const versions = {node: process.version, chromium: null};

if (options.places.includes('native')) {
  const process_ = kind => (model, threads) => new ProcessContender({kind, threads}, model);
  if (!fs.existsSync('build/sluice')) absent('sluice natively: build/sluice is not built');
  else add('native', 'sluice', both, process_('sluice'));
  versions['onnxruntime-node'] = packageVersion('build/node/node_modules/onnxruntime-node');
  if (!versions['onnxruntime-node']) absent('onnxruntime-node: it is not in build/node (tools/setup models)');
  else add('native', 'onnxruntime-node', ['onnx'], process_('ort-node'), {peer: true});
}
if (options.places.includes('page')) {
  const needs = [
    'build/sluice',
    'build/web/sluice-web/sluice-relaxed-threads.wasm',
    'build/web-node/node_modules/esbuild',
    '/usr/bin/chromium',
  ];
  needs.push(`${process.env.SLUICE_BROWSER_NODE ?? 'build/browser-node'}/node_modules/puppeteer-core`);
  const lacking = needs.filter(name => !fs.existsSync(name));
  if (lacking.length) {
    absent(`the page: ${lacking.join(', ')} ${lacking.length > 1 ? 'are' : 'is'} not there`);
  } else {
    if (!preparePeers(options.peers, !options.offline))
      absent(`npm packages of peers in ${options.peers}: they are not there as listed`);
    site = stageRunPage(path.resolve(options.peers, 'node_modules'));
    // LiteRT.js evaluates text.
    const csp = "default-src 'self' blob: data:; script-src 'self' blob: 'unsafe-eval'; worker-src 'self' blob:";
    const server = await serve(path.relative(root, site.folder), {csp});
    Object.assign(site, {url: server.url, requests: server.requests, stop: server.stop});
    Object.assign(versions, site.versions);
    versions.chromium = spawnSync('/usr/bin/chromium', ['--version'], {encoding: 'utf8'}).stdout.trim();
    const page = (runtime, how) => (model, threads) => new PageContender({runtime, threads, ...how}, model, site);
    add('page', 'sluice-web', both, page('sluice', {}));
    // Large results come in the memory of the last ones.
    add('page', 'sluice-web, recycling', both, page('sluice', {recycle: true}), {takes: model => model.recycle === true});
    // A page's own thread may not wait for others.
    add('page', 'sluice-web, no worker', both, page('sluice', {direct: true}), {
      takes: (model, threads) => model.direct === true && threads === 1,
    });
    if (versions['onnxruntime-web']) add('page', 'onnxruntime-web', ['onnx'], page('ort', {}), {peer: true});
    else absent('onnxruntime-web in the page: it is not there');
    if (versions['LiteRT.js']) add('page', 'LiteRT.js', ['tflite'], page('litert', {}), {peer: true});
    else absent('LiteRT.js: it is not there');
  }
}
if (options.places.includes('node')) {
  for (const flavour of ['relaxed', 'simd']) {
    const file = threads => `build/wasm/sluice-${flavour}${threads > 1 ? '-threads' : ''}.wasm`;
    if (!fs.existsSync(file(2))) absent(`${file(2)}: tools/wasm builds it`);
    else {
      const make = (model, threads) =>
        new ProcessContender({kind: 'sluice-wasm', module: file(threads), threads}, model);
      add('node', `sluice wasm (${flavour})`, both, make);
    }
  }
  if (!packageVersion('build/node/node_modules/onnxruntime-web'))
    absent('onnxruntime-web in Node: it is not in build/node');
  else {
    const make = (model, threads) => new ProcessContender({kind: 'ort-web', threads}, model);
    add('node', 'onnxruntime-web in Node', ['onnx'], make, {peer: true});
  }
  if (!packageVersion('build/node/node_modules/@litertjs/core')) absent('LiteRT.js in Node: it is not in build/node');
  else {
    // Its threads want a page.
    const make = (model, threads) => new ProcessContender({kind: 'litert', threads}, model);
    add('node', 'LiteRT.js in Node', ['tflite'], make, {peer: true, takes: (model, threads) => threads === 1});
  }
}
const runtimes = everybody.filter(({label}) => label.includes(options.runtimes));
if (runtimes.length === 0) {
  console.log('not run: no runtime is here');
  await site?.stop();
  process.exit(77);
}
if (fs.existsSync('build/sluice')) {
  versions.sluice = spawnSync('build/sluice', ['--version'], {encoding: 'utf8'}).stdout.trim();
}

// --- the report

const median = list => {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const time = ms =>
  ms === null ? '-' : ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`;
const megabytes = bytes =>
  bytes === null || bytes === undefined ? '-' : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;

const report = {
  date: new Date().toISOString(),
  machine: {
    cpu: os.cpus()[0].model,
    cores: os.cpus().length,
    memory_bytes: os.totalmem(),
    system: `${os.type()} ${os.release()}`,
  },
  versions,
  flags: process.argv.slice(2),
  browser_flags: site ? (await import('./web/browser.mjs')).flags : [],
  missing,
  results: [],
};
if (options.resume && fs.existsSync(options.json)) {
  report.results = JSON.parse(fs.readFileSync(options.json, 'utf8')).results;
  console.log(`going on with ${options.json}: ${report.results.length} rows are there`);
}
function save() {
  if (options.json) {
    fs.writeFileSync(`${options.json}.part`, `${JSON.stringify(report, null, 1)}\n`);
    fs.renameSync(`${options.json}.part`, options.json);
  }
  if (options.html) fs.writeFileSync(options.html, htmlOf(report));
}
const progress = text => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);

function printRow(row) {
  const ratio = row.times_faster
    ? `${row.times_faster.toFixed(2)} x ${row.peer} [${Math.min(...row.times_faster_all).toFixed(2)}, ${Math.max(...row.times_faster_all).toFixed(2)}], processor ${row.cpu_times_less.toFixed(2)} x`
    : '';
  const steady = `steady ${time(row.median_ms)} [${time(Math.min(...row.steady_ms))}, ${time(Math.max(...row.steady_ms))}]`;
  console.log(
    [
      `  ${row.runtime.padEnd(24)}`,
      `load ${time(row.load_ms)}`.padEnd(14),
      `create ${time(row.create_ms)}`.padEnd(16),
      `first ${time(row.first_ms)}`.padEnd(15),
      (row.ready_ms === null ? '' : `ready ${time(row.ready_ms)}`).padEnd(14),
      steady.padEnd(36),
      `processor ${time(median(row.cpu_ms))}`.padEnd(18),
      `memory ${megabytes(row.peak_bytes)}`.padEnd(16),
      `download ${megabytes(row.download_bytes)}`.padEnd(17),
      ratio,
    ]
      .join(' ')
      .trimEnd(),
  );
}

// --- the comparisons

let failures = 0;
const running = new Set();
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    for (const contender of running) contender.kill();
    process.exit(1);
  });
}
const fill = (ms, ready) => Math.min(5000, Math.max(1, Math.round(ms / Math.max(ready, 1e-3))));

async function compare(model, threads, number, of) {
  const title = `${model.name}, ${threads} thread${threads > 1 ? 's' : ''}`;
  const say = text => progress(`[${number}/${of}] ${title}: ${text}`);
  const takesPart = runtimes.filter(one => one.formats.includes(model.format) && (one.takes?.(model, threads) ?? true));
  const starts = options.starts ?? (model.slow || options.quick ? 1 : 3);
  const contenders = [];
  for (const runtime of takesPart) {
    const entry = {runtime, starts: [], steady: [], cpu: []};
    for (let start = 0; start < starts; ++start) {
      say(`${runtime.label} starts${starts > 1 ? ` (${start + 1} of ${starts})` : ''}`);
      const contender = runtime.make(model, threads);
      running.add(contender);
      try {
        entry.starts.push(await contender.start());
        if (start + 1 === starts) {
          entry.contender = contender;
          break;
        }
        await contender.end();
      } catch (error) {
        entry.failed = String(error.message).split('\n')[0];
        contender.kill();
      }
      running.delete(contender);
      if (entry.failed) break;
    }
    if (entry.contender) contenders.push(entry);
    else {
      ++failures;
      console.log(`${title}: ${runtime.label} failed: ${entry.failed}`);
    }
  }
  const load = [os.loadavg()[0]];
  for (let round = 0; round < options.rounds; ++round) {
    // Nobody always follows the same one.
    for (const entry of contenders.map((_, i) => contenders[(i + round) % contenders.length])) {
      say(`round ${round + 1} of ${options.rounds}, ${entry.runtime.label}`);
      const {ms, cpu_ms} = await entry.contender.batch(fill(250, entry.starts.at(-1).run_ms));
      entry.steady.push(ms);
      entry.cpu.push(cpu_ms);
    }
  }
  load.push(os.loadavg()[0]);
  // A peer's answer is the expected one, where there is one.
  const judge = contenders.find(({runtime}) => runtime.peer) ?? contenders[0];
  const expected = contenders.length > 1 ? await judge.contender.results() : null;
  console.log(
    `${process.stderr.isTTY ? '\r\x1b[K' : ''}${title}: ${options.rounds} rounds, load ${load.map(one => one.toFixed(1)).join(' to ')}`,
  );
  for (const entry of contenders) {
    const {runtime, contender} = entry;
    const apart = expected && entry !== judge ? distance(await contender.results(), expected) : null;
    const {peak_bytes} = await contender.end();
    running.delete(contender);
    const peer = runtime.peer ? null : contenders.find(one => one.runtime.peer && one.runtime.place === runtime.place);
    const ratios = peer ? entry.steady.map((ms, i) => peer.steady[i] / ms) : [];
    const middle = name => {
      const values = entry.starts.map(one => one[name] ?? null);
      return values.includes(null) ? null : median(values);
    };
    const last = entry.starts.at(-1);
    const row = {
      model: model.name,
      threads,
      runtime: runtime.label,
      place: runtime.place,
      load_ms: middle('load_ms'),
      create_ms: middle('create_ms'),
      first_ms: middle('first_ms'),
      ready_ms: middle('ready_ms'),
      starts: entry.starts.length,
      steady_ms: entry.steady,
      median_ms: median(entry.steady),
      cpu_ms: entry.cpu,
      peak_bytes,
      download_bytes: last.download_brotli_bytes ?? last.installed_bytes,
      download_raw_bytes: last.download_bytes ?? last.installed_bytes,
      download_files: last.download_files,
      about: last.about,
      nmse_to: expected && entry !== judge ? judge.runtime.label : null,
      nmse: apart,
      machine_load: load,
      ...(peer
        ? {
            peer: peer.runtime.label,
            times_faster: median(ratios),
            times_faster_all: ratios,
            cpu_times_less: median(entry.cpu.map((ms, i) => peer.cpu[i] / ms)),
          }
        : {}),
    };
    report.results.push(row);
    printRow(row);
    if (apart !== null && !(apart <= model.apart)) {
      ++failures;
      console.log(
        `  FAILED: its result lies ${apart.toExponential(1)} from that of ${judge.runtime.label} (at most ${model.apart})`,
      );
    }
  }
  save();
}

console.log(
  `${report.machine.cpu}, ${report.machine.cores} cores; ${Object.entries(versions)
    .filter(([, version]) => version)
    .map(([name, version]) => (version.startsWith('Chromium') || name === 'sluice' ? version : `${name} ${version}`))
    .join(', ')}`,
);
const work = [];
for (const model of models) {
  if (!model.name.includes(options.only) || (options.quick && model.slow)) continue;
  if (model.name === 'tiny' && options.only !== 'tiny') continue;
  if (!present(model)) {
    absent(`${model.name}: ${model.file} is not there`);
    continue;
  }
  for (const threads of options.threads) {
    if (!report.results.some(row => row.model === model.name && row.threads === threads)) work.push([model, threads]);
  }
}
for (const [i, [model, threads]] of work.entries()) await compare(model, threads, i + 1, work.length);
save();
await site?.stop();
process.exit(failures === 0 ? 0 : 1);
