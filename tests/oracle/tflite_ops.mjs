// Writes small TFLite models, one operator each, over the options that matter (padding, strides,
// dilation, masks, resize modes, axes, quantization), and what LiteRT makes of them; and what it makes
// of every intermediate of the MediaPipe models.
// usage: node tflite_ops.mjs NODE_MODULES MODELS OUT
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { loadLiteRt, run } from './litert.mjs';

const [modules, models, out] = process.argv.slice(2);
const stamp = path.join(out, '.done');
const version = crypto.createHash('sha256').update(fs.readFileSync(new URL(import.meta.url))).digest('hex');
if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === version) process.exit(0);
fs.mkdirSync(out, { recursive: true });

// --- a writer of FlatBuffers: values are ['i', 5], ['ints', [..]], ['table', {id: value}] ...
class Writer {
  constructor() { this.bytes = [0, 0, 0, 0, 0x54, 0x46, 0x4c, 0x33]; }
  align(n) { while (this.bytes.length % n) this.bytes.push(0); }
  put(kind, value) {
    const view = new DataView(new ArrayBuffer(8));
    const size = { b: 1, h: 2, i: 4, f: 4, q: 8 }[kind];
    if (kind === 'b') view.setInt8(0, value);
    if (kind === 'h') view.setUint16(0, value, true);
    if (kind === 'i') view.setInt32(0, value, true);
    if (kind === 'f') view.setFloat32(0, value, true);
    if (kind === 'q') view.setBigInt64(0, BigInt(value), true);
    for (let i = 0; i < size; ++i) this.bytes.push(view.getUint8(i));
  }
  patch(at, value, size = 4) { for (let i = 0; i < size; ++i) this.bytes[at + i] = (value >>> (8 * i)) & 255; }
  table(fields) {
    const ids = Object.keys(fields).map(Number).sort((a, b) => a - b);
    const slots = ids.length ? ids.at(-1) + 1 : 0;
    this.align(8);
    const vtable = this.bytes.length;
    for (let i = 0; i < slots + 2; ++i) this.put('h', i === 0 ? 4 + 2 * slots : 0);
    this.align(4);
    const at = this.bytes.length;
    this.put('i', at - vtable);
    const children = [];
    for (const id of ids) {
      const [kind, value] = fields[id];
      const scalar = kind.length === 1;
      this.align(scalar ? { b: 1, i: 4, f: 4, q: 8 }[kind] : 4);
      this.patch(vtable + 4 + 2 * id, this.bytes.length - at, 2);
      if (scalar) this.put(kind, value);
      else { children.push([this.bytes.length, fields[id]]); this.put('i', 0); }
    }
    this.patch(vtable + 2, this.bytes.length - at, 2);
    for (const [slot, child] of children) this.patch(slot, this.object(child) - slot);
    return at;
  }
  object([kind, value]) {
    if (kind === 'table') return this.table(value);
    this.align(4);
    if (kind === 'longs') { this.align(8); this.put('i', 0); }
    if (kind === 'data') while ((this.bytes.length + 4) % 16) this.bytes.push(0);
    const at = this.bytes.length;
    this.put('i', value.length);
    if (kind === 'text') { for (const c of value) this.bytes.push(c.charCodeAt(0)); this.bytes.push(0); }
    if (kind === 'data') for (const b of value) this.bytes.push(b);
    if (kind === 'ints') for (const v of value) this.put('i', v);
    if (kind === 'floats') for (const v of value) this.put('f', v);
    if (kind === 'longs') for (const v of value) this.put('q', v);
    if (kind === 'tables') {
      for (let i = 0; i < value.length; ++i) this.put('i', 0);
      for (let i = 0; i < value.length; ++i) {
        const slot = at + 4 + 4 * i;
        this.patch(slot, this.table(value[i]) - slot);
      }
    }
    return at;
  }
}

