// Sluice beside onnxruntime-web and @imgly/background-removal in a real Chromium: the same page set-up, the same
// photo, the same weights. Everything is served from this machine by `sluice serve`.
//   node bench/web.mjs [--rounds 5] [--colds 3] [--only TEXT] [--photo FILE] [--sizes] [--json FILE [--resume]]
// Jobs: "isnet-u8", "isnet-f32" (a photo's file becomes the file of its cut-out), "silero" (one call on 512
// samples); each with 1 and with 2 threads; --only isnet-u8/2 takes one. Cold: a fresh profile and a fresh browser,
// from the navigation's begin until the session is there and until the first result; then --rounds in turn, all
// runtimes' pages open. Printed: medians [least to most]; processor time is that of the page's process with its threads,
// which other jobs on a busy machine disturb little. --sizes: what a cold visit fetched besides model and photo.
// FILE is written after every job; --resume keeps the jobs that it has. What is under way is said on stderr.
// WebGPU is timed where the browser has a real GPU; a software adapter's figures mean nothing and are left out.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import {need, notRun, photos, root, serve} from '../tests/web/harness.mjs';
import {preparePeers} from './peers.mjs';
import {launch} from './web/browser.mjs';
import {pageOf, stageSite} from './web/site.mjs';

const args = process.argv.slice(2);
const option = (name, fallback) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1] : fallback);
const rounds = Number(option('rounds', 5));
const colds = Number(option('colds', 3));
const only = option('only', '');
const photo = path.resolve(option('photo', path.join(photos, 'portrait.jpg')));

const peers = path.join(root, 'build/peers-node');
if (!preparePeers(peers)) notRun('the peers can not be fetched (npm)');
need('build/sluice', 'build/web/sluice-web/sluice-relaxed-threads.wasm', 'build/web-node/node_modules/esbuild');
if (!fs.existsSync(photo)) notRun(`${photo} is not there`);

const jobs = [
  {name: 'isnet-u8', model: 'isnet_small.onnx', manifest: 'isnet-small.json', imgly: 'isnet_quint8'},
  {name: 'isnet-f32', model: 'isnet_f32_1024.onnx', manifest: 'isnet.json', imgly: 'isnet'},
  {name: 'silero', model: 'silero_vad_v5.onnx', calls: 50},
].filter(({model}) => {
  const there = fs.existsSync(path.join(root, 'build/models', model));
  if (!there) console.log(`not run: build/models/${model} is not there`);
  return there;
});

