// Random one-operator models with inputs, and outputs of onnxruntime-node, in the layout that
// `sluice conformance` runs: OUT/CASE/{model.onnx,test_data_set_0/{input,output}_K.npy}. Shape-like
// operands are now initializers, now inputs, and old opsets are among them. What onnxruntime
// refuses is left out.
// usage: node operators.mjs NODE_MODULES OUT [SEED [COUNT]]
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [modules, out, seed = '1', count = '400'] = process.argv.slice(2);
const ort = createRequire(path.resolve(modules, 'x.js'))('onnxruntime-node');

// --- dice (mulberry32)
let state = Number(seed) >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const int = (lo, hi) => lo + Math.floor(random() * (hi - lo + 1));
const pick = (list) => list[int(0, list.length - 1)];
const chance = (p) => random() < p;
const shuffled = (list) => {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = int(0, i);
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
};
const range = (n) => Array.from({ length: n }, (_, i) => i);
const size = (shape) => shape.reduce((a, b) => a * b, 1);

// --- tensors
const kinds = {
  float32: { onnx: 1, npy: '<f4', make: (v) => Float32Array.from(v) },
  uint8: { onnx: 2, npy: '|u1', make: (v) => Uint8Array.from(v) },
  int8: { onnx: 3, npy: '|i1', make: (v) => Int8Array.from(v) },
  int32: { onnx: 6, npy: '<i4', make: (v) => Int32Array.from(v) },
  int64: { onnx: 7, npy: '<i8', make: (v) => BigInt64Array.from(v, (x) => BigInt(Math.trunc(x))) },
  bool: { onnx: 9, npy: '|b1', make: (v) => Uint8Array.from(v, (x) => (x > 0 ? 1 : 0)) },
  float64: { onnx: 11, npy: '<f8', make: (v) => Float64Array.from(v) },
};
const bytesOf = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const tensor = (type, dims, values) => ({ type, dims, data: kinds[type].make(values) });
const floats = (dims, type = 'float32') => tensor(type, dims, range(size(dims)).map(() => random() * 2 - 1));
const ints = (type, dims, lo, hi) => tensor(type, dims, range(size(dims)).map(() => int(lo, hi)));
const any = (dims, types = ['float32', 'float32', 'int32', 'int64', 'uint8', 'bool', 'float64']) => {
  const type = pick(types);
  return type.startsWith('float') ? floats(dims, type) : ints(type, dims, type === 'uint8' ? 0 : -9, 9);
};
const list = (values, type = 'int64') => tensor(type, [values.length], values);
const scalar = (value, type = 'int64') => tensor(type, [], [value]);
const shapeOf = (rank, lo = 1, hi = 5) => range(rank).map(() => (chance(0.03) ? 0 : int(lo, hi)));
const npy = ({ type, dims, data }) => {
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  let header = `{'descr': '${kinds[type].npy}', 'fortran_order': False, 'shape': ${shape}, }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header, 'latin1'), bytesOf(data)]);
};

// --- protobuf
const varint = (value) => {
  let v = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  do {
    bytes.push(Number(v & 127n) | (v > 127n ? 128 : 0));
    v >>= 7n;
  } while (v > 0n);
  return Buffer.from(bytes);
};
const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
const chunk = (field, bytes) => {
  const body = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
};
const message = (...parts) => Buffer.concat(parts.flat());
const float = (field, value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint(field * 8 + 5), bytes]);
};
const tensorProto = (name, { type, dims, data }) =>
  message(dims.map((d) => number(1, d)), number(2, kinds[type].onnx), chunk(8, name), chunk(9, bytesOf(data)));
const attribute = (name, value) => {
  if (Array.isArray(value)) return message(chunk(1, name), value.map((v) => number(8, v)), number(20, 7));
  if (typeof value === 'string') return message(chunk(1, name), chunk(4, value), number(20, 3));
  if (typeof value === 'object') {
    if (value.float !== undefined) return message(chunk(1, name), float(2, value.float), number(20, 1));
    return message(chunk(1, name), chunk(5, tensorProto('value', value)), number(20, 4));
  }
  return message(chunk(1, name), number(3, value), number(20, 2));
};
const valueInfo = (name, type, dims) =>
  message(chunk(1, name), chunk(2, chunk(1, message(number(1, kinds[type].onnx),
    dims ? chunk(2, message(dims.map((d) => chunk(1, typeof d === 'string' ? chunk(2, d) : number(1, d))))) : []))));

// A spec: {op, domain, opset, attrs, inputs: [tensor | null], fixed: [indices of initializers], outputs}
function model(spec) {
  const { op, domain = '', opset = 21, attrs = {}, inputs, fixed = [], outputs = 1 } = spec;
  const names = inputs.map((t, i) => (t ? `in${i}` : ''));
  const results = range(outputs).map((i) => `out${i}`);
  const node = message(names.map((n) => chunk(1, n)), results.map((n) => chunk(2, n)), chunk(4, op), chunk(7, domain),
    Object.entries(attrs).map(([k, v]) => chunk(5, attribute(k, v))));
  const graph = message(chunk(1, node), chunk(2, 'g'),
    inputs.map((t, i) => (t && fixed.includes(i) ? chunk(5, tensorProto(names[i], t)) : Buffer.alloc(0))),
    inputs.map((t, i) => (t && !fixed.includes(i)
      ? chunk(11, valueInfo(names[i], t.type, spec.symbolic ? t.dims.map((_, k) => `d${i}_${k}`) : t.dims)) : Buffer.alloc(0))),
    results.map((n) => chunk(12, message(chunk(1, n)))));
  return message(number(1, 8), chunk(8, message(chunk(1, ''), number(2, opset))),
    domain ? chunk(8, message(chunk(1, domain), number(2, 1))) : [], chunk(7, graph));
}

// --- the operators
const axisOf = (rank) => int(-rank, rank - 1);
const bound = () => pick([int(-7, 7), int(-7, 7), 2 ** 31 - 1, -(2 ** 31), 1e15, -1e15]);
const indices = (dims, extent, type = pick(['int64', 'int32'])) => ints(type, dims, -extent, extent - 1);
const generators = {
  Slice() {
    const dims = shapeOf(int(1, 4), 1, 7);
    const axes = shuffled(range(dims.length)).slice(0, int(1, dims.length));
    const type = pick(['int64', 'int64', 'int32']);
    const bounds = () => list(axes.map(() => (type === 'int32' ? Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, bound())) : bound())), type);
    if (chance(0.2)) {
      return { op: 'Slice', opset: 9, inputs: [any(dims)],
        attrs: { axes, starts: axes.map(() => int(-7, 7)), ends: axes.map(() => int(-7, 7)) } };
    }
    const inputs = [any(dims), bounds(), bounds(), list(axes.map((a) => (chance(0.5) ? a : a - dims.length)), type)];
    if (chance(0.8)) {
      const steps = axes.map(() => pick([1, 2, 3, -1, -1, -2, -3, 9, -9]));
      // INT_MAX as the end of a backward slice is onnxruntime's own word for "to the start".
      inputs[2].data = inputs[2].data.map((end, i) => (Number(end) === 2 ** 31 - 1 && steps[i] < 0 ? end - (type === 'int32' ? 1 : 1n) : end));
      inputs.push(list(steps, type));
    }
    return { op: 'Slice', opset: pick([10, 11, 13]), inputs, fixed: chance(0.6) ? [1, 2, 3, 4] : [] };
  },
  Pad() {
    const dims = shapeOf(int(1, 4), 2, 6);
    const mode = pick(['constant', 'reflect', 'edge', 'wrap', 'constant']);
    const most = mode === 'reflect' || mode === 'wrap' ? 1 : 4;
    if (chance(0.25) && mode !== 'wrap') {
      const pads = range(2 * dims.length).map(() => int(0, most));
      return { op: 'Pad', opset: pick([2, 7, 10]), inputs: [floats(dims)], attrs: { mode, pads, ...(chance(0.5) ? { value: { float: 1.5 } } : {}) } };
    }
    const axes = shuffled(range(dims.length)).slice(0, chance(0.5) ? dims.length : int(1, dims.length));
    const named = chance(0.5);
    const pads = list(range(2 * (named ? axes.length : dims.length)).map(() => int(mode === 'constant' ? -1 : 0, most)));
    const data = any(dims, ['float32', 'int32', 'int64', 'float64']);
    const value = chance(0.5) ? tensor(data.type, [], [3]) : null;
    return { op: 'Pad', opset: mode === 'wrap' ? 19 : 18, attrs: { mode },
      inputs: named ? [data, pads, value, list(axes.map((a) => (chance(0.5) ? a : a - dims.length)))] : value ? [data, pads, value] : [data, pads],
      fixed: chance(0.6) ? [1, 3] : [] };
  },
  Concat() {
    const dims = shapeOf(int(1, 4));
    const axis = axisOf(dims.length);
    const type = pick(['float32', 'int32', 'int64', 'bool', 'uint8']);
    const inputs = range(int(1, 5)).map(() => any(dims.map((d, i) => (i === (axis + dims.length) % dims.length ? int(0, 4) : d)), [type]));
    return { op: 'Concat', opset: pick([4, 11, 13]), attrs: { axis }, inputs };
  },
  Split() {
    const dims = shapeOf(int(1, 4), 1, 9);
    const axis = axisOf(dims.length);
    const extent = dims.at(axis < 0 ? axis : axis);
    const form = int(0, 2);
    const parts = [];
    for (let left = extent; left > 0 || parts.length === 0;) {
      const part = int(0, left);
      parts.push(part);
      left -= part;
      if (parts.length > 6) { parts.push(left); break; }
    }
    if (form === 0) return { op: 'Split', opset: pick([7, 11]), attrs: { axis, split: parts }, inputs: [any(dims)], outputs: parts.length };
    if (form === 1) return { op: 'Split', opset: pick([13, 18]), attrs: { axis }, inputs: [any(dims), list(parts)], fixed: chance(0.5) ? [1] : [], outputs: parts.length };
    const n = int(1, Math.max(1, Math.min(extent, 5)));
    return { op: 'Split', opset: 18, attrs: { axis, num_outputs: n }, inputs: [any(dims)], outputs: n };
  },
  Gather() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    const axis = axisOf(dims.length);
    return { op: 'Gather', opset: pick([1, 11, 13]), attrs: { axis }, inputs: [any(dims), indices(shapeOf(int(0, 3)), 1)].map((t, i) => (i ? indices(t.dims, dims.at(axis)) : t)) };
  },
  GatherElements() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    const axis = axisOf(dims.length);
    const at = dims.map((d, i) => (i === (axis + dims.length) % dims.length ? int(1, 7) : int(1, d)));
    return { op: 'GatherElements', opset: pick([11, 13]), attrs: { axis }, inputs: [any(dims), indices(at, dims.at(axis))] };
  },
  GatherND() {
    const batch = int(0, 2);
    const dims = shapeOf(batch + int(1, 3)).map((d) => Math.max(d, 1));
    const depth = int(1, dims.length - batch);
    const at = [...dims.slice(0, batch), ...shapeOf(int(0, 2)).map((d) => Math.max(d, 1)), depth];
    const index = tensor('int64', at, range(size(at)).map((i) => {
      const extent = dims[batch + (i % depth)];
      return int(-extent, extent - 1);
    }));
    return { op: 'GatherND', opset: pick([12, 13]), attrs: batch ? { batch_dims: batch } : {}, inputs: [any(dims, ['float32', 'int64', 'bool']), index] };
  },
  ScatterElements() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    const axis = axisOf(dims.length);
    const at = dims.map((d) => int(1, d));
    const reduction = pick(['none', 'add', 'mul', 'max', 'min']);
    const data = any(dims, ['float32', 'int32', 'int64']);
    const extent = dims.at(axis);
    let index = indices(at, extent);
    if (reduction === 'none') { // without repeats, since their order is nobody's promise
      const k = (axis + dims.length) % dims.length;
      const inner = size(at.slice(k + 1));
      const orders = new Map();
      index = tensor('int64', at, range(size(at)).map((i) => {
        const line = `${Math.floor(i / inner / at[k])},${i % inner}`;
        if (!orders.has(line)) orders.set(line, shuffled(range(extent)));
        const v = orders.get(line)[Math.floor(i / inner) % at[k]];
        return chance(0.3) ? v - extent : v;
      }));
      if (chance(0.3)) return { op: 'Scatter', opset: 9, attrs: { axis: (axis + dims.length) % dims.length }, inputs: [data, tensor('int64', at, [...index.data].map((v) => (Number(v) + extent) % extent)), any(at, [data.type])] };
    }
    return { op: 'ScatterElements', opset: 18, attrs: { axis, reduction }, inputs: [data, index, any(at, [data.type])] };
  },
  ScatterND() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    const depth = int(1, dims.length);
    const reduction = pick(['none', 'add', 'mul', 'max', 'min']);
    const n = reduction === 'none' ? 1 : int(1, 6);
    const index = tensor('int64', [n, depth], range(n * depth).map((i) => int(-dims[i % depth], dims[i % depth] - 1)));
    const data = any(dims, ['float32', 'int32', 'int64']);
    return { op: 'ScatterND', opset: 18, attrs: { reduction }, inputs: [data, index, any([n, ...dims.slice(depth)], [data.type])] };
  },
  OneHot() {
    const dims = shapeOf(int(1, 3));
    const depth = int(1, 6);
    return { op: 'OneHot', opset: 11, attrs: { axis: int(-dims.length - 1, dims.length) },
      inputs: [ints('int64', dims, -depth - 2, depth + 2), scalar(depth), list([-2, 3], pick(['float32', 'int64']))], fixed: chance(0.5) ? [1] : [] };
  },
  ReverseSequence() {
    const dims = shapeOf(int(2, 4)).map((d) => Math.max(d, 1));
    const batch = int(0, 1);
    return { op: 'ReverseSequence', opset: 10, attrs: { batch_axis: batch, time_axis: 1 - batch },
      inputs: [any(dims), ints('int64', [dims[batch]], 1, dims[1 - batch])] };
  },
  Compress() {
    const dims = shapeOf(int(1, 3)).map((d) => Math.max(d, 1));
    const axis = axisOf(dims.length);
    const flat = chance(0.3);
    return { op: 'Compress', opset: 11, attrs: flat ? {} : { axis },
      inputs: [any(dims), ints('bool', [int(1, flat ? size(dims) : dims.at(axis))], 0, 1)] };
  },
  NonZero: () => ({ op: 'NonZero', opset: pick([9, 13]), inputs: [ints(pick(['int32', 'int64', 'bool', 'float32']), shapeOf(int(1, 4)), -1, 1)] }),
  Unique() {
    const dims = shapeOf(int(1, 3)).map((d) => Math.max(d, 1));
    const attrs = { sorted: int(0, 1) };
    if (chance(0.6)) attrs.axis = axisOf(dims.length);
    return { op: 'Unique', opset: 11, attrs, inputs: [ints(pick(['float32', 'int64', 'float64']), dims, 0, 1)], outputs: 4 };
  },
  TopK() {
    const dims = shapeOf(int(1, 3), 1, 8).map((d) => Math.max(d, 1));
    const axis = axisOf(dims.length);
    const k = int(1, dims.at(axis));
    if (chance(0.2)) return { op: 'TopK', opset: 9, attrs: { axis, k }, inputs: [floats(dims)], outputs: 2 };
    return { op: 'TopK', opset: 11, attrs: { axis, largest: int(0, 1) }, inputs: [ints(pick(['float32', 'int64', 'int32']), dims, -3, 3), list([k])], fixed: chance(0.5) ? [1] : [], outputs: 2 };
  },
  Reshape() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    const flat = shuffled(dims);
    if (flat.length > 1 && chance(0.5)) flat.splice(0, 2, flat[0] * flat[1]);
    if (chance(0.6)) flat[int(0, flat.length - 1)] = -1;
    return { op: 'Reshape', opset: pick([5, 13, 14]), inputs: [any(dims), list(flat)], fixed: chance(0.5) ? [1] : [] };
  },
  Transpose() {
    const dims = shapeOf(int(1, 5));
    return { op: 'Transpose', opset: pick([1, 13]), attrs: chance(0.8) ? { perm: shuffled(range(dims.length)) } : {}, inputs: [any(dims)] };
  },
  Expand() {
    const dims = shapeOf(int(0, 3)).map((d) => (chance(0.5) ? 1 : d));
    const to = dims.map((d) => (d === 1 ? int(1, 4) : pick([d, 1])));
    return { op: 'Expand', opset: pick([8, 13]), inputs: [any(dims), list([...shapeOf(int(0, 2)), ...to])], fixed: chance(0.5) ? [1] : [] };
  },
  Tile() {
    const dims = shapeOf(int(1, 4));
    return { op: 'Tile', opset: pick([6, 13]), inputs: [any(dims), list(dims.map(() => int(0, 3)))], fixed: chance(0.5) ? [1] : [] };
  },
  Squeeze() {
    const dims = shapeOf(int(1, 5)).map((d) => (chance(0.5) ? 1 : d));
    const axes = range(dims.length).filter((i) => dims[i] === 1 && chance(0.7)).map((a) => (chance(0.5) ? a : a - dims.length));
    if (axes.length === 0) return { op: 'Squeeze', opset: pick([11, 13]), inputs: [any(dims)] };
    return chance(0.4) ? { op: 'Squeeze', opset: 11, attrs: { axes }, inputs: [any(dims)] }
      : { op: 'Squeeze', opset: 13, inputs: [any(dims), list(axes)], fixed: chance(0.5) ? [1] : [] };
  },
  Unsqueeze() {
    const dims = shapeOf(int(0, 3));
    const rank = dims.length + int(1, 2);
    const axes = shuffled(range(rank)).slice(0, rank - dims.length).map((a) => (chance(0.5) ? a : a - rank));
    return chance(0.4) ? { op: 'Unsqueeze', opset: 11, attrs: { axes }, inputs: [any(dims)] }
      : { op: 'Unsqueeze', opset: 13, inputs: [any(dims), list(axes)], fixed: chance(0.5) ? [1] : [] };
  },
  Flatten() {
    const dims = shapeOf(int(1, 4));
    return { op: 'Flatten', opset: pick([9, 11, 13]), attrs: { axis: int(0, dims.length) }, inputs: [floats(dims)] };
  },
  Range() {
    const type = pick(['int64', 'int32', 'float32', 'float64']);
    const n = (lo, hi) => (type.startsWith('float') ? random() * (hi - lo) + lo : int(lo, hi));
    return { op: 'Range', opset: 11, inputs: [n(-9, 9), n(-9, 9), pick([1, -1]) * (n(1, 4))].map((v) => scalar(v, type)), fixed: chance(0.5) ? [0, 1, 2] : [] };
  },
  EyeLike: () => ({ op: 'EyeLike', opset: 9, attrs: { k: int(-5, 5), dtype: pick([1, 7, 11]) }, inputs: [floats([int(1, 5), int(1, 5)])] }),
  Trilu() {
    const dims = shapeOf(int(2, 4));
    return { op: 'Trilu', opset: 14, attrs: { upper: int(0, 1) }, inputs: [any(dims, ['float32', 'int64']), ...(chance(0.7) ? [scalar(int(-6, 6))] : [])] };
  },
  Shape: () => ({ op: 'Shape', opset: 15, attrs: { start: int(-5, 5), ...(chance(0.5) ? { end: int(-5, 5) } : {}) }, inputs: [floats(shapeOf(int(0, 4)))] }),
  ConstantOfShape: () => ({ op: 'ConstantOfShape', opset: 9, attrs: chance(0.5) ? { value: list([7], pick(['int64', 'float32', 'bool'])) } : {}, inputs: [list(shapeOf(int(0, 3)))] }),
  Einsum() {
    const extent = Object.fromEntries([...'abcdef'].map((c) => [c, int(1, 4)]));
    const terms = range(int(1, 3)).map(() => shuffled([...'abcdef']).slice(0, int(0, 3)));
    const all = [...new Set(terms.flat())];
    const result = shuffled(all).slice(0, int(0, all.length));
    const dots = chance(0.25);
    const lead = [2, 3].slice(0, int(0, 2));
    const equation = terms.map((t) => (dots ? '...' : '') + t.join('')).join(',') + (chance(0.7) ? `->${dots ? '...' : ''}${result.join('')}` : '');
    return { op: 'Einsum', opset: 12, attrs: { equation },
      inputs: terms.map((t) => floats([...(dots ? lead : []), ...t.map((c) => extent[c])], 'float32')) };
  },
  DFT() {
    const n = int(1, 20);
    const onesided = int(0, 1);
    const parts = onesided ? 1 : int(1, 2);
    return chance(0.4)
      ? { op: 'DFT', opset: 17, attrs: { axis: 1, onesided, inverse: onesided ? 0 : int(0, 1) }, inputs: [floats([int(1, 3), n, parts])] }
      : { op: 'DFT', opset: 20, attrs: { onesided, inverse: onesided ? 0 : int(0, 1) },
          inputs: [floats([int(1, 3), n, parts]), chance(0.5) ? scalar(int(1, 24)) : null, scalar(1)], fixed: [1, 2] };
  },
  STFT() {
    const frame = int(2, 12);
    return { op: 'STFT', opset: 17, attrs: { onesided: int(0, 1) },
      inputs: [floats([int(1, 2), int(frame, 40), 1]), scalar(int(1, 9)), ...(chance(0.5) ? [floats([frame])] : [null]), scalar(frame)], fixed: chance(0.5) ? [1, 3] : [] };
  },
  Window: () => ({ op: pick(['HannWindow', 'HammingWindow', 'BlackmanWindow']), opset: 17, attrs: { periodic: int(0, 1) }, inputs: [scalar(int(2, 20))] }),
  MelWeightMatrix: () => ({ op: 'MelWeightMatrix', opset: 17,
    inputs: [scalar(int(1, 12)), scalar(pick([16, 32, 64])), scalar(8192), scalar(pick([0, 20, 100]), 'float32'), scalar(pick([4000, 2000, 3999.5]), 'float32')] }),
  Det: () => ({ op: 'Det', opset: 11, inputs: [floats([...shapeOf(int(0, 2)).map((d) => Math.max(d, 1)), ...Array(2).fill(int(1, 5))])] }),
  // --- numbers
  Reduce() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    const op = pick(['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare']);
    const axes = shuffled(range(dims.length)).slice(0, int(1, dims.length)).map((a) => (chance(0.5) ? a : a - dims.length));
    const attrs = { keepdims: int(0, 1) };
    const data = op === 'ReduceLogSum' ? tensor('float32', dims, range(size(dims)).map(() => random() + 0.1))
      : any(dims, op.match(/Log|L2/) ? ['float32'] : ['float32', 'int32']);
    const form = int(0, 2);
    if (form === 0) return { op, opset: 11, attrs: { ...attrs, ...(chance(0.8) ? { axes } : {}) }, inputs: [data] };
    return { op, opset: 18, attrs: { ...attrs, noop_with_empty_axes: int(0, 1) }, inputs: form === 1 ? [data, list(axes)] : [data], fixed: chance(0.7) ? [1] : [] };
  },
  Arg() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    return { op: pick(['ArgMax', 'ArgMin']), opset: 13, attrs: { axis: axisOf(dims.length), keepdims: int(0, 1), select_last_index: int(0, 1) },
      inputs: [ints(pick(['float32', 'int32']), dims, -3, 3)] };
  },
  CumSum() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    return { op: 'CumSum', opset: 14, attrs: { exclusive: int(0, 1), reverse: int(0, 1) }, inputs: [any(dims, ['float32', 'int32']), scalar(axisOf(dims.length))], fixed: chance(0.5) ? [1] : [] };
  },
  Softmax() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    return { op: pick(['Softmax', 'LogSoftmax', 'Hardmax']), opset: pick([7, 11, 13]), attrs: chance(0.8) || dims.length < 2 ? { axis: int(0, dims.length - 1) } : {}, inputs: [floats(dims)] };
  },
  MatMul() {
    const [m, k, n] = [int(1, 9), int(1, 9), int(1, 9)];
    const lead = shapeOf(int(0, 2)).map((d) => Math.max(d, 1));
    const a = chance(0.15) ? [k] : [...lead, m, k];
    const b = chance(0.15) ? [k] : [...(chance(0.5) ? lead : lead.map(() => 1)).slice(int(0, lead.length)), k, n];
    return { op: 'MatMul', opset: 13, inputs: [floats(a), floats(b)], fixed: chance(0.5) ? [1] : [] };
  },
  Gemm() {
    const [m, k, n] = [int(1, 19), int(1, 19), int(1, 35)];
    const [transA, transB] = [int(0, 1), int(0, 1)];
    const c = pick([null, [n], [1, n], [m, 1], [m, n], [1], []]);
    return { op: 'Gemm', opset: pick([7, 11, 13]), attrs: { transA, transB, alpha: { float: 0.5 }, beta: { float: 2 } },
      inputs: [floats(transA ? [k, m] : [m, k]), floats(transB ? [n, k] : [k, n]), floats(c ?? [n])], fixed: chance(0.5) ? [1, 2] : [] };
  },
  Conv() {
    const spatial = int(1, 3);
    const group = pick([1, 1, 2, 3]);
    const [cin, cout] = [group * int(1, 4), group * int(1, 5)];
    const kernel = range(spatial).map(() => int(1, 4));
    const dilations = range(spatial).map(() => int(1, 2));
    const strides = range(spatial).map(() => int(1, 3));
    const attrs = { group, dilations, strides, ...(chance(0.5) ? { kernel_shape: kernel } : {}) };
    const extent = kernel.map((k, i) => (k - 1) * dilations[i] + int(1, 9));
    if (chance(0.3)) attrs.auto_pad = pick(['SAME_UPPER', 'SAME_LOWER', 'VALID']);
    else attrs.pads = range(2 * spatial).map(() => int(0, 2));
    if (attrs.auto_pad?.startsWith('SAME')) attrs.dilations = range(spatial).fill(1);
    return { op: 'Conv', opset: 11, attrs, inputs: [floats([int(1, 2), cin, ...extent]), floats([cout, cin / group, ...kernel]), ...(chance(0.6) ? [floats([cout])] : [])], fixed: chance(0.7) ? [1, 2] : [] };
  },
  ConvTranspose() {
    const spatial = int(1, 2);
    const group = pick([1, 1, 2]);
    const [cin, cout] = [group * int(1, 4), group * int(1, 4)];
    const kernel = range(spatial).map(() => int(1, 4));
    const strides = range(spatial).map(() => int(1, 3));
    const dilations = range(spatial).map(() => int(1, 2));
    const attrs = { group, dilations, strides };
    if (chance(0.2)) attrs.auto_pad = pick(['SAME_UPPER', 'SAME_LOWER', 'VALID']);
    else attrs.pads = range(spatial * 2).map(() => int(0, 1));
    if (chance(0.3)) attrs.output_padding = strides.map((s) => int(0, s - 1));
    return { op: 'ConvTranspose', opset: 11, attrs, inputs: [floats([int(1, 2), cin, ...range(spatial).map(() => int(3, 6))]), floats([cin, cout / group, ...kernel]), ...(chance(0.6) ? [floats([cout])] : [])], fixed: chance(0.7) ? [1, 2] : [] };
  },
  Pool() {
    const spatial = int(1, 3);
    const op = pick(['MaxPool', 'AveragePool', 'LpPool']);
    const kernel_shape = range(spatial).map(() => int(1, 4));
    const strides = range(spatial).map(() => int(1, 3));
    const attrs = { kernel_shape, strides };
    if (op !== 'LpPool') attrs.ceil_mode = int(0, 1);
    if (op === 'AveragePool') attrs.count_include_pad = int(0, 1);
    if (chance(0.25) && !attrs.ceil_mode) attrs.auto_pad = pick(['SAME_UPPER', 'SAME_LOWER', 'VALID']);
    else attrs.pads = [...kernel_shape, ...kernel_shape].map((k) => int(0, Math.min(k - 1, 2)));
    if (op === 'MaxPool' && chance(0.3)) attrs.dilations = range(spatial).map(() => int(1, 2));
    return { op, opset: op === 'AveragePool' ? pick([11, 19]) : 12, attrs, inputs: [floats([int(1, 2), int(1, 3), ...kernel_shape.map((k) => 2 * k + int(1, 6))])], outputs: op === 'MaxPool' && chance(0.4) && !attrs.dilations ? 2 : 1 };
  },
  GlobalPool: () => ({ op: pick(['GlobalAveragePool', 'GlobalMaxPool']), opset: 11, inputs: [floats([int(1, 3), int(1, 5), ...range(int(1, 3)).map(() => int(1, 7))])] }),
  Resize() {
    const spatial = pick([1, 2, 2]);
    const dims = [int(1, 2), int(1, 3), ...range(spatial).map(() => int(1, 7))];
    const mode = pick(['nearest', 'linear', 'cubic']);
    const attrs = { mode, coordinate_transformation_mode: pick(['half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel']) };
    if (mode === 'nearest') attrs.nearest_mode = pick(['floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil']);
    if (mode === 'cubic' && spatial !== 2) return null;
    if (mode === 'cubic') attrs.cubic_coeff_a = { float: pick([-0.75, -0.5]) };
    const sizes = [dims[0], dims[1], ...range(spatial).map(() => int(1, 12))];
    if (chance(0.5)) return { op: 'Resize', opset: 13, attrs, inputs: [floats(dims), null, null, list(sizes)], fixed: chance(0.7) ? [3] : [] };
    // With fractional scales and aligned corners onnxruntime takes the rounded length, ONNX's goldens the exact one.
    const scales = attrs.coordinate_transformation_mode === 'align_corners' ? [2, 3, 1] : [0.5, 2, 1.5, 3, 1, 0.75];
    return { op: 'Resize', opset: 13, attrs, inputs: [floats(dims), null, list([1, 1, ...range(spatial).map(() => pick(scales))], 'float32')], fixed: chance(0.7) ? [2] : [] };
  },
  Norm() {
    const form = int(0, 4);
    const c = int(1, 5);
    const dims = [int(1, 3), c, ...range(int(1, 3)).map(() => int(1, 5))];
    if (form === 0) return { op: 'InstanceNormalization', opset: 6, inputs: [floats(dims), floats([c]), floats([c])] };
    if (form === 1) return { op: 'BatchNormalization', opset: pick([9, 15]), inputs: [floats(dims), floats([c]), floats([c]), floats([c]), tensor('float32', [c], range(c).map(() => random() + 0.2))], fixed: chance(0.5) ? [1, 2, 3, 4] : [] };
    if (form === 2) return { op: 'LRN', opset: 13, attrs: { size: pick([1, 3, 5]), alpha: { float: 0.1 }, beta: { float: 0.75 }, bias: { float: 1.5 } }, inputs: [floats([int(1, 2), int(1, 7), int(1, 4), int(1, 4)])] };
    const axis = axisOf(dims.length);
    const rest = dims.slice(axis < 0 ? axis + dims.length : axis);
    if (form === 3) return { op: 'LayerNormalization', opset: 17, attrs: { axis }, inputs: [floats(dims), floats(rest), ...(chance(0.5) ? [floats(rest)] : [])] };
    return { op: 'LpNormalization', opset: 1, attrs: { axis, p: int(1, 2) }, inputs: [floats(dims)] };
  },
  Space() {
    const b = int(1, 3);
    return chance(0.5) ? { op: 'DepthToSpace', opset: 13, attrs: { blocksize: b, mode: pick(['DCR', 'CRD']) }, inputs: [floats([int(1, 2), b * b * int(1, 3), int(1, 4), int(1, 4)])] }
      : { op: 'SpaceToDepth', opset: 13, attrs: { blocksize: b }, inputs: [floats([int(1, 2), int(1, 3), b * int(1, 4), b * int(1, 4)])] };
  },
  Recurrent() {
    const op = pick(['LSTM', 'GRU', 'RNN']);
    const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op];
    const [seq, batch, input, hidden] = [int(1, 5), int(1, 3), int(1, 4), int(1, 4)];
    const direction = pick(['forward', 'reverse', 'bidirectional']);
    const d = direction === 'bidirectional' ? 2 : 1;
    const state = () => (chance(0.5) ? floats([d, batch, hidden]) : null);
    const inputs = [floats([seq, batch, input]), floats([d, gates * hidden, input]), floats([d, gates * hidden, hidden]),
      chance(0.6) ? floats([d, 2 * gates * hidden]) : null, chance(0.4) ? ints('int32', [batch], 1, seq) : null, state()];
    const attrs = { hidden_size: hidden, direction };
    if (op === 'GRU') attrs.linear_before_reset = int(0, 1);
    if (op === 'LSTM') {
      inputs.push(state(), chance(0.3) ? floats([d, 3 * hidden]) : null);
      if (chance(0.2)) attrs.input_forget = 1;
    }
    return { op, opset: pick([7, 14]), attrs, inputs, fixed: chance(0.7) ? [1, 2, 3] : [], outputs: op === 'LSTM' ? 3 : 2 };
  },
  Elementwise() {
    const dims = shapeOf(int(0, 4));
    const other = dims.slice(int(0, dims.length)).map((d) => (chance(0.3) ? 1 : d));
    const op = pick(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Mod', 'Max', 'Min', 'PRelu', 'Equal', 'Less', 'GreaterOrEqual', 'Where']);
    if (op === 'Where') return { op, opset: 16, inputs: [ints('bool', other, 0, 1), floats(dims), floats(other)] };
    if (op === 'PRelu') return { op, opset: 16, inputs: [floats(dims), floats(other)] };
    if (op === 'Mod') {
      const type = pick(['int32', 'int64']);
      return { op, opset: 13, inputs: [ints(type, dims, -9, 9), tensor(type, other, range(size(other)).map(() => pick([-3, -2, 1, 2, 5])))] };
    }
    const type = pick(['float32', 'float32', 'int32', 'int64']);
    if (op === 'Pow') return { op, opset: 15, inputs: [tensor('float32', dims, range(size(dims)).map(() => random() + 0.1)), floats(other)] };
    const right = type === 'float32' ? tensor(type, other, range(size(other)).map(() => random() + 0.5)) : tensor(type, other, range(size(other)).map(() => pick([-3, -1, 1, 2, 7])));
    return { op, opset: 14, inputs: [type === 'float32' ? floats(dims) : ints(type, dims, -9, 9), right] };
  },
  Unary: () => ({ op: pick(['Abs', 'Neg', 'Exp', 'Sigmoid', 'Tanh', 'Relu', 'LeakyRelu', 'Elu', 'Selu', 'Softplus', 'Softsign', 'HardSigmoid', 'HardSwish', 'Erf', 'Sin', 'Cos', 'Tan', 'Atan', 'Asin', 'Acos', 'Sinh', 'Cosh', 'Asinh', 'Floor', 'Ceil', 'Round', 'Sign', 'Reciprocal', 'ThresholdedRelu', 'Celu', 'Mish']), opset: 18, inputs: [floats(shapeOf(int(0, 4)))] }),
  Cast() {
    const from = pick(['float32', 'int32', 'int64', 'uint8', 'bool', 'float64']);
    return { op: 'Cast', opset: 13, attrs: { to: pick([1, 2, 3, 6, 7, 9, 11]) }, inputs: [from.startsWith('float') ? tensor(from, [9], range(9).map(() => random() * 200)) : ints(from, [9], 0, 120)] };
  },
  Quantize() {
    const dims = shapeOf(int(1, 4)).map((d) => Math.max(d, 1));
    const axis = axisOf(dims.length);
    const per = chance(0.5) ? [dims.at(axis)] : [];
    const type = pick(['uint8', 'int8']);
    const scale = tensor('float32', per, range(size(per)).map(() => random() * 0.1 + 0.01));
    const zero = ints(type, per, type === 'uint8' ? 100 : -20, type === 'uint8' ? 150 : 20);
    return chance(0.5) ? { op: 'QuantizeLinear', opset: 13, attrs: { axis }, inputs: [tensor('float32', dims, range(size(dims)).map(() => random() * 8 - 4)), scale, zero], fixed: chance(0.5) ? [1, 2] : [] }
      : { op: 'DequantizeLinear', opset: 13, attrs: { axis }, inputs: [ints(type, dims, type === 'uint8' ? 0 : -128, type === 'uint8' ? 255 : 127), scale, zero], fixed: chance(0.5) ? [1, 2] : [] };
  },
  GridSample: () => ({ op: 'GridSample', opset: 16, attrs: { mode: pick(['bilinear', 'nearest', 'bicubic']), padding_mode: pick(['zeros', 'border', 'reflection']), align_corners: int(0, 1) },
    inputs: (() => { const n = int(1, 2); const g = [n, int(1, 4), int(1, 4), 2]; return [floats([n, int(1, 3), int(2, 6), int(2, 6)]), tensor('float32', g, range(size(g)).map(() => random() * 3 - 1.5))]; })() }),
};

// --- run
fs.mkdirSync(out, { recursive: true });
const tally = {};
for (let n = 0; n < Number(count); n++) {
  const name = pick(Object.keys(generators));
  const spec = generators[name]();
  if (!spec) continue;
  spec.symbolic = chance(0.4);
  const bytes = model(spec);
  const row = (tally[name] ??= { made: 0, refused: 0 });
  let results;
  const feeds = {};
  spec.inputs.forEach((t, i) => {
    if (t && !(spec.fixed ?? []).includes(i)) feeds[`in${i}`] = new ort.Tensor(t.type, t.data, t.dims);
  });
  try {
    const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled', logSeverityLevel: 4 });
    results = await session.run(feeds);
  } catch (error) {
    row.refused++;
    row.why = String(error.message).slice(0, 160);
    continue;
  }
  row.made++;
  const folder = path.join(out, `${name}_${seed}_${n}`);
  const data = path.join(folder, 'test_data_set_0');
  fs.mkdirSync(data, { recursive: true });
  fs.writeFileSync(path.join(folder, 'model.onnx'), bytes);
  let k = 0;
  spec.inputs.forEach((t, i) => {
    if (t && !(spec.fixed ?? []).includes(i)) fs.writeFileSync(path.join(data, `input_${k++}.npy`), npy(t));
  });
  for (let i = 0; i < (spec.outputs ?? 1); i++) {
    const { type, dims, data: values } = results[`out${i}`];
    fs.writeFileSync(path.join(data, `output_${i}.npy`), npy({ type, dims, data: values }));
  }
}
for (const [name, { made, refused, why }] of Object.entries(tally).sort()) {
  console.log(`${name}: ${made} made, ${refused} refused${why ? ` (last: ${why})` : ''}`);
}