const types = { f: 0, i: 2, u: 3, b: 6 };
function packed(type, values) {
  if (type === 'u' || type === 'b') return values;
  const array = type === 'f' ? new Float32Array(values) : new Int32Array(values);
  return new Uint8Array(array.buffer);
}
let seed = 1;
const random = () => { seed = (seed * 16807) % 2147483647; return seed / 2147483647; };
const reals = (n, low = -1, high = 1) => Array.from({ length: n }, () => low + (high - low) * random());
const bytes = n => Array.from({ length: n }, () => Math.floor(256 * random()));
const cases = [];

// inputs: [type, shape] is fed, [type, shape, values] constant, null absent; a last {scale, zero}
// quantizes. options: [union tag, fields].
function model(name, code, inputs, outputs, options = null, operatorVersion = 1) {
  const tensors = [], buffers = [{}], fed = [], used = [], made = [];
  const tensor = (label, [type, shape, values, q]) => {
    let buffer = 0;
    if (values) { buffers.push({ 0: ['data', packed(type, values)] }); buffer = buffers.length - 1; }
    const t = { 0: ['ints', shape], 1: ['b', types[type]], 2: ['i', buffer], 3: ['text', label] };
    if (q) t[4] = ['table', { 2: ['floats', [q.scale]], 3: ['longs', [q.zero]] }];
    tensors.push(t);
    return tensors.length - 1;
  };
  inputs.forEach((input, i) => {
    if (!input) { used.push(-1); return; }
    const id = tensor(`in${i}`, input);
    if (!input[2]) fed.push(id);
    used.push(id);
  });
  outputs.forEach(([type, shape, q], i) => made.push(tensor(`out${i}`, [type, shape, null, q])));
  const operator = { 0: ['i', 0], 1: ['ints', used], 2: ['ints', made] };
  if (options) { operator[3] = ['b', options[0]]; operator[4] = ['table', options[1] ?? {}]; }
  const graph = { 0: ['tables', tensors], 1: ['ints', fed], 2: ['ints', made], 3: ['tables', [operator]] };
  const w = new Writer();
  w.patch(0, w.table({
    0: ['i', 3], 1: ['tables', [{ 0: ['b', Math.min(code, 127)], 2: ['i', operatorVersion], 3: ['i', code] }]],
    2: ['tables', [graph]], 4: ['tables', buffers],
  }));
  cases.push({ name: `${String(cases.length).padStart(3, '0')}_${name}`, bytes: Uint8Array.from(w.bytes) });
}

// --- images
const same = (n, s) => Math.ceil(n / s);
for (const [h, w, k, s, d, pad, act] of [[5, 7, 3, 1, 1, 0, 0], [6, 6, 3, 2, 1, 0, 1], [7, 5, 3, 2, 1, 0, 3], [8, 9, 5, 3, 1, 0, 2],
  [9, 9, 3, 1, 2, 0, 0], [9, 8, 3, 1, 2, 1, 3], [8, 8, 2, 2, 1, 1, 0], [7, 7, 1, 2, 1, 0, 0], [10, 11, 4, 2, 1, 0, 0], [10, 10, 3, 1, 3, 0, 1]]) {
  const e = (k - 1) * d + 1;
  const size = n => (pad === 0 ? same(n, s) : Math.floor((n - e) / s) + 1);
  for (const [ci, co] of [[1, 4], [3, 5]]) {
    model(`conv_${k}_${s}_${d}_${pad}`, 3, [['f', [2, h, w, ci]], ['f', [co, k, k, ci], reals(co * k * k * ci)], ['f', [co], reals(co)]],
      [['f', [2, size(h), size(w), co]]], [1, { 0: ['b', pad], 1: ['i', s], 2: ['i', s], 3: ['b', act], 4: ['i', d], 5: ['i', d] }]);
    model(`depthwise_${k}_${s}_${d}_${pad}`, 4, [['f', [1, h, w, ci]], ['f', [1, k, k, 2 * ci], reals(2 * k * k * ci)], ['f', [2 * ci], reals(2 * ci)]],
      [['f', [1, size(h), size(w), 2 * ci]]], [2, { 0: ['b', pad], 1: ['i', s], 2: ['i', s], 3: ['i', 2], 4: ['b', act], 5: ['i', d], 6: ['i', d] }], 2);
  }
}
model('conv_oblong', 3, [['f', [1, 9, 7, 2]], ['f', [3, 2, 5, 2], reals(60)], ['f', [3], reals(3)]], [['f', [1, 5, 3, 3]]], [1, { 1: ['i', 3], 2: ['i', 2] }]);
model('conv_groups', 3, [['f', [1, 5, 5, 4]], ['f', [6, 3, 3, 2], reals(108)], ['f', [6], reals(6)]], [['f', [1, 5, 5, 6]]], [1, { 1: ['i', 1], 2: ['i', 1] }]);
model('conv_3d', 132, [['f', [1, 4, 5, 6, 2]], ['f', [3, 3, 2, 2, 3], reals(108)], ['f', [3], reals(3)]], [['f', [1, 2, 3, 3, 3]]],
  [106, { 1: ['i', 2], 2: ['i', 2], 3: ['i', 2], 4: ['b', 1] }]);
