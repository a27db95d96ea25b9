// Brings test suites of other layouts into ONNX's backend-test layout (model.onnx or model.tflite
// beside test_data_set_0/), so that one command, `sluice conformance`, runs them all. Expected values
// become .npy, or .bin: raw little-endian elements in the type and shape that the model states.
// case.json may say: inputs ("ramp": element i of n is i/n; "generator": see the data's README),
// strides (an output's file holds every s-th element only), rtol, atol, integer (steps), best_class (the
// index of the largest element is compared; the elements only where atol is there, too).
// usage: node prepare.mjs DATA OUT     (idempotent: a finished suite has a .done file)
import fs from 'node:fs';
import path from 'node:path';

const [data, out] = process.argv.slice(2);

function suite(name, source, make) {
  const from = path.join(data, source);
  const to = path.join(out, name);
  const stamp = path.join(to, '.done');
  const version = `${fs.statSync(new URL(import.meta.url)).mtimeMs}`;
  if (!fs.existsSync(from)) return;
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === version) return;
  fs.rmSync(to, { recursive: true, force: true });
  fs.mkdirSync(to, { recursive: true });
  const count = make(from, to);
  fs.writeFileSync(stamp, version);
  console.log(`suite ${name}: ${count} cases`);
}

function addCase(to, name, model, extension, info = {}) {
  const folder = path.join(to, name.replace(/[^A-Za-z0-9._-]+/g, '_'));
  let unique = folder;
  for (let i = 2; fs.existsSync(unique); i++) unique = `${folder}_${i}`;
  const set = path.join(unique, 'test_data_set_0');
  fs.mkdirSync(set, { recursive: true });
  fs.writeFileSync(path.join(unique, `model.${extension}`), model);
  if (Object.keys(info).length) fs.writeFileSync(path.join(unique, 'case.json'), JSON.stringify(info));
  return set;
}

// --- a protobuf writer just large enough for one-node ONNX models
const varint = (value) => {
  let n = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  do {
    const low = Number(n & 127n);
    n >>= 7n;
    bytes.push(n ? low | 128 : low);
  } while (n);
  return Buffer.from(bytes);
};
const int = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, value) => {
  const body = Buffer.isBuffer(value) ? value : Buffer.from(value);
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body]);
};
const float = (field, value) => {
  const body = Buffer.alloc(4);
  body.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | 5), body]);
};

const ONNX_TYPES = {
  float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9,
  float16: 10, float64: 11, uint32: 12, uint64: 13, uint4: 21, int4: 22,
};

function toHalf(value) {
  const f = new Float32Array([value]);
  const bits = new Uint32Array(f.buffer)[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(f[0]);
  if (magnitude === 0) return sign;
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = magnitude === 0 ? -15 : Math.max(Math.floor(Math.log2(magnitude)), -14);
  const scaled = magnitude / 2 ** (exponent - 10);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  if (exponent === -14 && rounded < 1024) return sign | rounded;
  return sign | (((exponent + 14) << 10) + rounded);
}

// Raw little-endian elements.
function encode(type, values) {
  const each = (size, write) => {
    const body = Buffer.alloc(values.length * size);
    values.forEach((v, i) => write(body, v, i * size));
    return body;
  };
  switch (type) {
    case 'float32': return each(4, (b, v, o) => b.writeFloatLE(v, o));
    case 'float64': return each(8, (b, v, o) => b.writeDoubleLE(v, o));
    case 'float16': return each(2, (b, v, o) => b.writeUInt16LE(toHalf(v), o));
    case 'int32': return each(4, (b, v, o) => b.writeInt32LE(v | 0, o));
    case 'uint32': return each(4, (b, v, o) => b.writeUInt32LE(v >>> 0, o));
    case 'int16': return each(2, (b, v, o) => b.writeInt16LE(v, o));
    case 'int64': return each(8, (b, v, o) => b.writeBigInt64LE(BigInt(v), o));
    case 'uint64': return each(8, (b, v, o) => b.writeBigUInt64LE(BigInt(v), o));
    case 'int8': return each(1, (b, v, o) => b.writeInt8((v << 24) >> 24, o));
    case 'uint8': return each(1, (b, v, o) => b.writeUInt8(v & 255, o));
    case 'bool': return each(1, (b, v, o) => b.writeUInt8(v ? 1 : 0, o));
    case 'int4':
    case 'uint4': {
      const body = Buffer.alloc(Math.ceil(values.length / 2));
      values.forEach((v, i) => { body[i >> 1] |= (v & 15) << (4 * (i & 1)); });
      return body;
    }
    default: throw new Error(`type ${type}`);
  }
}

const tensorProto = (t) => {
  const head = [...t.dims.map((d) => int(1, d)), int(2, ONNX_TYPES[t.type])];
  if (t.type === 'string') return Buffer.concat([...head, ...t.data.map((s) => bytes(6, s))]);
  return Buffer.concat([...head, bytes(9, encode(t.type, t.data))]);
};

const valueInfo = (name, type, dims) => {
  const shape = dims && bytes(2, Buffer.concat(dims.map((d) =>
    bytes(1, typeof d === 'number' ? int(1, d) : bytes(2, d)))));
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, Buffer.concat([int(1, ONNX_TYPES[type]), shape ?? Buffer.alloc(0)])))]);
};

