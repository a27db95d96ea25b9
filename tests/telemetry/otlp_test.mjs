// `sluice run` against a real OTLP/HTTP receiver: what arrives is decoded and judged; what goes wrong
// with the receiver must cost a warning, never the job.
//   node tests/telemetry/otlp_test.mjs [FOLDER_FOR_BODIES]
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { attributes, decode, startReceiver } from './otlp_receiver.mjs';

const sluice = path.resolve('build/sluice');
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-otlp.'));
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }));

// --- a model of one Relu, written by hand: ONNX is protobuf
const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)]);
const bytes = (field, data) => [...varint((field << 3) | 2), ...varint(data.length), ...data];
const text = (field, s) => bytes(field, [...Buffer.from(s)]);
const number = (field, n) => [...varint(field << 3), ...varint(n)];
const dim = (n) => bytes(1, number(1, n));
const value = (name) => [...text(1, name), ...bytes(2, bytes(1, [...number(1, 1), ...bytes(2, [...dim(2), ...dim(3)])]))];
const node = [...text(1, 'x'), ...text(2, 'y'), ...text(3, 'only'), ...text(4, 'Relu')];
const graph = [...bytes(1, node), ...text(2, 'tiny'), ...bytes(11, value('x')), ...bytes(12, value('y'))];
const model = path.join(work, 'tiny.onnx');
fs.writeFileSync(model, Buffer.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, [...text(1, ''), ...number(2, 17)])]));

const clean = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('OTEL_') && k !== 'TRACEPARENT'));
function run(args, env = {}) {
  return new Promise((done) => {
    const start = performance.now();
    const child = spawn(sluice, args, { env: { ...clean, ...env } });
    let out = '', err = '';
    child.stdout.on('data', (d) => { out += d; });
    child.stderr.on('data', (d) => { err += d; });
    child.on('close', (code) => done({ code, out, err, seconds: (performance.now() - start) / 1e3 }));
  });
}
const job = ['run', model, '--input', 'x=random:1', '--backend', 'cpu'];

let passed = 0, failed = 0;
async function test(name, body) {
  const problems = [];
  const expect = (condition, what) => { if (!condition) problems.push(what); };
  await body(expect);
  if (problems.length === 0) ++passed; else { ++failed; console.log(`FAILED: ${name}\n  ${problems.join('\n  ')}`); }
}
const warnings = (r) => r.err.split('\n').filter((line) => line.startsWith('sluice: warning'));
// The job is done as if there were no telemetry, but for one warning.
const survives = (expect, r, pattern) => {
  expect(r.code === 0, `exit code ${r.code}: ${r.err}`);
  expect(/"y": float32/.test(r.out), `the output is missing: ${r.out}`);
  expect(warnings(r).length === 1, `${warnings(r).length} warnings: ${r.err}`);
  expect(pattern.test(r.err), `the warning does not say ${pattern}: ${r.err}`);
};