const median = list => {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const number = (value, unit) =>
  unit === 'ms' ? `${value.toFixed(value < 10 ? 2 : 0)} ms` : `${value.toFixed(value < 10 ? 2 : 1)} s`;
const spread = (list, unit) =>
  list.length === 0
    ? '-'
    : `${number(median(list), unit)} [${number(Math.min(...list), unit)} to ${number(Math.max(...list), unit)}]`;

/** Share of alpha that differs between two 64 x 64 thumbnails: a fast wrong answer is no result. */
function apart(a, b) {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length / 255;
}

// @imgly/background-removal evaluates text and imports its runtime from blob: addresses; sluice-web needs neither.
const csp =
  "default-src 'self' blob: data:; script-src 'self' blob: 'unsafe-eval'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'";
const site = stageSite({photo, peers, jobs});
const server = await serve(path.relative(root, site.folder), {csp});
const json = option('json', '');
const resumed = args.includes('--resume') && json && fs.existsSync(json);
const report = {rows: resumed ? JSON.parse(fs.readFileSync(json, 'utf8')).rows : []};
const save = facts => json && fs.writeFileSync(json, `${JSON.stringify({facts, ...report}, undefined, 1)}\n`);
const open = [];
process.on('exit', () => open.forEach(one => one.kill()));

async function probe() {
  const one = await launch();
  open.push(one);
  const page = await one.page(server.url + pageOf('blank'), null);
  const facts = await page.evaluate(async () => {
    const adapter = await navigator.gpu?.requestAdapter();
    const software =
      !adapter ||
      adapter.info.isFallbackAdapter ||
      /swiftshader|llvmpipe|lavapipe/i.test(
        JSON.stringify([adapter.info.architecture, adapter.info.description, adapter.info.device]),
      );
    return {
      gpu: software ? null : `${adapter.info.vendor} ${adapter.info.architecture}`,
      isolated: crossOriginIsolated,
    };
  });
  const version = await one.browser.version();
  await one.close();
  return {...facts, version};
}

/** The package's files that a visit asked for, model and photo apart. */
function fetched(since) {
  const names = server.requests
    .slice(since)
    .filter(({status}) => status === 200)
    .map(one => decodeURIComponent(one.path.split('?')[0]).replace(/^\//, ''))
    .filter(name => !/^(models|imgly\/models)\/|^photo$|^imgly\/resources\.json|\/$|favicon/.test(name));
  return [...new Set(names)].filter(
    name => fs.existsSync(path.join(site.folder, name)) && fs.statSync(path.join(site.folder, name)).isFile(),
  );
}

function sizesOf(names) {
  const total = {raw: 0, gzip: 0, brotli: 0};
  for (const name of names) {
    const bytes = fs.readFileSync(path.join(site.folder, name));
    total.raw += bytes.length;
    total.gzip += zlib.gzipSync(bytes, {level: 9}).length;
    total.brotli += zlib.brotliCompressSync(bytes, {
      params: {[zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length},
    }).length;
  }
  return total;
}

async function visit(runtime, job, threads, backend) {
  const since = server.requests.length;
  const one = await launch();
  open.push(one);
  const page = await one.page(server.url + pageOf(runtime), threads);
  const settings = {
    threads,
    backend,
    model: `models/${job.model}`,
    manifest: job.manifest ? site.manifest(job.manifest, job.model) : null,
    imgly: job.imgly ?? '',
    photo: job.manifest ? 'photo' : '',
    calls: job.calls ?? 1,
  };
  const made = await page.evaluate(given => window.bench.create(given), settings);
  const first = await page.evaluate(() => window.bench.first());
  return {one, page, made, first, files: fetched(since)};
}

const facts = await probe();
const cpu = os.cpus();
console.log(
  `${facts.version}; ${cpu[0].model}, ${cpu.length} cores; load ${os.loadavg()[0].toFixed(1)}; isolated: ${facts.isolated}`,
);
console.log(
  `${site.versions.join(', ')}; photo ${path.basename(photo)}; flags: ${(await import('./web/browser.mjs')).flags.join(' ')}`,
);
console.log(facts.gpu ? `GPU: ${facts.gpu}` : 'WebGPU: not run, there is no real GPU here');

const backends = facts.gpu ? ['cpu', 'webgpu'] : ['cpu'];
let failed = 0;
for (const job of jobs) {
  for (const [backend, threads] of backends.flatMap(one =>
    one === 'cpu'
      ? [
          [one, 1],
          [one, 2],
        ]
      : [[one, 1]],
  )) {
    const title = `${job.name}/${backend === 'cpu' ? threads : backend}`;
    if (only && !title.startsWith(only)) continue;
    if (report.rows.some(row => row.title === title)) continue;
    const say = text => process.stderr.write(`${title}: ${text}\n`);
    const runtimes = ['sluice', 'ort', ...(job.imgly ? ['imgly'] : [])];
    const found = Object.fromEntries(
      runtimes.map(name => [
        name,
        {ready: [], create: [], firstAt: [], first: [], steady: [], cpu: [], thumb: null, files: []},
      ]),
    );
    let pages = {};
    const begin = os.loadavg()[0];
    for (let cold = 0; cold < colds; ++cold) {
      for (const runtime of runtimes.map((_, i) => runtimes[(i + cold) % runtimes.length])) {
        const into = found[runtime];
        say(`cold visit ${cold + 1} of ${colds}, ${runtime}`);
        try {
          const {one, page, made, first, files} = await visit(runtime, job, threads, backend);
          into.ready.push(made.at);
          into.create.push(made.seconds);
          into.firstAt.push(first.at);
          into.first.push(first.seconds);
          into.thumb = first.thumb;
          into.about = made.about;
          into.files = files;
          if (cold === colds - 1) pages[runtime] = {one, page};
          else await one.close();
        } catch (error) {
          into.error = String(error.message).split('\n')[0];
        }
      }
    }
    for (let round = 0; round < rounds; ++round) {
      for (const runtime of runtimes.map((_, i) => runtimes[(i + round) % runtimes.length])) {
        if (!pages[runtime]) continue;
        const {one, page} = pages[runtime];
        say(`round ${round + 1} of ${rounds}, ${runtime}`);
        const before = await one.cpuSeconds();
        found[runtime].steady.push(await page.evaluate(() => window.bench.again()));
        found[runtime].cpu.push(((await one.cpuSeconds()) - before) / (job.calls ?? 1));
      }
    }
    if (pages.sluice && job.manifest)
      found.sluice.extra = await pages.sluice.page.evaluate(() => window.bench.refined());
    for (const {one} of Object.values(pages)) await one.close();
    console.log(
      `\n${title}: ${colds} cold visits, ${rounds} rounds, load ${begin.toFixed(1)} to ${os.loadavg()[0].toFixed(1)}`,
    );
    const ours = found.sluice;
    const unit = job.calls ? 'ms' : 's';
    const scale = job.calls ? 1000 : 1;
    for (const runtime of runtimes) {
      const one = found[runtime];
      if (one.error && one.steady.length === 0) {
        console.log(`  ${runtime.padEnd(7)} failed: ${one.error}`);
        if (runtime === 'sluice') ++failed;
        continue;
      }
      const times = one.steady.map(value => value * scale);
      const ratio =
        runtime === 'sluice'
          ? ''
          : `; ${(median(one.steady) / median(ours.steady)).toFixed(2)} x sluice's time, ${(median(one.cpu) / median(ours.cpu)).toFixed(2)} x its processor time, first result ${(median(one.firstAt) / median(ours.firstAt)).toFixed(2)} x`;
      console.log(
        `  ${runtime.padEnd(7)} ready ${spread(one.ready, 's')}, create ${spread(one.create, 's')}, first result at ${spread(one.firstAt, 's')}, first run ${spread(
          one.first.map(value => value * scale),
          unit,
        )}, then ${spread(times, unit)}, of processor time ${spread(
          one.cpu.map(value => value * scale),
          unit,
        )}${ratio}`,
      );
      if (one.about) console.log(`          ${one.about}`);
      if (one.extra) console.log(`          ${one.extra}`);
      if (runtime !== 'sluice' && one.thumb && ours.thumb) {
        const difference = apart(one.thumb, ours.thumb);
        console.log(`          its result and sluice's differ by ${(100 * difference).toFixed(2)} % on average`);
        if (difference > 0.05) {
          console.log(`  FAILED  that is not the same result`);
          ++failed;
        }
      }
      if (args.includes('--sizes')) {
        one.sizes = sizesOf(one.files);
        const kib = Object.entries(one.sizes).map(([kind, bytes]) => `${kind} ${(bytes / 1024).toFixed(0)} KiB`);
        console.log(`          fetched: ${kib.join(', ')} (${one.files.join(' ')})`);
      }
    }
    report.rows.push({title, load: [begin, os.loadavg()[0]], found});
    save(facts);
  }
}
save(facts);
await server.stop();
process.exit(failed === 0 ? 0 : 1);
