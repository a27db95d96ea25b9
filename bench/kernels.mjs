// The kernel benchmarks in WebAssembly, each beside the peak of the same engine on the same processor: the share is
// the median over pairs of slices measured one after the other, so that other load falls out. In Node, or with
// --browser in headless Chromium. Usage: bench/run --kernels [--only TEXT] [--flavours relaxed,simd] [--pairs 41] [--browser]
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchBrowser } from '../tests/browser/launch.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const option = (name, fallback) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1] : fallback);
const only = option('only', ''), pairs = Number(option('pairs', 41));
const flavours = option('flavours', 'relaxed,simd').split(',');

// Runs in Node and, as text, in a page. `host` is what tests/wasm/module.mjs loads, or its like.
function measure(host, only, pairs, clock) {
  const { value: about } = host.call('sluice_bench_list');
  const rows = [];
  const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
  // Half a millisecond each: shorter than a scheduler's slice, longer than a browser's clock is coarse.
  const slice = 0.5;
  const timed = (body) => {
    const begin = clock();
    const done = body();
    return { ms: clock() - begin, done };
  };
  const rounds = [20000, 20000].map((start, bytes) => {
    let count = start;
    // Until the engine's optimising compiler has taken over, rates rise.
    for (let i = 0; i < 200; ++i) {
      const { ms } = timed(() => host.x.sluice_bench_peak(bytes, count));
      if (ms > 0) count = Math.max(1000, Math.min(4e6, Math.round(count * Math.min(2, Math.max(0.5, slice / ms)))));
    }
    return count;
  });
  for (const bytes of [0, 1]) {
    const rates = [];
    for (let i = 0; i < pairs; ++i) {
      const { ms, done } = timed(() => host.x.sluice_bench_peak(bytes, rounds[bytes]));
      if (ms > 0) rates.push(done / ms / 1e6);
    }
    rows.push({ name: bytes ? `peak/${about.bytes}` : 'peak/float32', rate: median(rates) });
  }
  about.cases.forEach(({ name, operations, elements, bytes }, index) => {
    if (!name.includes(only)) return;
    if (host.call('sluice_bench_prepare', index).status !== 1) {
      rows.push({ name, failed: 'no kernel takes these operands' });
      return;
    }
    // Warm, then as many runs as fill a slice.
    let repeats = 1, once = Infinity;
    for (const end = clock() + 150; clock() < end; ) {
      const { ms } = timed(() => host.x.sluice_bench_run(repeats));
      once = Math.min(once, ms / repeats);
      if (ms < slice / 2) repeats *= 2;
    }
    repeats = Math.max(1, Math.round(slice / once));
    const rates = [], shares = [];
    for (let i = 0; i < pairs; ++i) {
      const peak = timed(() => host.x.sluice_bench_peak(bytes ? 1 : 0, rounds[bytes ? 1 : 0]));
      const run = timed(() => host.x.sluice_bench_run(repeats));
      if (!(run.ms > 0 && peak.ms > 0)) continue;
      rates.push(((operations || elements) * repeats) / run.ms / 1e6);
      if (operations) shares.push(rates.at(-1) / (peak.done / peak.ms / 1e6));
    }
    rows.push({ name, rate: median(rates), share: shares.length ? median(shares) : undefined, elements: !operations });
  });
  return { target: about.target, rows };
}

function print({ target, rows }, where) {
  console.log(`${target} in ${where}`);
  for (const { name, rate, share, failed, elements } of rows) {
    console.log(`  ${name.padEnd(34)}${failed ?? `${rate.toFixed(rate < 10 ? 2 : 1).padStart(8)} ${elements ? 'Gelements/s' : 'GFLOP/s'}` +
      (share === undefined ? '' : `  ${(share * 100).toFixed(0).padStart(3)} % of the peak`)}`);
  }
}

function moduleFile(flavour) {
  const file = path.join(root, 'build/wasm', `sluice-bench-${flavour}.wasm`);
  if (!existsSync(file)) {
    console.log(`not run: ${file} is missing (tools/wasm --bench builds it)`);
    process.exit(77);
  }
  return file;
}

async function inNode() {
  const { load } = await import('../tests/wasm/module.mjs');
  // The processor's time of the whole process: nothing else runs in it once the engine has compiled.
  const clock = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  for (const flavour of flavours) {
    const host = await load(moduleFile(flavour), { onMessage: () => {} });
    print(measure(host, only, pairs, clock), `node ${process.version}`);
    await host.close();
  }
}

// A page of its own, cross-origin isolated for a finer clock.
async function inBrowser() {
  const server = createServer((request, response) => {
    const flavour = /^\/(relaxed|simd)\.wasm$/.exec(request.url)?.[1];
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    response.setHeader('Content-Type', flavour ? 'application/wasm' : 'text/html');
    response.end(flavour ? readFileSync(moduleFile(flavour)) : '<!doctype html><title>kernels</title>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await launchBrowser('chromium', { webgpu: false });
  try {
    for (const flavour of flavours) {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.address().port}/`);
      const result = await page.evaluate(async ([flavour, text, only, pairs, pages]) => {
        const bytes = await (await fetch(`/${flavour}.wasm`)).arrayBuffer();
        const module = await WebAssembly.compile(bytes);
        const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536 });
        const env = { memory, sluice_now: () => performance.now(), sluice_wall: () => Date.now(), sluice_message: () => {} };
        const { exports: x } = await WebAssembly.instantiate(module, { env });
        x.sluice_initialize();
        const host = { x, call(name, ...values) {
          const status = x[name](...values);
          const length = x.sluice_text_size();
          const text = new TextDecoder().decode(new Uint8Array(memory.buffer, x.sluice_text_data() >>> 0, length));
          return { status, value: text === '' ? null : JSON.parse(text) };
        } };
        host.call('sluice_configure', 1);
        return new Function(`return ${text}`)()(host, only, pairs, () => performance.now());
      }, [flavour, measure.toString(), only, pairs, 256]);
      print(result, await browser.version());
      await page.close();
    }
  } finally {
    await browser.close();
    server.close();
  }
}

await (args.includes('--browser') ? inBrowser() : inNode());
