// An OTLP/HTTP receiver for tests: takes POST /v1/metrics and /v1/logs in the JSON encoding, decodes
// them strictly after the messages of opentelemetry-proto (collector, metrics, logs, common, resource
// v1) and the rules of its specification, and answers as a collector does: 200 with an empty response
// message, 400 with a google.rpc.Status that names the first field at fault.
import http from 'node:http';

// --- the messages: field -> type. "[T]" is a repeated field, "?" a oneof's member.
const MESSAGES = {
  ExportMetricsServiceRequest: { resourceMetrics: '[ResourceMetrics]' },
  ResourceMetrics: { resource: 'Resource', scopeMetrics: '[ScopeMetrics]', schemaUrl: 'string' },
  ScopeMetrics: { scope: 'InstrumentationScope', metrics: '[Metric]', schemaUrl: 'string' },
  Metric: {
    name: 'string', description: 'string', unit: 'string', metadata: '[KeyValue]',
    gauge: 'Gauge', sum: 'Sum', histogram: 'Histogram',
  },
  Gauge: { dataPoints: '[NumberDataPoint]' },
  Sum: { dataPoints: '[NumberDataPoint]', aggregationTemporality: 'enum', isMonotonic: 'bool' },
  Histogram: { dataPoints: '[HistogramDataPoint]', aggregationTemporality: 'enum' },
  NumberDataPoint: {
    attributes: '[KeyValue]', startTimeUnixNano: 'fixed64', timeUnixNano: 'fixed64',
    asDouble: 'double', asInt: 'sfixed64', flags: 'uint32',
  },
  HistogramDataPoint: {
    attributes: '[KeyValue]', startTimeUnixNano: 'fixed64', timeUnixNano: 'fixed64', count: 'fixed64',
    sum: 'double', bucketCounts: '[fixed64]', explicitBounds: '[double]', flags: 'uint32',
    min: 'double', max: 'double',
  },
  ExportLogsServiceRequest: { resourceLogs: '[ResourceLogs]' },
  ResourceLogs: { resource: 'Resource', scopeLogs: '[ScopeLogs]', schemaUrl: 'string' },
  ScopeLogs: { scope: 'InstrumentationScope', logRecords: '[LogRecord]', schemaUrl: 'string' },
  LogRecord: {
    timeUnixNano: 'fixed64', observedTimeUnixNano: 'fixed64', severityNumber: 'enum', severityText: 'string',
    body: 'AnyValue', attributes: '[KeyValue]', droppedAttributesCount: 'uint32', flags: 'uint32',
    traceId: 'id16', spanId: 'id8', eventName: 'string',
  },
  Resource: { attributes: '[KeyValue]', droppedAttributesCount: 'uint32' },
  InstrumentationScope: { name: 'string', version: 'string', attributes: '[KeyValue]', droppedAttributesCount: 'uint32' },
  KeyValue: { key: 'string', value: 'AnyValue' },
  AnyValue: {
    stringValue: 'string', boolValue: 'bool', intValue: 'sfixed64', doubleValue: 'double',
    arrayValue: 'ArrayValue', kvlistValue: 'KeyValueList', bytesValue: 'base64',
  },
  ArrayValue: { values: '[AnyValue]' },
  KeyValueList: { values: '[KeyValue]' },
};

class Refusal extends Error {}
const refuse = (path, why) => { throw new Refusal(`${path}: ${why}`); };
const TWO64 = 1n << 64n;

// 64-bit integers are decimal text in proto3's JSON mapping; enumerations are numbers in OTLP's.
const SCALARS = {
  string: (v) => typeof v === 'string',
  bool: (v) => typeof v === 'boolean',
  double: (v) => typeof v === 'number',
  uint32: (v) => Number.isInteger(v) && v >= 0 && v < 2 ** 32,
  enum: (v) => Number.isInteger(v),
  fixed64: (v) => typeof v === 'string' && /^(0|[1-9][0-9]*)$/.test(v) && BigInt(v) < TWO64,
  sfixed64: (v) => typeof v === 'string' && /^(0|-?[1-9][0-9]*)$/.test(v) && BigInt.asIntN(64, BigInt(v)) === BigInt(v),
  id16: (v) => typeof v === 'string' && /^[0-9a-f]{32}$/i.test(v) && !/^0+$/.test(v),
  id8: (v) => typeof v === 'string' && /^[0-9a-f]{16}$/i.test(v) && !/^0+$/.test(v),
  base64: (v) => typeof v === 'string' && Buffer.from(v, 'base64').toString('base64') === v,
};

const need = (path, message, ...fields) => {
  for (const f of fields) if (message[f] === undefined || message[f] === '') refuse(path, `${f} is required`);
};
const one = (path, message, ...fields) => {
  const set = fields.filter((f) => message[f] !== undefined);
  if (set.length !== 1) refuse(path, `exactly one of ${fields.join(', ')} must be set (${set.length} are)`);
};
const times = (path, point) => {
  need(path, point, 'timeUnixNano');
  const now = BigInt(Date.now()) * 1000000n, at = BigInt(point.timeUnixNano);
  if (at === 0n || at > now + 5000000000n || at < now - 600000000000n) refuse(path, `timeUnixNano ${at} is not about now`);
  if (point.startTimeUnixNano !== undefined && BigInt(point.startTimeUnixNano) > at) refuse(path, 'the start is after the end');
};
const temporality = (path, m) => {
  if (m.aggregationTemporality !== 1 && m.aggregationTemporality !== 2) refuse(path, 'aggregationTemporality must be delta (1) or cumulative (2)');
};