for (const [h, k, s, pad, o] of [[4, 3, 2, 0, 8], [4, 3, 2, 0, 7], [4, 2, 2, 1, 8], [5, 3, 1, 0, 5], [3, 4, 2, 0, 6], [4, 3, 2, 1, 9], [4, 5, 3, 0, 12], [4, 5, 3, 0, 11], [4, 2, 3, 1, 11]]) {
  model(`transpose_conv_${k}_${s}_${pad}_${o}`, 67, [['i', [4], [1, o, o, 3]], ['f', [3, k, k, 2], reals(6 * k * k)], ['f', [1, h, h, 2]], ['f', [3], reals(3)]],
    [['f', [1, o, o, 3]]], [49, { 0: ['b', pad], 1: ['i', s], 2: ['i', s], 3: ['b', 1] }], 3);
}
for (const [name, code] of [['max_pool', 17], ['average_pool', 1], ['l2_pool', 12]]) {
  for (const [h, k, s, pad, act] of [[5, 2, 2, 0, 0], [7, 3, 2, 0, 1], [7, 3, 2, 1, 0], [6, 3, 1, 0, 3], [8, 5, 3, 0, 0]]) {
    const o = pad === 0 ? same(h, s) : Math.floor((h - k) / s) + 1;
    model(`${name}_${k}_${s}_${pad}`, code, [['f', [1, h, h, 3]]], [['f', [1, o, o, 3]]],
      [5, { 0: ['b', pad], 1: ['i', s], 2: ['i', s], 3: ['i', k], 4: ['i', k], 5: ['b', act] }]);
  }
}
for (const [name, code, tag, first] of [['bilinear', 23, 15, 2], ['nearest', 97, 74, 0]]) {
  for (const [h, w] of [[3, 4], [5, 2]]) {
    for (const [a, b] of [[6, 8], [7, 5], [2, 3], [1, 1], [9, 9]]) {
      for (const [corners, half] of [[0, 0], [1, 0], [0, 1]]) {
        model(`${name}_${h}x${w}_${a}x${b}_${corners}${half}`, code, [['f', [1, h, w, 2]], ['i', [2], [a, b]]], [['f', [1, a, b, 2]]],
          [tag, { [first]: ['b', corners], [first + 1]: ['b', half] }], 3);
      }
    }
  }
}
model('space_to_depth', 26, [['f', [1, 4, 6, 3]]], [['f', [1, 2, 3, 12]]], [19, { 0: ['i', 2] }]);
model('depth_to_space', 5, [['f', [1, 2, 3, 12]]], [['f', [1, 4, 6, 3]]], [94, { 0: ['i', 2] }]);
model('space_to_batch', 38, [['f', [2, 3, 4, 2]], ['i', [2], [2, 3]], ['i', [2, 2], [0, 1, 1, 1]]], [['f', [12, 2, 2, 2]]]);
model('batch_to_space', 37, [['f', [12, 2, 2, 2]], ['i', [2], [2, 3]], ['i', [2, 2], [0, 1, 1, 1]]], [['f', [2, 3, 4, 2]]]);
model('lrn', 13, [['f', [1, 2, 3, 7]]], [['f', [1, 2, 3, 7]]], [13, { 0: ['i', 2], 1: ['f', 1.5], 2: ['f', 0.3], 3: ['f', 0.75] }]);
model('l2_normalization', 11, [['f', [2, 5]]], [['f', [2, 5]]], [12]);

