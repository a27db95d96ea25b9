// Runs an ONNX model in onnxruntime on the CPU, graph optimisation off, and dumps its inputs and
// outputs (with --all every intermediate value too) as NNN_name.npy with a manifest.json, the layout
// of `sluice dump`.
// usage: node ort.mjs MODEL OUT [--all] [--input NAME=FILE.npy|NUMBER]… [--shape NAME=1x3x2]… [--time N] [--threads N]
// Inputs not given take the generator's values (docs/models.md). --time prints the median of N runs
// with optimisation on, as JSON, and dumps nothing. Packages come from build/node (NODE_PATH).
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { edit } from './onnx_edit.mjs';
import { readNpy, writeNpy } from './npy.mjs';

const require = createRequire(path.resolve(process.env.SLUICE_NODE ?? 'build/node', 'package.json'));
const ort = require('onnxruntime-node');

const [modelPath, out, ...flags] = process.argv.slice(2);
const values = (name) => flags.flatMap((f, i) => (f === name ? [flags[i + 1]] : []));
const given = Object.fromEntries(values('--input').map((s) => [s.slice(0, s.lastIndexOf('=')), s.slice(s.lastIndexOf('=') + 1)]));
const shapes = Object.fromEntries(values('--shape').map((s) => [s.slice(0, s.lastIndexOf('=')), s.slice(s.lastIndexOf('=') + 1).split('x').filter(Boolean).map(Number)]));
const timed = Number(values('--time')[0] ?? 0);
const threads = Number(values('--threads')[0] ?? 0);

// Element i: h = ((i+1) * 2654435761) mod 2^32, u = floor(h / 256) / 2^24.
function generate(type, dims) {
  const count = dims.reduce((a, b) => a * b, 1);
  const u = (i) => (Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 24;
  const fill = (array, value) => { for (let i = 0; i < count; i++) array[i] = value(u(i)); return array; };
  switch (type) {
    case 'float32': return fill(new Float32Array(count), (x) => 2 * x - 1);
    case 'float64': return fill(new Float64Array(count), (x) => 2 * x - 1);
    case 'int8': return fill(new Int8Array(count), (x) => Math.floor(256 * x) - 128);
    case 'uint8': return fill(new Uint8Array(count), (x) => Math.floor(256 * x));
    case 'int32': return fill(new Int32Array(count), (x) => Math.floor(2 * x));
    case 'int64': return fill(new BigInt64Array(count), (x) => BigInt(Math.floor(2 * x)));
    case 'bool': return fill(new Uint8Array(count), (x) => (x >= 0.5 ? 1 : 0));
    default: throw new Error(`no generator for ${type}`);
  }
}

let model = fs.readFileSync(modelPath);
if (flags.includes('--all')) model = edit(model, { exposeAll: true });
const session = await ort.InferenceSession.create(model, {
  executionProviders: ['cpu'],
  graphOptimizationLevel: timed ? 'all' : 'disabled',
  ...(threads ? { intraOpNumThreads: threads } : {}),
});
const feeds = {};
for (const info of session.inputMetadata) {
  const dims = shapes[info.name] ?? info.shape.map((d) => (typeof d === 'number' ? d : 1));
  if (given[info.name] && !given[info.name].endsWith('.npy')) {
    const made = generate(info.type, dims);
    made.fill(info.type.includes('64') && info.type !== 'float64' ? BigInt(given[info.name]) : Number(given[info.name]));
    feeds[info.name] = new ort.Tensor(info.type, made, dims);
  } else if (given[info.name]) {
    const t = readNpy(fs.readFileSync(given[info.name]));
    feeds[info.name] = new ort.Tensor(t.type, t.data, t.dims);
  } else {
    feeds[info.name] = new ort.Tensor(info.type, generate(info.type, dims), dims);
  }
}

if (timed) {
  const fetches = values('--output');
  const run = () => (fetches.length ? session.run(feeds, fetches) : session.run(feeds));
  await run();
  const times = [];
  for (let i = 0; i < timed; i++) {
    const start = process.hrtime.bigint();
    await run();
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  times.sort((a, b) => a - b);
  const rss = Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  console.log(JSON.stringify({ median_ms: times[times.length >> 1], min_ms: times[0], max_ms: times.at(-1), runs: timed, peak_rss_bytes: rss }));
} else {
  fs.mkdirSync(out, { recursive: true });
  const results = await session.run(feeds);
  const manifest = { model: path.basename(modelPath), backend: 'onnxruntime', values: [], outputs: session.outputNames };
  let index = 0;
  const write = (name, tensor, role) => {
    const entry = { name, role, dtype: tensor.type, shape: [...tensor.dims] };
    if (tensor.type !== 'string') {
      entry.file = `${String(index).padStart(3, '0')}_${name.slice(0, 100).replace(/[^A-Za-z0-9._-]/g, '_')}.npy`;
      fs.writeFileSync(path.join(out, entry.file), writeNpy(tensor.type, tensor.dims, tensor.data));
    }
    manifest.values.push(entry);
    index++;
  };
  for (const [name, tensor] of Object.entries(feeds)) write(name, tensor, 'input');
  for (const name of session.outputNames) write(name, results[name], 'value');
  fs.writeFileSync(path.join(out, 'manifest.json'), JSON.stringify(manifest, null, 1));
  console.log(`${index} values -> ${out}`);
}
