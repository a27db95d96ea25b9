// Small edits of ONNX files, for oracles: widen float16 to float32, run at another input side, expose
// every intermediate value as an output. Works on the protobuf wire form (onnx.proto), so that
// everything not touched stays as it is.
// usage: node onnx_edit.mjs IN OUT [--widen] [--side N] [--expose-all]
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

// --- wire form: a message is a list of [field, wire type, BigInt | Buffer]
export function decode(buffer) {
  const fields = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
  };
  while (at < buffer.length) {
    const key = Number(varint());
    const wire = key & 7;
    if (wire === 0) {
      fields.push([key >> 3, wire, varint()]);
      continue;
    }
    const size = wire === 2 ? Number(varint()) : wire === 5 ? 4 : 8;
    fields.push([key >> 3, wire, buffer.subarray(at, at + size)]);
    at += size;
  }
  return fields;
}

function varintBytes(value) {
  const out = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    out.push(rest ? low | 128 : low);
  } while (rest);
  return Buffer.from(out);
}

export function encode(fields) {
  const parts = [];
  for (const [field, wire, value] of fields) {
    parts.push(varintBytes((field << 3) | wire));
    if (wire === 0) parts.push(varintBytes(value));
    else if (wire === 2) parts.push(varintBytes(value.length), value);
    else parts.push(value);
  }
  return Buffer.concat(parts);
}

const first = (fields, number) => fields.find(([f]) => f === number)?.[2];
const all = (fields, number) => fields.filter(([f]) => f === number).map(([, , v]) => v);
const text = (value) => (value === undefined ? '' : Buffer.from(value).toString());
const bytesField = (number, value) => [number, 2, Buffer.isBuffer(value) ? value : Buffer.from(value)];
// Applies `change` to the sub-messages in one field.
const mapField = (fields, number, change) =>
  fields.map(([f, w, v]) => (f === number && w === 2 ? [f, w, change(v)] : [f, w, v]));

// The same to the sub-messages at the end of a path of field numbers.
const mapPath = (message, [number, ...rest], change) =>
  encode(mapField(decode(message), number, (v) => (rest.length ? mapPath(v, rest, change) : change(v))));

const FLOAT = 1n, HALF = 10n, INT64 = 7n;

function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

function widenTensor(message) {
  const fields = decode(message);
  if (first(fields, 2) !== HALF) return message;
  return encode(fields.map(([f, w, v]) => {
    if (f === 2) return [f, w, FLOAT];
    if (f !== 9) return [f, w, v];
    const wide = Buffer.alloc(v.length * 2);
    for (let i = 0; i < v.length / 2; i++) wide.writeFloatLE(halfToFloat(v[2 * i] | (v[2 * i + 1] << 8)), 4 * i);
    return [f, w, wide];
  }));
}

const widenType = (valueInfo) => mapPath(valueInfo, [2, 1], (tensor) =>
  encode(decode(tensor).map(([f, w, v]) => (f === 1 && v === HALF ? [f, w, FLOAT] : [f, w, v]))));

function widenNode(message) {
  const fields = decode(message);
  const isCast = text(first(fields, 4)) === 'Cast';
  return encode(mapField(fields, 5, (attribute) => {
    const a = decode(attribute);
    const toHalf = isCast && text(first(a, 1)) === 'to' && first(a, 3) === HALF;
    return encode(mapField(a, 5, widenTensor).map(([f, w, v]) => (toHalf && f === 3 ? [f, w, FLOAT] : [f, w, v])));
  }));
}

// Multiplies the last two numbers of an int64 list (a Resize target) by side / oldSide.
function scaleSizes(message, side, oldSide) {
  const fields = decode(message);
  if (first(fields, 2) !== INT64) return message;
  return encode(fields.map(([f, w, v]) => {
    if (f !== 9) return [f, w, v];
    const scaled = Buffer.from(v);
    for (let i = Math.max(0, v.length / 8 - 2); i < v.length / 8; i++) {
      scaled.writeBigInt64LE((scaled.readBigInt64LE(8 * i) * BigInt(side)) / BigInt(oldSide), 8 * i);
    }
    return [f, w, scaled];
  }));
}

function setInputSide(graph, side) {
  const nodes = all(graph, 1).map(decode);
  const maker = new Map();
  for (const node of nodes) for (const out of all(node, 2)) maker.set(text(out), node);
  // What Resize takes as its target, through a Concat.
  const sizes = new Set();
  for (const node of nodes) {
    if (text(first(node, 4)) !== 'Resize') continue;
    const name = text(all(node, 1)[3]);
    sizes.add(name);
    const made = maker.get(name);
    if (made && text(first(made, 4)) === 'Concat') for (const input of all(made, 1)) sizes.add(text(input));
  }
  let oldSide = 0;
  const out = graph.map(([f, w, v]) => {
    if (f !== 11) return [f, w, v];
    let index = 0;
    return [f, w, mapPath(v, [2, 1, 2, 1], (dim) => {
      if (index++ < 2) return dim;
      oldSide = Number(first(decode(dim), 1));
      return encode([[1, 0, BigInt(side)]]);
    })];
  });
  return out.map(([f, w, v]) => {
    if (f === 5 && sizes.has(text(first(decode(v), 8)))) return [f, w, scaleSizes(v, side, oldSide)];
    if (f === 1) {
      const node = decode(v);
      if (text(first(node, 4)) === 'Constant' && sizes.has(text(first(node, 2)))) {
        return [f, w, mapPath(v, [5, 5], (t) => scaleSizes(t, side, oldSide))];
      }
    }
    return [f, w, v];
  });
}

// options: widen, side, exposeAll. Declared shapes of outputs and intermediates are dropped.
export function edit(buffer, options) {
  return encode(mapField(decode(buffer), 7, (graphBytes) => {
    let graph = decode(graphBytes);
    if (options.side) graph = setInputSide(graph, options.side);
    if (options.widen) {
      graph = mapField(mapField(mapField(graph, 5, widenTensor), 1, widenNode), 11, widenType);
    }
    if (options.side || options.widen || options.exposeAll) {
      graph = graph.filter(([f]) => f !== 13);
      graph = mapField(graph, 12, (info) => encode(decode(info).filter(([f]) => f === 1)));
    }
    if (options.exposeAll) {
      const known = new Set(all(graph, 12).map((info) => text(first(decode(info), 1))));
      for (const node of all(graph, 1).map(decode)) {
        for (const out of all(node, 2).map(text)) {
          if (out === '' || known.has(out) || text(first(node, 4)) === 'Constant') continue;
          known.add(out);
          graph.push(bytesField(12, encode([bytesField(1, out)])));
        }
      }
    }
    return encode(graph);
  }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [input, output, ...flags] = process.argv.slice(2);
  const side = flags.indexOf('--side');
  fs.writeFileSync(output, edit(fs.readFileSync(input), {
    widen: flags.includes('--widen'),
    side: side < 0 ? 0 : Number(flags[side + 1]),
    exposeAll: flags.includes('--expose-all'),
  }));
}