// Rules that the types do not say.
const RULES = {
  KeyValue: (p, m) => need(p, m, 'key', 'value'),
  AnyValue: (p, m) => one(p, m, ...Object.keys(MESSAGES.AnyValue)),
  Metric: (p, m) => { need(p, m, 'name'); one(p, m, 'gauge', 'sum', 'histogram'); },
  Gauge: (p, m) => need(p, m, 'dataPoints'),
  Sum: (p, m) => { need(p, m, 'dataPoints'); temporality(p, m); },
  Histogram: (p, m) => { need(p, m, 'dataPoints'); temporality(p, m); },
  NumberDataPoint: (p, m) => { times(p, m); one(p, m, 'asDouble', 'asInt'); },
  HistogramDataPoint: (p, m) => {
    times(p, m);
    need(p, m, 'count');
    const counts = m.bucketCounts ?? [], bounds = m.explicitBounds ?? [];
    if (counts.length !== 0 || bounds.length !== 0) {
      if (counts.length !== bounds.length + 1) refuse(p, `${counts.length} buckets for ${bounds.length} bounds`);
      if (counts.reduce((a, b) => a + BigInt(b), 0n) !== BigInt(m.count)) refuse(p, 'the buckets do not sum up to count');
    }
    for (let i = 1; i < bounds.length; ++i) if (!(bounds[i] > bounds[i - 1])) refuse(p, 'explicitBounds must grow');
    if (m.count === '0' && m.sum) refuse(p, 'sum must be 0 where count is');
    if (m.min !== undefined && m.max !== undefined && m.min > m.max) refuse(p, 'min is above max');
  },
  LogRecord: (p, m) => {
    need(p, m, 'observedTimeUnixNano');
    times(p, m);
    if (m.severityNumber !== undefined && (m.severityNumber < 0 || m.severityNumber > 24)) refuse(p, 'severityNumber is not within 0..24');
    if (m.spanId !== undefined && m.traceId === undefined) refuse(p, 'spanId without traceId');
  },
};

function check(type, value, path) {
  if (type.startsWith('[')) {
    if (!Array.isArray(value)) refuse(path, 'a list is expected');
    const inner = type.slice(1, -1);
    value.forEach((item, i) => check(inner, item, `${path}[${i}]`));
    if (inner === 'KeyValue') {
      const keys = value.map((kv) => kv.key);
      if (new Set(keys).size !== keys.length) refuse(path, 'attribute keys must be unique');
    }
    return;
  }
  if (SCALARS[type]) {
    if (!SCALARS[type](value)) refuse(path, `${JSON.stringify(value)} is no ${type}`);
    return;
  }
  const fields = MESSAGES[type];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(path, `a ${type} is expected`);
  for (const [name, item] of Object.entries(value)) {
    if (!fields[name]) refuse(path, `${type} has no field ${JSON.stringify(name)}`);
    check(fields[name], item, `${path}.${name}`);
  }
  RULES[type]?.(path, value);
}

// Throws a Refusal that names the field.
export function decode(path, text) {
  const type = { '/v1/metrics': 'ExportMetricsServiceRequest', '/v1/logs': 'ExportLogsServiceRequest' }[path];
  if (!type) refuse(path, 'no such service');
  let json;
  try { json = JSON.parse(text); } catch { refuse(type, 'the body is no JSON'); }
  check(type, json, type);
  return json;
}

export const attributes = (list) => Object.fromEntries((list ?? []).map((kv) => [kv.key, Object.values(kv.value)[0]]));

// `answer(request, count)` may take a request over: it gets (res, default) and returns true when it has
// answered or wants to leave the request hanging.
export async function startReceiver({ prefix = '', answer } = {}) {
  const received = [], refused = [];
  let count = 0;
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const reply = (status, json) => {
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify(json));
      };
      ++count;
      if (answer?.({ request, response, body, count, reply })) return;
      try {
        if (request.method !== 'POST') refuse(request.method, 'only POST is taken');
        if (!/^application\/json(;|$)/.test(request.headers['content-type'] ?? '')) refuse('Content-Type', String(request.headers['content-type']));
        if (!request.url.startsWith(prefix)) refuse(request.url, `not under ${prefix}`);
        const path = request.url.slice(prefix.length);
        received.push({ path, headers: request.headers, message: decode(path, body), body });
        reply(200, {});
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refused.push(error.message);
        reply(400, { message: error.message });
      }
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}${prefix}`,
    received, refused,
    requests: () => count,
    metrics: () => received.filter((r) => r.path === '/v1/metrics').flatMap((r) => r.message.resourceMetrics),
    logs: () => received.filter((r) => r.path === '/v1/logs').flatMap((r) => r.message.resourceLogs),
    stop: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }),
  };
}