// --- slices, pads, joins
for (const [begin, end, step, b, e, ellipsis, fresh, shrink, shape] of [
  [[1, 0, 0], [2, 3, 4], [1, 1, 1], 0, 0, 0, 0, 0, [1, 3, 4]], [[0, 0, 0], [2, 3, 4], [1, 2, 1], 0, 0, 0, 0, 0, [2, 2, 4]],
  [[-1, -2, 0], [0, 0, 4], [1, 1, 2], 0, 3, 0, 0, 0, [1, 2, 2]], [[1, 2, 3], [-9, -9, -9], [-1, -1, -1], 0, 0, 0, 0, 0, [2, 3, 4]],
  [[0, 0, 0], [0, 0, 0], [-1, 1, -2], 7, 7, 0, 0, 0, [2, 3, 2]], [[0, 1, 0], [2, 0, 4], [1, 1, 1], 0, 0, 0, 0, 2, [2, 4]],
  [[1, -1, 0], [0, 0, 0], [1, 1, 1], 0, 0, 0, 0, 7, []], [[0, 0], [0, 2], [1, 1], 3, 1, 1, 0, 0, [2, 3, 2]],
  [[0, 0, 0, 1], [0, 0, 0, 2], [1, 1, 1, 1], 0, 7, 1, 2, 0, [2, 1, 3, 1]]]) {
  const n = begin.length;
  model('strided_slice', 45, [['f', [2, 3, 4]], ['i', [n], begin], ['i', [n], end], ['i', [n], step]], [['f', shape]],
    [32, { 0: ['i', b], 1: ['i', e], 2: ['i', ellipsis], 3: ['i', fresh], 4: ['i', shrink] }]);
}
model('slice', 65, [['f', [3, 4, 5]], ['i', [3], [1, 0, 2]], ['i', [3], [2, -1, 3]]], [['f', [2, 4, 3]]]);
model('pad', 34, [['f', [2, 3]], ['i', [2, 2], [1, 0, 0, 2]]], [['f', [3, 5]]]);
model('pad_v2', 60, [['f', [2, 3]], ['i', [2, 2], [1, 0, 0, 2]], ['f', [], [2.5]]], [['f', [3, 5]]]);
for (const mode of [0, 1]) model(`mirror_pad_${mode}`, 100, [['f', [3, 4]], ['i', [2, 2], [1, 2, 2, 1]]], [['f', [6, 7]]], [77, { 0: ['b', mode] }]);
model('split', 49, [['i', [], [1]], ['f', [2, 6]]], [['f', [2, 2]], ['f', [2, 2]], ['f', [2, 2]]], [35, { 0: ['i', 3] }]);
model('split_v', 102, [['f', [2, 6]], ['i', [3], [1, -1, 2]], ['i', [], [1]]], [['f', [2, 1]], ['f', [2, 3]], ['f', [2, 2]]], [79, { 0: ['i', 3] }]);
model('pack', 83, [['f', [2, 3]], ['f', [2, 3]]], [['f', [2, 3, 2]]], [59, { 0: ['i', 2], 1: ['i', -1] }]);
model('unpack', 88, [['f', [2, 3]]], [['f', [2]], ['f', [2]], ['f', [2]]], [64, { 0: ['i', 3], 1: ['i', 1] }]);
model('concatenation', 2, [['f', [2, 3]], ['f', [2, 1]]], [['f', [2, 4]]], [10, { 0: ['i', -1] }]);
model('reverse', 105, [['f', [2, 3, 4]], ['i', [1], [1]]], [['f', [2, 3, 4]]]);
model('reverse_sequence', 112, [['f', [3, 4, 2]], ['i', [3], [1, 3, 4]]], [['f', [3, 4, 2]]], [87, { 0: ['i', 1], 1: ['i', 0] }]);
model('tile', 69, [['f', [2, 3]], ['i', [2], [2, 3]]], [['f', [4, 9]]]);
model('expand_dims', 70, [['f', [2, 3]], ['i', [], [-1]]], [['f', [2, 3, 1]]]);
model('squeeze', 43, [['f', [1, 2, 1, 3]]], [['f', [2, 1, 3]]], [30, { 0: ['ints', [0]] }]);
model('squeeze_all', 43, [['f', [1, 2, 1, 3]]], [['f', [2, 3]]], [30, {}]);
model('dynamic_update_slice', 151, [['f', [4, 5]], ['f', [2, 2], [9, 8, 7, 6]], ['i', [2], [3, 1]]], [['f', [4, 5]]]);

