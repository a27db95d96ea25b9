// The package as it is built, with the real module, in node's own thread: sessions on the CPU, errors with
// their codes, progress, telemetry. Skipped where the module is not built.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const built = path.join(root, 'build/web/sluice-web');
const models = path.join(root, 'build/models');
const there = fs.existsSync(path.join(built, 'sluice-simd.wasm')) && fs.existsSync(path.join(models, 'silero_vad_v5.onnx'));
const options = { skip: there ? false : 'not run: build/web/sluice-web or build/models is not there' };

// Node's fetch knows no files.
const plainFetch = globalThis.fetch;
const fetched = [];
globalThis.fetch = async (address, init) => {
  const url = new URL(address);
  if (url.protocol !== 'file:') return plainFetch(address, init);
  fetched.push(path.basename(url.pathname));
  const type = url.pathname.endsWith('.wasm') ? 'text/plain' : 'application/octet-stream'; // a wrong type costs only time
  return fs.existsSync(url) ? new Response(fs.readFileSync(url), { headers: { 'content-type': type } }) : new Response(null, { status: 404 });
};
// The module's memory, to be looked at.
const memories = [];
WebAssembly.Memory = class extends WebAssembly.Memory {
  constructor(...args) {
    super(...args);
    memories.push(this);
  }
};
const { Session } = there ? await import(path.join(built, 'index.js')) : { Session: null };
const here = { worker: false, backends: ['cpu'] };
const silero = () => new Uint8Array(fs.readFileSync(path.join(models, 'silero_vad_v5.onnx')));
const feeds = () => ({
  input: { dtype: 'float32', dims: [1, 512], data: Float32Array.from({ length: 512 }, (_, i) => Math.sin(i / 7)) },
  state: { dtype: 'float32', dims: [2, 1, 128], data: new Float32Array(256) },
  sr: { dtype: 'int64', dims: [], data: BigInt64Array.of(16000n) },
});

test('load, run, run again: the same bits, and a record that says where', options, async () => {
  const phases = [];
  const session = await Session.create(silero(), { ...here, onProgress: ({ phase }) => phases.push(phase) });
  assert.deepEqual(fetched, ['sluice-cpu-simd.wasm'], 'one flavour, without threads, for the CPU alone');
  assert.deepEqual(session.inputs.map(({ name }) => name), ['input', 'state', 'sr']);
  const first = await session.run(feeds());
  const second = await session.run(feeds());
  assert.deepEqual(first.output.dims, [1, 1]);
  assert.ok(first.output.data[0] > 0 && first.output.data[0] < 1);
  assert.deepEqual(first, second);
  assert.ok(first.stateN.data.buffer instanceof ArrayBuffer);
  const { binding } = session;
  assert.equal(binding.bound, 'cpu');
  assert.equal(binding.evidence, 'proven');
  assert.equal(binding.runs, 2);
  assert.match(binding.console, /bound=cpu/);
  assert.equal(phases.at(-1), 'ready');
  await session.dispose();
});

test('a GPU that is not there: auto goes to the CPU and says why, webgpu alone fails', options, async () => {
  const session = await Session.create(silero(), { worker: false });
  assert.equal(session.binding.bound, 'cpu');
  assert.match(session.binding.reason, /WebGPU/);
  await session.run(feeds());
  await assert.rejects(session.retryGpu(), { code: 'device' });
  await assert.rejects(Session.create(silero(), { worker: false, backends: ['webgpu'] }), { code: 'device', message: /WebGPU/ });
  await session.dispose();
});