const attribute = (a) => {
  const list = [bytes(1, a.name)];
  if (a.type === 'int') list.push(int(3, a.data), int(20, 2));
  else if (a.type === 'ints') list.push(...a.data.map((v) => int(8, v)), int(20, 7));
  else if (a.type === 'float') list.push(float(2, a.data), int(20, 1));
  else if (a.type === 'floats') list.push(...a.data.map((v) => float(7, v)), int(20, 6));
  else if (a.type === 'string') list.push(bytes(4, a.data), int(20, 3));
  else if (a.type === 'strings') list.push(...a.data.map((v) => bytes(9, v)), int(20, 8));
  else throw new Error(`attribute ${a.type}`);
  return Buffer.concat(list);
};

// One node; inputs are graph inputs, absent ones empty.
function oneNodeModel(test, c) {
  const domain = test.opset?.domain ?? '';
  const version = test.opset?.version ?? 7;
  const present = (t) => t.data !== null && t.data !== undefined;
  const node = [];
  c.inputs.forEach((t, i) => node.push(bytes(1, present(t) ? `input_${i}` : '')));
  c.outputs.forEach((t, i) => node.push(bytes(2, present(t) ? `output_${i}` : '')));
  node.push(bytes(3, test.name), bytes(4, test.operator));
  for (const a of test.attributes ?? []) node.push(bytes(5, attribute(a)));
  node.push(bytes(7, domain));
  const graph = [bytes(1, Buffer.concat(node)), bytes(2, test.operator)];
  c.inputs.forEach((t, i) => {
    if (present(t)) graph.push(bytes(11, valueInfo(`input_${i}`, t.type, t.dims)));
  });
  c.outputs.forEach((t, i) => {
    if (present(t)) graph.push(bytes(12, valueInfo(`output_${i}`, t.type, null)));
  });
  const opsets = [bytes(8, Buffer.concat([bytes(1, domain), int(2, version)]))];
  if (domain !== '') opsets.push(bytes(8, Buffer.concat([bytes(1, ''), int(2, 21)])));
  return Buffer.concat([int(1, 8), ...opsets, bytes(7, Buffer.concat(graph))]);
}

suite('ort-web-ops', 'ort-web-ops', (from, to) => {
  let count = 0;
  for (const file of fs.readdirSync(from).filter((f) => f.endsWith('.json')).sort()) {
    for (const test of JSON.parse(fs.readFileSync(path.join(from, file), 'utf8'))) {
      for (const c of test.cases) {
        const name = `${path.basename(file, '.json')}__${test.name}__${c.name}`;
        const set = addCase(to, name, oneNodeModel(test, c), 'onnx');
        let at = 0;
        for (const t of c.inputs) {
          if (t.data) fs.writeFileSync(path.join(set, `input_${at++}.pb`), tensorProto(t));
        }
        at = 0;
        for (const t of c.outputs) {
          if (t.data) fs.writeFileSync(path.join(set, `output_${at++}.pb`), tensorProto(t));
        }
        count++;
      }
    }
  }
  return count;
});