// --- gathers, reductions, products
for (const [axis, shape] of [[0, [2, 3, 4, 5]], [1, [3, 2, 3, 5]], [-1, [3, 4, 2, 3]]]) {
  model(`gather_${axis}`, 36, [['f', [3, 4, 5]], ['i', [2, 3], [0, 2, 1, 1, 0, 2]]], [['f', shape]], [23, { 0: ['i', axis] }]);
}
model('gather_batch', 36, [['f', [2, 4, 5]], ['i', [2, 3], [0, 3, 1, 1, 0, 2]]], [['f', [2, 3, 5]]], [23, { 0: ['i', 1], 1: ['i', 1] }], 5);
model('gather_batch_axis', 36, [['f', [2, 4, 5]], ['i', [2, 3], [0, 3, 1, 1, 0, 4]]], [['f', [2, 4, 3]]], [23, { 0: ['i', 2], 1: ['i', 1] }], 5);
model('gather_nd', 107, [['f', [3, 4, 5]], ['i', [2, 2], [0, 1, 2, 3]]], [['f', [2, 5]]]);
model('scatter_nd', 122, [['i', [3, 1], [4, 1, 4]], ['f', [3, 2]], ['i', [2], [6, 2]]], [['f', [6, 2]]]);
model('top_k', 48, [['f', [3, 9]], ['i', [], [4]]], [['f', [3, 4]], ['i', [3, 4]]]);
model('arg_max', 56, [['f', [3, 9, 2]], ['i', [], [1]]], [['i', [3, 2]]], [40, { 0: ['b', 2] }]);
model('arg_min', 79, [['f', [3, 9, 2]], ['i', [], [-1]]], [['i', [3, 9]]], [57, { 0: ['b', 2] }]);
model('one_hot', 85, [['i', [2, 2]], ['i', [], [3]], ['f', [], [5]], ['f', [], [-1]]], [['f', [2, 2, 3]]], [61, { 0: ['i', -1] }]);
for (const [exclusive, reverse] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
  model('cumsum', 128, [['f', [2, 5]], ['i', [], [1]]], [['f', [2, 5]]], [102, { 0: ['b', exclusive], 1: ['b', reverse] }]);
}
for (const [name, code] of [['mean', 40], ['sum', 74], ['prod', 81], ['max', 82], ['min', 89]]) {
  model(`reduce_${name}`, code, [['f', [2, 3, 4]], ['i', [2], [0, -1]]], [['f', [3]]], [27, { 0: ['b', 0] }]);
  model(`reduce_${name}_keep`, code, [['f', [2, 3, 4]], ['i', [], [1]]], [['f', [2, 1, 4]]], [27, { 0: ['b', 1] }]);
}
model('softmax', 25, [['f', [2, 5]]], [['f', [2, 5]]], [9, { 0: ['f', 2.5] }]);
for (const [x, y] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
  model(`batch_matmul_${x}${y}`, 126, [['f', x ? [2, 4, 3] : [2, 3, 4]], ['f', y ? [2, 5, 4] : [2, 4, 5]]], [['f', [2, 3, 5]]], [101, { 0: ['b', x], 1: ['b', y] }]);
}
for (const keep of [0, 1]) {
  model(`fully_connected_${keep}`, 9, [['f', [2, 3, 4]], ['f', [5, 4], reals(20)], ['f', [5], reals(5)]], [['f', keep ? [2, 3, 5] : [6, 5]]],
    [8, { 0: ['b', 1], 2: ['b', keep] }], 2);
}
model('fully_connected_no_bias', 9, [['f', [2, 4]], ['f', [5, 4], reals(20)], null], [['f', [2, 5]]], [8, { 0: ['b', 2] }], 2);