test('what the caller does wrong is told, and the session goes on', options, async () => {
  const session = await Session.create(silero(), here);
  const good = feeds();
  await assert.rejects(session.run({ ...good, more: good.sr }), { code: 'usage', message: /no input "more"/ });
  await assert.rejects(session.run({ input: good.input }), { code: 'usage', message: /"state" is missing/ });
  await assert.rejects(session.run({ ...good, sr: { dtype: 'int64', dims: [2], data: BigInt64Array.of(1n) } }), { code: 'usage', message: /8 bytes \(16/ });
  await assert.rejects(session.run({ ...good, input: { ...good.input, dtype: 'int32' } }), { code: 'usage' });
  await assert.rejects(session.warmup(), { hint: /inputShapes/ });
  await session.run(good);
  await session.dispose();
});

test('broken models are invalid, not crashes', options, async () => {
  const holder = await Session.create(silero(), here);
  const whole = silero();
  await assert.rejects(Session.create(new Uint8Array(0), here), { code: 'invalid-model' });
  await assert.rejects(Session.create(new Uint8Array([1, 2, 3]), here), { code: 'invalid-model' });
  for (const size of [10, 1000, whole.length >> 1, whole.length - 1]) {
    await assert.rejects(Session.create(whole.slice(0, size), here), error => ['invalid-model', 'unsupported'].includes(error.code));
  }
  await assert.rejects(Session.create(whole, { ...here, sha256: '0'.repeat(64) }), { code: 'integrity' });
  await holder.run(feeds());
  await holder.dispose();
});

test('sessions side by side share a module, and jobs wait for each other', options, async () => {
  fetched.length = 0;
  const [a, b] = await Promise.all([Session.create(silero(), here), Session.create(new Blob([silero()]), here)]);
  assert.equal(fetched.length, 1);
  const results = await Promise.all([a.run(feeds()), b.run(feeds()), a.run(feeds()), b.run(feeds())]);
  for (const one of results) assert.deepEqual(one, results[0]);
  await a.dispose();
  await b.run(feeds());
  await b.dispose();
});

test('thirty sessions, one after another, in memory that does not grow', options, async () => {
  const holder = await Session.create(silero(), here);
  let before = 0;
  for (let i = 0; i < 30; ++i) {
    const session = await Session.create(silero(), here);
    await session.run(feeds());
    await session.dispose();
    if (i === 4) before = memories.at(-1).buffer.byteLength;
  }
  const after = memories.at(-1).buffer.byteLength;
  assert.ok(before > 0 && after <= before * 1.05, `${before} bytes after five, ${after} after thirty`);
  await holder.dispose();
});

test('telemetry: console lines on request, OTLP bodies to the collector, and nothing fails when it is gone', options, async t => {
  const bodies = [];
  const server = http.createServer((request, response) => {
    let text = '';
    request.on('data', bytes => (text += bytes)).on('end', () => {
      bodies.push({ url: request.url, key: request.headers.key, body: JSON.parse(text) });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${server.address().port}/`;
  const lines = [];
  t.mock.method(console, 'info', line => lines.push(line));
  const session = await Session.create(silero(), { ...here, debug: true, otlp: { endpoint, headers: { key: 'k' } } });
  await session.run(feeds());
  await session.run(feeds());
  await session.dispose();
  server.close();
  assert.ok(lines.every(line => line.startsWith('[EP] sluice')), lines.join('\n'));
  assert.ok(lines.some(line => /bound=cpu/.test(line)));
  assert.deepEqual([...new Set(bodies.map(({ url }) => url))].sort(), ['/v1/logs', '/v1/metrics']);
  assert.ok(bodies.every(({ key }) => key === 'k'));
  const { body } = bodies.findLast(({ url }) => url === '/v1/metrics');
  assert.equal(body.resourceMetrics[0].scopeMetrics[0].metrics.length > 0, true);
  assert.ok(bodies.some(({ body: { resourceLogs } }) => resourceLogs?.[0].scopeLogs[0].logRecords.length > 0));

  const warnings = [];
  t.mock.method(console, 'warn', line => warnings.push(line));
  const alone = await Session.create(silero(), { ...here, otlp: { endpoint } });
  await alone.run(feeds());
  await alone.dispose();
  assert.equal(warnings.filter(line => /telemetry/.test(line)).length, 1, warnings.join('\n'));
});
