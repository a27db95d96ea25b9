// LiteRT for the web, running in node on the CPU: its loader wants a page's fetch and importScripts,
// which are given to it here. An oracle for tests only.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';

const asPath = url => (String(url).startsWith('file:') ? fileURLToPath(String(url)) : String(url));

export async function loadLiteRt(modules) {
  const root = path.resolve(modules, '@litertjs/core') + '/';
  globalThis.self = globalThis;
  globalThis.navigator ??= {};
  globalThis.fetch = async url => {
    const type = asPath(url).endsWith('.wasm') ? 'application/wasm' : 'application/octet-stream';
    return new Response(fs.readFileSync(asPath(url)), { headers: { 'content-type': type } });
  };
  // The runtime's own log is not ours to show.
  console.error = () => {};
  globalThis.importScripts = (...urls) => {
    for (const url of urls) vm.runInThisContext(fs.readFileSync(asPath(url), 'utf8'), { filename: asPath(url) });
  };
  globalThis.require = createRequire(root + 'wasm/x.js');
  globalThis.__dirname = root + 'wasm';
  globalThis.__filename = root + 'wasm/x.js';
  for (const name of ['log', 'info', 'warn', 'debug']) console[name] = () => {};
  const litert = await import(pathToFileURL(root + 'dist/index.js'));
  await litert.loadLiteRt(root + 'wasm/');
  return litert;
}

const kArrays = {
  float32: Float32Array, int32: Int32Array, uint8: Uint8Array,
};

// The generator of inputs that all goldens share (shared data, README).
export function generated(dtype, count) {
  const out = new kArrays[dtype](count);
  for (let i = 0; i < count; ++i) {
    const h = Number((BigInt(i + 1) * 2654435761n) & 0xffffffffn);
    const u = Math.floor(h / 256) / 16777216;
    out[i] = dtype === 'float32' ? 2 * u - 1 : dtype === 'uint8' ? Math.floor(256 * u) : Math.floor(2 * u);
  }
  return out;
}

// Runs a model on generated inputs. Outputs are sampled so that a golden stays small.
export async function run(litert, bytes, samples) {
  const model = await litert.loadAndCompile(new Uint8Array(bytes), { accelerator: 'wasm' });
  const inputs = model.getInputDetails();
  const outputs = model.getOutputDetails();
  const feeds = inputs.map(info => {
    const shape = Array.from(info.shape);
    return new litert.Tensor(generated(info.dtype, shape.reduce((a, b) => a * b, 1)), shape);
  });
  const results = await model.run(feeds);
  const golden = { inputs: inputs.map(info => ({ name: info.name, shape: Array.from(info.shape) })), outputs: [] };
  for (let i = 0; i < results.length; ++i) {
    const values = await results[i].data();
    const stride = Math.max(1, Math.floor(values.length / samples)) | 1;
    const kept = [];
    for (let k = 0; k < values.length; k += stride) kept.push(values[k]);
    golden.outputs.push({ name: outputs[i].name, shape: Array.from(outputs[i].shape), elements: values.length, stride, values: kept });
  }
  return golden;
}