await test('metrics and events arrive and are well-formed', async (expect) => {
  const receiver = await startReceiver();
  const r = await run(['bench', model, '--input', 'x=random:1', '--backend', 'cpu', '--runs', '7', '--otlp', receiver.url]);
  await receiver.stop();
  expect(r.code === 0 && r.err === '', `exit code ${r.code}: ${r.err}`);
  expect(receiver.refused.length === 0, receiver.refused.join('; '));
  expect(receiver.received.length === 2, `${receiver.received.length} requests`);
  if (process.argv[2]) for (const { path: p, body } of receiver.received) fs.writeFileSync(path.join(process.argv[2], p.replaceAll('/', '_') + '.json'), body);
  const resource = attributes(receiver.metrics()[0]?.resource.attributes);
  expect(resource['service.name'] === 'sluice', `service.name ${resource['service.name']}`);
  expect(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(resource['service.instance.id']), `service.instance.id ${resource['service.instance.id']}`);
  expect(resource['telemetry.sdk.language'] === 'cpp', 'telemetry.sdk.language');
  const metrics = Object.fromEntries((receiver.metrics()[0]?.scopeMetrics[0].metrics ?? []).map((m) => [m.name, m]));
  const point = (name) => Object.values(metrics[name] ?? {}).find((v) => v.dataPoints)?.dataPoints[0];
  expect(point('sluice.sessions')?.asInt === '1', 'sluice.sessions');
  expect(attributes(point('sluice.sessions')?.attributes)['sluice.backend.bound'] === 'cpu', 'bound backend');
  expect(attributes(point('sluice.sessions')?.attributes)['sluice.evidence'] === 'proven', 'evidence');
  expect(point('sluice.failovers')?.asInt === '0', 'sluice.failovers');
  expect(point('sluice.islands')?.asInt === '0' && metrics['sluice.islands'].gauge, 'sluice.islands');
  expect(metrics['sluice.sessions']?.sum.aggregationTemporality === 2, 'cumulative by default');
  expect(point('sluice.load.duration')?.count === '1', 'sluice.load.duration');
  expect(point('sluice.run.first.duration')?.count === '1', 'sluice.run.first.duration');
  expect(point('sluice.run.duration')?.count === '7', `sluice.run.duration counts ${point('sluice.run.duration')?.count}`);
  const records = receiver.logs()[0]?.scopeLogs[0].logRecords ?? [];
  expect(records.map((l) => l.eventName).join() === 'sluice.session.loaded,sluice.run.first,sluice.session.summary', records.map((l) => l.eventName).join());
  expect(records.every((l) => l.traceId === undefined), 'no trace without TRACEPARENT');
  expect(attributes(records[0]?.attributes)['sluice.model.sha256']?.length === 64, 'model hash');
  expect(!receiver.received.some((q) => q.body.includes(work)), 'a folder of this machine is sent');
});

await test('the variables of the specification are followed', async (expect) => {
  const receiver = await startReceiver({ prefix: '/collect' });
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736', span = '00f067aa0ba902b7';
  const r = await run(job, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`, OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20b%2Cc, x-tenant = seven',
    OTEL_SERVICE_NAME: 'fleet', OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,deployment.environment.name=test%2F1',
    TRACEPARENT: `00-${trace}-${span}-01`, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'Delta',
    OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'x-tenant=eight',
  });
  await receiver.stop();
  expect(r.code === 0 && r.err === '', `exit code ${r.code}: ${r.err}`);
  expect(receiver.refused.length === 0 && receiver.received.length === 2, receiver.refused.join('; '));
  const [metrics, logs] = receiver.received;
  expect(metrics.headers['api-key'] === 'a b,c' && metrics.headers['x-tenant'] === 'seven', JSON.stringify(metrics.headers));
  expect(logs.headers['x-tenant'] === 'eight', JSON.stringify(logs.headers));
  const resource = attributes(receiver.metrics()[0].resource.attributes);
  expect(resource['service.name'] === 'fleet', resource['service.name']);
  expect(resource['deployment.environment.name'] === 'test/1', resource['deployment.environment.name']);
  expect(receiver.metrics()[0].scopeMetrics[0].metrics.find((m) => m.sum).sum.aggregationTemporality === 1, 'delta');
  expect(receiver.logs()[0].scopeLogs[0].logRecords.every((l) => l.traceId === trace && l.spanId === span), 'trace ids');
});

await test("a signal's own endpoint is taken as it stands, and one signal can be off", async (expect) => {
  const receiver = await startReceiver({ prefix: '/elsewhere' });
  const r = await run(job, { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${receiver.url}/v1/metrics`, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_LOGS_EXPORTER: 'none' });
  await receiver.stop();
  expect(r.code === 0 && r.err === '', r.err);
  expect(receiver.received.length === 1 && receiver.received[0].path === '/v1/metrics', 'metrics only');
});