suite('onnx-light', 'onnx-suite-extra/light', (from, to) => {
  let count = 0;
  for (const file of fs.readdirSync(from).filter((f) => f.endsWith('.onnx'))) {
    const stem = path.basename(file, '.onnx');
    const set = addCase(to, stem, fs.readFileSync(path.join(from, file)), 'onnx', { inputs: 'ramp' });
    fs.copyFileSync(path.join(from, `${stem}_output_0.pb`), path.join(set, 'output_0.pb'));
    count++;
  }
  return count;
});

suite('tflite-glow', 'tflite-op-tests/glow', (from, to) => {
  let count = 0;
  const files = fs.readdirSync(from);
  for (const file of files.filter((f) => f.endsWith('.tflite'))) {
    const stem = path.basename(file, '.tflite');
    const set = addCase(to, stem, fs.readFileSync(path.join(from, file)), 'tflite');
    for (const other of files.filter((f) => f.startsWith(`${stem}.`))) {
      const kind = /\.(inp|out)(\d+)$/.exec(other);
      if (!kind) continue;
      // One zero byte, then the tensor.
      fs.writeFileSync(path.join(set, `${kind[1] === 'inp' ? 'input' : 'output'}_${kind[2]}.bin`),
        fs.readFileSync(path.join(from, other)).subarray(1));
    }
    count++;
  }
  return count;
});

suite('onnx-models', 'onnx-models', (from, to) => {
  let count = 0;
  for (const name of fs.readdirSync(from)) {
    // Golden of another int8 implementation: its data says to compare the best class. Beyond that, no score lies more
    // than two of its steps away.
    const info = name === 'mobilenet_v2_qdq_int8' ? { best_class: true, atol: 0.31, rtol: 0 } : {};
    const set = addCase(to, name, fs.readFileSync(path.join(from, name, 'model.onnx')), 'onnx', info);
    const data = path.join(from, name, 'test_data_set_0');
    if (fs.existsSync(data)) fs.cpSync(data, set, { recursive: true });
    else fs.rmSync(set, { recursive: true });
    count++;
  }
  return count;
});

suite('tflite-seanet', 'tflite-op-tests/seanet-int16', (from, to) => {
  let count = 0;
  for (const group of fs.readdirSync(from)) {
    const folder = path.join(from, group);
    const files = fs.readdirSync(folder);
    for (const file of files.filter((f) => f.endsWith('.tflite'))) {
      const stem = path.basename(file, '.tflite');
      // The goldens are of fixed-point multipliers, which may round a step away from the real quotient;
      // quantize1 makes 27-bit integers out of float32's 24.
      const info = { integer: stem === 'quantize1' ? 8 : 1 };
      const set = addCase(to, stem, fs.readFileSync(path.join(folder, file)), 'tflite', info);
      for (const other of files) {
        const kind = new RegExp(`^${stem}_(golden|input)(\\d*)_(int\\d+)\\.csv$`).exec(other);
        if (!kind) continue;
        const values = fs.readFileSync(path.join(folder, other), 'utf8').split(/[\s,]+/).filter(Boolean).map(Number);
        fs.writeFileSync(path.join(set, `${kind[1] === 'golden' ? 'output' : 'input'}_${kind[2] || 0}.bin`),
          encode(kind[3], values));
      }
      count++;
    }
  }
  return count;
});

// Where LiteRT computes on the quantized values themselves.
const litert = {
  'mobilenet_v1_0.25_224_quant.tflite': { integer: 1 },
  // Its kernel quantizes the activations to int8 on the fly.
  'qwen_fc_blockwise_quantized.tflite': { atol: 0.015 },
};

suite('tflite-models', 'tflite-models', (from, to) => {
  const goldens = JSON.parse(fs.readFileSync(path.join(from, 'golden-litert-web.json'), 'utf8'));
  for (const g of goldens) {
    const info = { inputs: 'generator', strides: g.outputs.map((o) => o.stride), ...litert[g.model] };
    const set = addCase(to, path.basename(g.model, '.tflite'), fs.readFileSync(path.join(from, g.model)), 'tflite', info);
    g.outputs.forEach((o, i) => fs.writeFileSync(path.join(set, `output_${i}.bin`), encode(o.type, o.values)));
  }
  return goldens.length;
});
