// Sizes of downloads, see tools/sizes. gzip at level 9, brotli at quality 11 (what static hosts precompute).
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import zlib from 'node:zlib';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const packageFolder = path.join(root, 'build/web/sluice-web');
const peers = path.join(root, 'build/peers-node/node_modules');
const esbuild = createRequire(path.join(root, 'build/web-node/x.js'))('esbuild');
const rows = [];

function measure(name, bytes) {
  rows.push({
    name,
    raw: bytes.length,
    gzip: zlib.gzipSync(bytes, {level: 9}).length,
    brotli: zlib.brotliCompressSync(bytes, {params: {[zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length}}).length,
  });
  return rows.at(-1);
}
const file = (name, at) => fs.existsSync(at) && measure(name, fs.readFileSync(at));
const sum = (name, ...parts) => {
  if (parts.some(part => !part)) return;
  const total = key => parts.reduce((all, part) => all + part[key], 0);
  rows.push({name, raw: total('raw'), gzip: total('gzip'), brotli: total('brotli')});
};

/** A page's script that uses `text`, as a bundler makes it, without what is loaded only when needed. */
function page(name, text, nodePaths) {
  try {
    const {outputFiles} = esbuild.buildSync({
      stdin: {contents: text, resolveDir: root},
      bundle: true,
      minify: true,
      splitting: true,
      format: 'esm',
      outdir: 'out',
      write: false,
      nodePaths,
      logLevel: 'silent',
      alias: {'sluice-web': packageFolder},
      external: ['node:*', 'fs', 'path', 'module', 'worker_threads', 'url', 'os', 'perf_hooks'],
    });
    const first = outputFiles.find(output => /stdin\.js$/.test(output.path)) ?? outputFiles[0];
    return measure(name, first.contents);
  } catch (error) {
    console.log(`not measured: ${name} (${String(error.message).split('\n')[0]})`);
    return undefined;
  }
}

const script = page('sluice-web: page script (Session)', "export {Session} from 'sluice-web';", []);
const worker = file('sluice-web: worker.js', path.join(packageFolder, 'worker.js'));
file('sluice-web: thread.js', path.join(packageFolder, 'thread.js'));
const wasm = ['simd', 'simd-threads', 'relaxed', 'relaxed-threads'].map(flavour =>
  file(`sluice-web: sluice-${flavour}.wasm`, path.join(packageFolder, `sluice-${flavour}.wasm`)),
);
const forCpu = ['simd', 'relaxed'].map(flavour =>
  file(`sluice-web: sluice-cpu-${flavour}.wasm`, path.join(packageFolder, `sluice-cpu-${flavour}.wasm`)),
);
sum('= sluice-web, what one visit loads, WebGPU and WASM', script, worker, wasm[2]);
sum('= sluice-web, what one visit loads, WASM only', script, worker, forCpu[1]);

/** A peer's files, and their sum: what one visit loads. */
function peer(folder, title, names) {
  const parts = names.map(name => path.join(peers, folder, name));
  if (!parts.every(part => fs.existsSync(part))) return;
  const {version} = JSON.parse(fs.readFileSync(path.join(peers, folder, 'package.json'), 'utf8'));
  const name = `onnxruntime-web ${version}`;
  sum(`= ${name}, ${title}`, ...parts.map(part => file(`${name}: ${path.basename(part)}`, part)));
}
const ort = name => [`dist/${name}.mjs`, `dist/${name}.wasm`];
peer('onnxruntime-web-1.30', 'WASM only', ['dist/ort.wasm.min.mjs', ...ort('ort-wasm-simd-threaded')]);
peer('onnxruntime-web-1.30', 'WebGPU and WASM', ['dist/ort.webgpu.min.mjs', ...ort('ort-wasm-simd-threaded.asyncify')]);
const litert = path.join(peers, '@litertjs/core/package.json');
if (fs.existsSync(litert)) {
  const name = `LiteRT.js ${JSON.parse(fs.readFileSync(litert, 'utf8')).version}`;
  const own = page(`${name}: page script, bundled`, "export {loadAndCompile, loadLiteRt} from '@litertjs/core';", [peers]);
  const parts = ['js', 'wasm'].map(kind => path.join(peers, `@litertjs/core/wasm/litert_wasm_internal.${kind}`));
  if (own) sum(`= ${name}`, own, ...parts.map(part => file(`${name}: ${path.basename(part)}`, part)));
}
const removal = path.join(peers, '@imgly/background-removal/package.json');
if (fs.existsSync(removal)) {
  // It imports a build of onnxruntime-web of its own age, with WebGPU.
  const {version} = JSON.parse(fs.readFileSync(removal, 'utf8'));
  const name = `@imgly/background-removal ${version}`;
  const own = page(`${name}: page script, bundled`, "export {removeBackground} from '@imgly/background-removal';", [
    peers,
  ]);
  const old = path.join(peers, 'onnxruntime-web/dist');
  const parts = ['mjs', 'wasm'].map(kind => path.join(old, `ort-wasm-simd-threaded.jsep.${kind}`));
  if (own) sum(`= ${name}`, own, ...parts.map(part => file(`${name}: ${path.basename(part)}`, part)));
}

const width = Math.max(...rows.map(row => row.name.length));
const kib = value => `${(value / 1024).toFixed(1)} KiB`.padStart(13);
console.log(`${''.padEnd(width)}${'raw'.padStart(13)}${'gzip'.padStart(13)}${'brotli'.padStart(13)}`);
for (const row of rows) console.log(`${row.name.padEnd(width)}${kib(row.raw)}${kib(row.gzip)}${kib(row.brotli)}`);
const out = process.argv.indexOf('--json');
if (out > 0) fs.writeFileSync(process.argv[out + 1], `${JSON.stringify(rows, undefined, 1)}\n`);