// --- elementwise
for (const [name, code] of [['abs', 101], ['ceil', 104], ['cos', 108], ['exp', 47], ['floor', 8], ['logistic', 14], ['neg', 59], ['relu', 19],
  ['relu6', 21], ['relu_n1_to_1', 20], ['round', 116], ['sin', 66], ['square', 92], ['tanh', 28], ['elu', 111], ['hard_swish', 117],
  ['relu_0_to_1', 152], ['sign', 158]]) model(name, code, [['f', [3, 37]]], [['f', [3, 37]]]);
for (const tanh of [0, 1]) model(`gelu_${tanh}`, 150, [['f', [3, 37]]], [['f', [3, 37]]], [116, { 0: ['b', tanh] }]);
model('leaky_relu', 98, [['f', [3, 37]]], [['f', [3, 37]]], [75, { 0: ['f', 0.3] }]);
model('prelu', 54, [['f', [1, 3, 3, 4]], ['f', [1, 1, 4], reals(4)]], [['f', [1, 3, 3, 4]]]);
for (const [name, code, tag] of [['add', 0, 11], ['sub', 41, 28], ['mul', 18, 21], ['div', 42, 29], ['maximum', 55, 0], ['minimum', 57, 0],
  ['squared_difference', 99, 0], ['floor_div', 90, 0], ['floor_mod', 95, 0]]) {
  model(name, code, [['f', [2, 3, 4]], ['f', [3, 1], [0.5, -2, 0.7]]], [['f', [2, 3, 4]]], tag ? [tag, { 0: ['b', 3] }] : null);
}
model('atan2', 156, [['f', [2, 12]], ['f', [2, 12], reals(24)]], [['f', [2, 12]]]);
model('fake_quant', 80, [['f', [3, 37]]], [['f', [3, 37]]], [58, { 0: ['f', -0.7], 1: ['f', 0.9], 2: ['i', 8] }]);

// --- uint8
const q = (scale, zero) => ({ scale, zero });
model('q_add', 0, [['u', [2, 9], null, q(0.01, 10)], ['u', [2, 9], bytes(18), q(0.02, 100)]], [['u', [2, 9], q(0.03, 60)]], [11]);
model('q_mul', 18, [['u', [2, 9], null, q(0.01, 10)], ['u', [2, 9], bytes(18), q(0.02, 100)]], [['u', [2, 9], q(0.03, 60)]], [21]);
model('q_logistic', 14, [['u', [2, 9], null, q(0.05, 128)]], [['u', [2, 9], q(1 / 256, 0)]]);
model('q_pad', 34, [['u', [2, 3], null, q(0.05, 128)], ['i', [2, 2], [1, 0, 0, 2]]], [['u', [3, 5], q(0.05, 128)]]);
model('q_concatenation', 2, [['u', [2, 3], null, q(0.05, 128)], ['u', [2, 3], null, q(0.1, 100)]], [['u', [2, 6], q(0.1, 128)]], [10, { 0: ['i', 1] }]);
model('q_max_pool', 17, [['u', [1, 4, 4, 2], null, q(0.05, 128)]], [['u', [1, 2, 2, 2], q(0.05, 128)]], [5, { 1: ['i', 2], 2: ['i', 2], 3: ['i', 2], 4: ['i', 2] }]);
model('q_average_pool', 1, [['u', [1, 5, 5, 2], null, q(0.05, 128)]], [['u', [1, 3, 3, 2], q(0.05, 128)]], [5, { 1: ['i', 2], 2: ['i', 2], 3: ['i', 3], 4: ['i', 3] }]);
model('q_fully_connected', 9, [['u', [2, 16], null, q(0.02, 100)], ['u', [5, 16], bytes(80), q(0.01, 120)], ['i', [5], [100, -200, 300, 0, 5000], q(0.0002, 0)]],
  [['u', [2, 5], q(0.05, 128)]], [8, { 0: ['b', 1] }]);