await test('nothing is sent without an endpoint, or when the SDK is disabled', async (expect) => {
  const receiver = await startReceiver();
  for (const env of [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_SDK_DISABLED: 'true' }]) {
    const r = await run(job, env);
    expect(r.code === 0 && r.err === '', r.err);
  }
  await receiver.stop();
  expect(receiver.requests() === 0, `${receiver.requests()} requests`);
});

await test('an answer of 503 is tried again once', async (expect) => {
  const receiver = await startReceiver({ answer: ({ count, reply }) => count === 1 && (reply(503, { message: 'later' }), true) });
  const r = await run([...job, '--otlp', receiver.url]);
  await receiver.stop();
  expect(r.code === 0 && r.err === '', r.err);
  expect(receiver.received.length === 2 && receiver.requests() === 3, `${receiver.requests()} requests`);
});

await test('an answer of 400 is not tried again, and its reason is told', async (expect) => {
  const receiver = await startReceiver({ answer: ({ reply }) => (reply(400, { message: 'no such tenant' }), true) });
  survives(expect, await run([...job, '--otlp', receiver.url]), /status 400.*no such tenant/);
  await receiver.stop();
  expect(receiver.requests() === 1, `${receiver.requests()} requests`);
});

await test('a partial success is told', async (expect) => {
  const receiver = await startReceiver({ answer: ({ reply }) => (reply(200, { partialSuccess: { rejectedDataPoints: '3', errorMessage: 'too old' } }), true) });
  survives(expect, await run([...job, '--otlp', receiver.url]), /only a part.*too old/);
  await receiver.stop();
});

await test('a redirect is not followed', async (expect) => {
  const other = await startReceiver();
  const receiver = await startReceiver({ answer: ({ response }) => { response.writeHead(307, { Location: `${other.url}/v1/metrics` }); response.end(); return true; } });
  survives(expect, await run([...job, '--otlp', receiver.url]), /status 307/);
  await receiver.stop(); await other.stop();
  expect(other.requests() === 0, 'data went where nobody sent it');
});

for (const [name, answer] of [
  ['never answers', () => true],
  ['answers a byte now and then', ({ response }) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '1000' });
    const timer = setInterval(() => response.write(' '), 100);
    response.on('close', () => clearInterval(timer));
    return true;
  }],
]) {
  await test(`a receiver that ${name} is left after the time limit`, async (expect) => {
    const receiver = await startReceiver({ answer });
    const r = await run([...job, '--otlp', receiver.url], { OTEL_EXPORTER_OTLP_TIMEOUT: '700' });
    await receiver.stop();
    survives(expect, r, /not delivered/);
    expect(r.seconds < 3, `${r.seconds} s`);
  });
}

await test('an answer without end is cut', async (expect) => {
  const receiver = await startReceiver({ answer: ({ response }) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    const more = () => { while (!response.destroyed && response.write('x'.repeat(65536))); };
    response.on('drain', more); response.on('error', () => {}); more();
    return true;
  } });
  survives(expect, await run([...job, '--otlp', receiver.url]), /not delivered/);
  await receiver.stop();
});

await test('no receiver at all', async (expect) => {
  const server = net.createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  const r = await run([...job, '--otlp', `http://127.0.0.1:${port}`]);
  survives(expect, r, /not delivered.*connection/);
  expect(r.seconds < 4, `${r.seconds} s`);
});

await test('settings that can not be followed are told', async (expect) => {
  survives(expect, await run([...job, '--otlp', 'ftp://host'], { OTEL_LOGS_EXPORTER: 'none' }), /no http/);
  survives(expect, await run(job, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_LOGS_EXPORTER: 'none' }), /grpc/);
  const receiver = await startReceiver();
  survives(expect, await run([...job, '--otlp', receiver.url], { OTEL_EXPORTER_OTLP_HEADERS: 'good=1,evil=a%0d%0aX-Injected: b', OTEL_LOGS_EXPORTER: 'none' }), /evil/);
  await receiver.stop();
  expect(receiver.received[0]?.headers.good === '1' && receiver.received[0]?.headers['x-injected'] === undefined, 'header injection');
});