model('q_conv', 3, [['u', [1, 6, 6, 3], null, q(0.02, 100)], ['u', [4, 3, 3, 3], bytes(108), q(0.01, 120)], ['i', [4], [100, -200, 300, 5000], q(0.0002, 0)]],
  [['u', [1, 3, 3, 4], q(0.05, 128)]], [1, { 1: ['i', 2], 2: ['i', 2], 3: ['b', 3] }]);
model('q_softmax', 25, [['u', [2, 9], null, q(0.05, 128)]], [['u', [2, 9], q(1 / 256, 0)]], [9, { 0: ['f', 1] }]);
model('q_mean', 40, [['u', [1, 3, 3, 4], null, q(0.05, 128)], ['i', [2], [1, 2]]], [['u', [1, 4], q(0.05, 120)]], [27, {}]);

// A copy of a .tflite in which every computed float tensor is an output. Widened weights are left
// out: LiteRT doesn't keep them.
function tapped(file) {
  const bytes = fs.readFileSync(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = at => view.getUint32(at, true), i32 = at => view.getInt32(at, true), u16 = at => view.getUint16(at, true);
  const field = (table, id) => {
    const vtable = table - i32(table);
    const offset = 4 + 2 * id + 2 <= u16(vtable) ? u16(vtable + 4 + 2 * id) : 0;
    return offset ? table + offset : 0;
  };
  const vector = (table, id) => { const at = field(table, id); return at ? at + u32(at) : 0; };
  const item = (list, i) => list + 4 + 4 * i + u32(list + 4 + 4 * i);
  const root = u32(0), graph = item(vector(root, 2), 0), tensors = vector(graph, 0), operators = vector(graph, 3), codes = vector(root, 1);
  const outputsAt = field(graph, 2), old = outputsAt + u32(outputsAt);
  const wanted = [];
  for (let i = 0; i < u32(old); ++i) wanted.push(i32(old + 4 + 4 * i));
  for (let i = 0; i < u32(operators); ++i) {
    const op = item(operators, i), made = vector(op, 2);
    const codeIndex = field(op, 0) ? u32(field(op, 0)) : 0, code = item(codes, codeIndex);
    const kind = Math.max(field(code, 0) ? view.getInt8(field(code, 0)) : 0, field(code, 3) ? i32(field(code, 3)) : 0);
    if (kind === 6 || kind === 124) continue;  // DEQUANTIZE, DENSIFY
    for (let k = 0; k < u32(made); ++k) {
      const id = i32(made + 4 + 4 * k), type = field(item(tensors, id), 1);
      if (!(type && view.getInt8(type)) && !wanted.includes(id)) wanted.push(id);
    }
  }
  const padded = Math.ceil(bytes.length / 4) * 4;
  const result = Buffer.alloc(padded + 4 + 4 * wanted.length);
  bytes.copy(result);
  result.writeUInt32LE(padded - outputsAt, outputsAt);
  result.writeUInt32LE(wanted.length, padded);
  wanted.forEach((id, i) => result.writeInt32LE(id, padded + 4 + 4 * i));
  const vtable = root - i32(root);
  if (4 + 2 * 7 + 2 <= u16(vtable)) result.writeUInt16LE(0, vtable + 4 + 2 * 7);  // no signatures
  return result;
}

const print = text => process.stdout.write(text + '\n');
const litert = await loadLiteRt(modules);
let done = 0;
for (const { name, bytes: file } of cases) {
  fs.writeFileSync(path.join(out, name + '.tflite'), file);
  try {
    fs.writeFileSync(path.join(out, name + '.json'), JSON.stringify(await run(litert, file, 4000)));
    ++done;
  } catch (error) {
    print(`LiteRT does not run ${name}: ${String(error).slice(0, 120)}`);
  }
}
for (const name of fs.readdirSync(models).filter(n => n.endsWith('.tflite'))) {
  const golden = await run(litert, tapped(path.join(models, name)), 500);
  fs.writeFileSync(path.join(out, name.replace('.tflite', '.taps')), JSON.stringify(golden));
}
fs.writeFileSync(stamp, version);
print(`${done} of ${cases.length} one-operator TFLite models have an answer of LiteRT`);