await test('events as JSON lines and on the console', async (expect) => {
  const file = path.join(work, 'events.jsonl');
  const r = await run([...job, '--events', file, '--debug', 'ep']);
  expect(r.code === 0, r.err);
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  expect(lines.map((l) => l.event).join() === 'sluice.session.loaded,sluice.run.first,sluice.session.summary', lines.map((l) => l.event).join());
  expect(lines.at(-1).binding.bound === 'cpu' && lines.at(-1).binding.runs === 1 && lines.at(-1).binding.evidence === 'proven', JSON.stringify(lines.at(-1).binding));
  expect(lines.every((l) => !Number.isNaN(Date.parse(l.time)) && l.model === 'tiny.onnx'), 'time and model');
  const console_lines = r.err.trim().split('\n');
  expect(console_lines.length === 3 && console_lines.every((l) => l.startsWith('[EP] sluice · tiny.onnx · ')), r.err);
  expect(/requested=cpu = bound=cpu/.test(console_lines[0]), console_lines[0]);
  survives(expect, await run([...job, '--events', path.join(work, 'no', 'such', 'folder')]), /can't be written/);
});

await test('the receiver itself refuses what is malformed', async (expect) => {
  const at = `${Date.now()}000000`;
  const metric = (m) => JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [m] }] }] });
  const sum = (point, more = {}) => metric({ name: 'n', sum: { dataPoints: [{ timeUnixNano: at, ...point }], aggregationTemporality: 2, ...more } });
  const log = (l) => JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: at, observedTimeUnixNano: at, ...l }] }] }] });
  const good = [['/v1/metrics', sum({ asInt: '1' })], ['/v1/logs', log({ traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) })]];
  const bad = [
    ['/v1/metrics', sum({ asInt: 1 })], ['/v1/metrics', sum({ asInt: '1', asDouble: 1 })], ['/v1/metrics', sum({})],
    ['/v1/metrics', sum({ asInt: '1', timeUnixNano: Number(at) })], ['/v1/metrics', sum({ asInt: '1', timeUnixNano: '0' })],
    ['/v1/metrics', sum({ asInt: '1' }, { aggregationTemporality: 0 })], ['/v1/metrics', sum({ asInt: '1' }, { aggregationTemporality: 'CUMULATIVE' })],
    ['/v1/metrics', sum({ as_int: '1' })], ['/v1/metrics', metric({ sum: {} })], ['/v1/metrics', '{'],
    ['/v1/metrics', sum({ asInt: '1', attributes: [{ key: 'a', value: { stringValue: 'x' } }, { key: 'a', value: { stringValue: 'y' } }] })],
    ['/v1/metrics', sum({ asInt: '1', attributes: [{ key: 'a', value: { stringValue: 'x', intValue: '1' } }] })],
    ['/v1/metrics', metric({ name: 'h', histogram: { aggregationTemporality: 2, dataPoints: [{ timeUnixNano: at, count: '2', sum: 1, bucketCounts: ['1', '0'], explicitBounds: [1] }] } })],
    ['/v1/metrics', metric({ name: 'h', histogram: { aggregationTemporality: 2, dataPoints: [{ timeUnixNano: at, count: '1', sum: 1, bucketCounts: ['1'], explicitBounds: [1] }] } })],
    ['/v1/logs', log({ traceId: Buffer.alloc(16, 1).toString('base64') })], ['/v1/logs', log({ traceId: '0'.repeat(32) })],
    ['/v1/logs', log({ spanId: 'cd'.repeat(8) })], ['/v1/logs', log({ severityNumber: 99 })],
  ];
  const refuses = ([p, body]) => { try { decode(p, body); return false; } catch { return true; } };
  good.forEach((g) => expect(!refuses(g), `refused, though good: ${g[1]}`));
  bad.forEach((b) => expect(refuses(b), `accepted, though bad: ${b[1]}`));
});

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
