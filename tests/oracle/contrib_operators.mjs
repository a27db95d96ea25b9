// One-operator models of the matrix product, quantization, recurrent and attention operators (most of
// them of the domain com.microsoft), with outputs of onnxruntime-node without graph optimization, in
// the layout that `sluice conformance` runs: OUT/CASE/{model.onnx,test_data_set_0/*.pb}. A fixed
// table of forms comes first, then COUNT rounds of random sizes. What onnxruntime refuses is counted
// and left out. Integer results must be equal; floats agree to rtol 1e-4, atol 1e-5.
// usage: node contrib_operators.mjs NODE_MODULES OUT [SEED [COUNT]]
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [modules, out, seed = '1', count = '40'] = process.argv.slice(2);
const ort = createRequire(path.resolve(modules, 'x.js'))('onnxruntime-node');

// --- dice
let state = Number(seed) >>> 0;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 4294967296;
};
const int = (low, high) => low + Math.floor(random() * (high - low + 1));
const pick = (list) => list[int(0, list.length - 1)];
const size = (dims) => dims.reduce((a, b) => a * b, 1);

// --- tensors: { type, dims, data }
const types = {
  float32: [1, Float32Array], uint8: [2, Uint8Array], int8: [3, Int8Array], uint16: [4, Uint16Array],
  int16: [5, Int16Array], int32: [6, Int32Array], int64: [7, BigInt64Array], bool: [9, Uint8Array],
  float16: [10, Uint16Array], float64: [11, Float64Array], uint32: [12, Uint32Array],
  uint4: [21, null], int4: [22, null],
};
const bounds = {
  int8: [-128, 127], uint8: [0, 255], int16: [-32768, 32767], uint16: [0, 65535], int4: [-8, 7],
  uint4: [0, 15], int32: [-100000, 100000], bool: [0, 1], int64: [0, 100],
};
// Values are small enough to be exact after truncation: tests need no ties here.
function halfBits(value) {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  const exponent = ((bits >>> 23) & 255) - 112;
  if (exponent <= 0) return (bits >>> 16) & 0x8000;
  return ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 1023);
}
function rawBytes({ type, data }) {
  if (type === 'int4' || type === 'uint4') {
    const packed = new Uint8Array((data.length + 1) >> 1);
    data.forEach((value, i) => (packed[i >> 1] |= (value & 15) << (4 * (i & 1))));
    return packed;
  }
  const values = type === 'int64' ? data.map(BigInt) : type === 'float16' ? data.map(halfBits) : data;
  const array = types[type][1].from(values);
  return new Uint8Array(array.buffer);
}
const floats = (dims, scale = 1, offset = 0, type = 'float32') => ({
  type, dims, data: Array.from({ length: size(dims) }, () => Math.fround((2 * random() - 1) * scale + offset)),
});
const ints = (type, dims, low = bounds[type][0], high = bounds[type][1]) => ({
  type, dims, data: Array.from({ length: size(dims) }, () => int(low, high)),
});
const scalar = (value, type = 'float32') => ({ type, dims: [], data: [value] });
const list = (type, data) => ({ type, dims: [data.length], data });
const zero = (type) => ints(type, []);

// --- protobuf: a message is a list of bytes
const varint = (value) => {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
};
const integer = (field, value) => [...varint(field * 8), ...varint(value)];
const bytes = (field, content) => [...varint(field * 8 + 2), ...varint(content.length), ...content];
const text = (field, value) => bytes(field, Buffer.from(value));
const real = (field, value) => [...varint(field * 8 + 5), ...new Uint8Array(Float32Array.of(value).buffer)];

const tensorProto = (tensor, name) => [
  ...tensor.dims.flatMap((dim) => integer(1, dim)), ...integer(2, types[tensor.type][0]),
  ...text(8, name), ...bytes(9, tensor.raw ?? rawBytes(tensor)),
];
// Numbers are ints unless wrapped by `float`.
const float = (value) => ({ float: value });
function attributeProto(name, value) {
  const head = text(1, name);
  if (typeof value === 'number') return [...head, ...integer(3, value), ...integer(20, 2)];
  if (typeof value === 'string') return [...head, ...text(4, value), ...integer(20, 3)];
  if (!Array.isArray(value)) return [...head, ...real(2, value.float), ...integer(20, 1)];
  if (typeof value[0] === 'string') return [...head, ...value.flatMap((v) => text(9, v)), ...integer(20, 8)];
  if (typeof value[0] === 'number') return [...head, ...value.flatMap((v) => integer(8, v)), ...integer(20, 7)];
  return [...head, ...value.flatMap((v) => real(7, v.float)), ...integer(20, 6)];
}
function valueProto(name, type, dims) {
  const shape = dims ? bytes(2, dims.flatMap((dim) => bytes(1, integer(1, dim)))) : [];
  return [...text(1, name), ...bytes(2, bytes(1, [...integer(1, types[type][0]), ...shape]))];
}
const isConstant = (spec, i) => spec.constants?.includes(i) ?? false;
function modelProto(spec) {
  const domain = spec.domain ?? 'com.microsoft';
  const node = [
    ...spec.inputs.flatMap((tensor, i) => text(1, tensor ? `i${i}` : '')),
    ...spec.outputs.flatMap((type, i) => text(2, type ? `o${i}` : '')), ...text(4, spec.op),
    ...Object.entries(spec.attrs ?? {}).flatMap(([name, value]) => bytes(5, attributeProto(name, value))),
    ...text(7, domain),
  ];
  const graph = [...bytes(1, node), ...text(2, 'g')];
  spec.inputs.forEach((tensor, i) => {
    if (!tensor) return;
    graph.push(...(isConstant(spec, i) ? bytes(5, tensorProto(tensor, `i${i}`))
                                       : bytes(11, valueProto(`i${i}`, tensor.type, tensor.dims))));
  });
  spec.outputs.forEach((type, i) => type && graph.push(...bytes(12, valueProto(`o${i}`, type))));
  const opsets = [...bytes(8, integer(2, spec.opset ?? 21))];
  if (domain) opsets.push(...bytes(8, [...text(1, domain), ...integer(2, 1)]));
  return Buffer.from([...integer(1, spec.ir ?? 10), ...bytes(7, graph), ...opsets]);
}

// --- running and writing
let made = 0, refused = 0;
async function add(name, spec) {
  const model = modelProto(spec);
  let results;
  try {
    const session = await ort.InferenceSession.create(model, {
      graphOptimizationLevel: 'disabled', logSeverityLevel: 4,
    });
    const feeds = {};
    spec.inputs.forEach((tensor, i) => {
      if (!tensor || isConstant(spec, i)) return;
      const raw = rawBytes(tensor);
      feeds[`i${i}`] = new ort.Tensor(tensor.type, new types[tensor.type][1](raw.buffer), tensor.dims);
    });
    results = await session.run(feeds);
  } catch {
    refused++;
    return;
  }
  const folder = path.join(out, name, 'test_data_set_0');
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(out, name, 'model.onnx'), model);
  let next = 0;
  spec.inputs.forEach((tensor, i) => {
    if (!tensor || isConstant(spec, i)) return;
    fs.writeFileSync(path.join(folder, `input_${next++}.pb`), Buffer.from(tensorProto(tensor, `i${i}`)));
  });
  next = 0;
  spec.outputs.forEach((type, i) => {
    if (!type) return;
    const { data, dims } = results[`o${i}`];
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    fs.writeFileSync(path.join(folder, `output_${next++}.pb`),
                     Buffer.from(tensorProto({ type, dims, raw }, `o${i}`)));
  });
  made++;
}

// --- quantization
for (const type of ['uint8', 'int8', 'uint16', 'int16']) {
  const x = () => floats([3, 33, 2], 200);
  const ties = list('float32', [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5, 1e10, -1e10, 7.25]);
  for (const domain of ['', 'com.microsoft']) {
    const base = { domain, outputs: [type], op: 'QuantizeLinear' };
    const back = { domain, outputs: ['float32'], op: 'DequantizeLinear' };
    const tag = `${type}_${domain ? 'ms' : 'onnx'}`;
    await add(`quantize_${tag}`, { ...base, inputs: [x(), scalar(0.37), zero(type)] });
    await add(`quantize_ties_${tag}`, { ...base, inputs: [ties, scalar(1), scalar(3, type)] });
    await add(`quantize_axis_${tag}`,
              { ...base, attrs: { axis: 1 }, inputs: [x(), floats([33], 0.5, 0.8), ints(type, [33])] });
    await add(`dequantize_${tag}`, { ...back, inputs: [ints(type, [3, 33]), scalar(0.37), zero(type)] });
    await add(`dequantize_axis_${tag}`, {
      ...back, attrs: { axis: 1 }, inputs: [ints(type, [3, 33, 2]), floats([33], 0.5, 0.8), ints(type, [33])],
    });
  }
  const attrs = { axis: 1, block_size: 8 };
  const scales = floats([3, 5, 2], 0.5, 0.8), zeros = ints(type, [3, 5, 2]);
  await add(`quantize_blocked_${type}`,
            { op: 'QuantizeLinear', domain: '', attrs, inputs: [x(), scales, zeros], outputs: [type] });
  await add(`dequantize_blocked_${type}`, {
    op: 'DequantizeLinear', domain: '', attrs, inputs: [ints(type, [3, 33, 2]), scales, zeros],
    outputs: ['float32'],
  });
}
for (const type of ['int4', 'uint4']) {
  await add(`dequantize_${type}`, {
    op: 'DequantizeLinear', domain: '', attrs: { axis: 0, block_size: 16 }, constants: [0, 1, 2],
    inputs: [ints(type, [33, 5]), floats([3, 5], 0.5, 0.8), ints(type, [3, 5])], outputs: ['float32'],
  });
  await add(`gather_block_quantized_${type}`, {
    op: 'GatherBlockQuantized', attrs: { block_size: 16 }, constants: [0, 2, 3], outputs: ['float32'],
    inputs: [ints(type, [5, 32]), { type: 'int64', dims: [2, 2], data: [0, 4, -1, 2] },
             floats([5, 2], 0.4, 0.6), ints(type, [5, 2])],
  });
}
for (const bits of [4, 8]) {
  const perByte = 8 / bits;
  for (const zeros of [undefined, ints('uint8', [5, Math.ceil(3 / perByte)])]) {
    await add(`gather_block_quantized_bytes_${bits}_${zeros ? 'zeros' : 'plain'}`, {
      op: 'GatherBlockQuantized', attrs: { block_size: 16, bits }, constants: [0, 2, 3], outputs: ['float32'],
      inputs: [ints('uint8', [5, 48 / perByte]), { type: 'int64', dims: [3], data: [0, -1, 2] },
               floats([5, 3], 0.4, 0.6), zeros],
    });
  }
}

// --- matrix products
for (const bits of [2, 4, 8]) {
  for (const K of [16, 40, 128]) {
    for (const block_size of [16, 32]) {
      const blocks = Math.ceil(K / block_size), N = 7;
      const inputs = [floats([2, 3, K]), ints('uint8', [N, blocks, (block_size * bits) / 8]),
                      floats([N * blocks], 0.1)];
      const zeros = ints('uint8', [N * Math.ceil((blocks * bits) / 8)]);
      const spec = { op: 'MatMulNBits', attrs: { K, N, bits, block_size }, constants: [1, 2, 3, 5],
                     outputs: ['float32'] };
      await add(`nbits_${bits}_${K}_${block_size}`, { ...spec, inputs });
      await add(`nbits_zeros_${bits}_${K}_${block_size}`,
                { ...spec, inputs: [...inputs, zeros, undefined, floats([N])] });
    }
  }
}
for (const quant_type of [0, 1]) {
  await add(`bnb4_${quant_type}`, {
    op: 'MatMulBnb4', attrs: { K: 32, N: 6, block_size: 16, quant_type }, constants: [1, 2],
    inputs: [floats([3, 32]), ints('uint8', [96]), floats([12], 1, 2)], outputs: ['float32'],
  });
}
for (let form = 0; form < 16; form++) {
  const [transA, transB, transBatchA, transBatchB] = [form & 1, (form >> 1) & 1, (form >> 2) & 1, form >> 3];
  const shape = (rows, columns, swapped, moved) => {
    if (swapped) [rows, columns] = [columns, rows];
    return moved ? [rows, 2, 3, columns] : [2, 3, rows, columns];
  };
  await add(`fused_matmul_${form}`, {
    op: 'FusedMatMul', attrs: { alpha: float(0.3), transA, transB, transBatchA, transBatchB },
    inputs: [floats(shape(5, 7, transA, transBatchA)), floats(shape(7, 4, transB, transBatchB))],
    outputs: ['float32'],
  });
}
for (const activation of ['Relu', 'LeakyRelu', 'Tanh', 'Sigmoid', 'HardSigmoid', 'Elu', 'Softplus']) {
  await add(`fused_gemm_${activation}`, {
    op: 'FusedGemm', inputs: [floats([5, 12]), floats([9, 12]), floats([9])], outputs: ['float32'],
    attrs: { activation, activation_alpha: float(0.3), activation_beta: float(0.4), transB: 1 },
  });
}

// --- recurrent layers: every direction with every option
const cells = { RNN: [1, 2], GRU: [3, 2], LSTM: [4, 3] };
const functions = {
  RNN: [['Affine'], [0.5], [0.1]],
  GRU: [['HardSigmoid', 'Softsign'], [0.3], [0.4]],
  LSTM: [['HardSigmoid', 'ScaledTanh', 'LeakyRelu'], [0.3, 0.8, 0.1], [0.4, 0.7]],
};
for (const [op, [gates, outputs]] of Object.entries(cells)) {
  for (const [direction, d] of [['forward', 1], ['reverse', 1], ['bidirectional', 2]]) {
    for (const option of ['plain', 'lengths', 'empty_sequence', 'clip', 'functions', 'special']) {
      const [T, B, I, H] = [5, 3, 4, 5];
      const lengths = { lengths: [5, 2, 3], empty_sequence: [4, 0, 1] }[option];
      const inputs = [floats([T, B, I]), floats([d, gates * H, I]), floats([d, gates * H, H]),
                      floats([d, 2 * gates * H]), lengths && list('int32', lengths), floats([d, B, H])];
      if (op === 'LSTM') inputs.push(floats([d, B, H]), floats([d, 3 * H]));
      const attrs = { hidden_size: H, direction };
      if (option === 'clip') attrs.clip = float(0.4);
      if (option === 'special' && op === 'GRU') attrs.linear_before_reset = 1;
      if (option === 'special' && op === 'LSTM') attrs.input_forget = 1;
      if (option === 'functions') {
        const twice = (values) => (d === 2 ? [...values, ...values] : values);
        attrs.activations = twice(functions[op][0]);
        attrs.activation_alpha = twice(functions[op][1]).map(float);
        attrs.activation_beta = twice(functions[op][2]).map(float);
      }
      await add(`${op}_${direction}_${option}`,
                { op, domain: '', opset: 14, attrs, inputs, outputs: Array(outputs).fill('float32') });
    }
  }
}
for (const type of ['uint8', 'int8']) {
  const [I, H] = [4, 5];
  await add(`dynamic_quantize_lstm_${type}`, {
    op: 'DynamicQuantizeLSTM', attrs: { hidden_size: H }, constants: [1, 2, 8, 9, 10, 11],
    inputs: [floats([3, 1, I]), ints(type, [1, I, 4 * H]), ints(type, [1, H, 4 * H]), floats([1, 8 * H]),
             undefined, floats([1, 1, H]), floats([1, 1, H]), floats([1, 3 * H]), list('float32', [0.006]),
             list(type, [3]), list('float32', [0.006]), list(type, [5])],
    outputs: ['float32', 'float32', 'float32'],
  });
}

// --- attention
const masks = {
  none: undefined, ends: list('int32', [3, 2]), ends_starts: list('int32', [3, 2, 1, 0]),
  keys: { type: 'int32', dims: [2, 3], data: [1, 1, 0, 1, 1, 1] },
};
for (const [name, mask] of Object.entries(masks)) {
  for (const unidirectional of [0, 1]) {
    await add(`attention_${name}_${unidirectional}`, {
      op: 'Attention', attrs: { num_heads: 2, unidirectional }, outputs: ['float32'],
      inputs: [floats([2, 3, 8]), floats([8, 24]), floats([24]), mask],
    });
    await add(`qattention_${name}_${unidirectional}`, {
      op: 'QAttention', attrs: { num_heads: 2, unidirectional }, outputs: ['float32'],
      inputs: [ints('uint8', [2, 3, 8]), ints('int8', [8, 24]), floats([24]), scalar(0.01), scalar(0.02), mask,
               scalar(128, 'uint8'), scalar(1, 'int8')],
    });
    const lengths = { none: undefined, ends: list('int32', [4, 2]), keys: ints('int32', [2, 5], 0, 1) };
    if (!(name in lengths)) continue;
    await add(`multi_head_${name}_${unidirectional}`, {
      op: 'MultiHeadAttention', attrs: { num_heads: 2, unidirectional }, outputs: ['float32'],
      inputs: [floats([2, 3, 8]), floats([2, 5, 8]), floats([2, 5, 12]), floats([28]), lengths[name],
               floats([2, 2, 3, 5])],
    });
  }
}
await add('attention_hidden_sizes', {
  op: 'Attention', attrs: { num_heads: 2, scale: float(0.2), qkv_hidden_sizes: [8, 8, 12] },
  inputs: [floats([2, 3, 8]), floats([8, 28]), floats([28])], outputs: ['float32'],
});
await add('multi_head_past', {
  op: 'MultiHeadAttention', attrs: { num_heads: 2 }, outputs: Array(4).fill('float32'),
  inputs: [floats([2, 3, 8]), floats([2, 3, 8]), floats([2, 3, 8]), floats([24]), ints('int32', [2, 7], 0, 1),
           floats([2, 2, 3, 7]), floats([2, 2, 4, 4]), floats([2, 2, 4, 4])],
});
await add('multi_head_keys_by_head', {
  op: 'MultiHeadAttention', attrs: { num_heads: 2 }, outputs: ['float32'],
  inputs: [floats([2, 3, 8]), floats([2, 2, 5, 4]), floats([2, 2, 5, 4]), floats([24])],
});
for (let form = 0; form < 32; form++) {
  const [do_rotary, windowed, capped, smooth_softmax, packed] =
      [form & 1, form & 2, form & 4, (form >> 3) & 1, form >> 4];
  const attrs = {
    num_heads: 4, kv_num_heads: 2, do_rotary, rotary_interleaved: do_rotary & (form >> 1),
    local_window_size: windowed ? 2 : -1, softcap: float(capped ? 2 : 0), smooth_softmax,
  };
  const tables = do_rotary ? [floats([32, 8]), floats([32, 8])] : [];
  const qkv = (batch, length) =>
      packed ? [floats([batch, length, 128]), undefined, undefined]
             : [floats([batch, length, 64]), floats([batch, length, 32]), floats([batch, length, 32])];
  const past = (batch) => [floats([batch, 2, 6, 16]), floats([batch, 2, 6, 16])];
  const spec = { op: 'GroupQueryAttention', attrs, outputs: Array(3).fill('float32') };
  const ends = (values, total) => [list('int32', values), scalar(total, 'int32')];
  await add(`group_query_prompt_${form}`,
            { ...spec, inputs: [...qkv(2, 4), undefined, undefined, ...ends([3, 3], 4), ...tables] });
  await add(`group_query_token_${form}`,
            { ...spec, inputs: [...qkv(2, 1), ...past(2), ...ends([6, 6], 7), ...tables] });
  await add(`group_query_chunk_${form}`,
            { ...spec, inputs: [...qkv(1, 3), ...past(1), ...ends([8], 9), ...tables] });
}
for (const interleaved of [0, 1]) {
  const tables = [floats([50, 4]), floats([50, 4])];
  await add(`rotary_offset_${interleaved}`, {
    op: 'RotaryEmbedding', attrs: { interleaved }, outputs: ['float32'],
    inputs: [floats([2, 5, 24]), list('int64', [3]), ...tables],
  });
  await add(`rotary_positions_${interleaved}`, {
    op: 'RotaryEmbedding', attrs: { interleaved }, outputs: ['float32'],
    inputs: [floats([2, 3, 5, 8]), ints('int64', [2, 5], 0, 49), ...tables],
  });
}

// --- random sizes
for (let n = 0; n < Number(count); n++) {
  const [m, k, columns] = [int(1, 20), int(1, 70), int(1, 40)];
  const a = pick(['uint8', 'int8']), b = a === 'int8' ? 'int8' : pick(['uint8', 'int8']);
  const step = () => scalar(0.005 + random() * 0.05);
  await add(`${n}_qlinear_matmul`, {
    op: 'QLinearMatMul', domain: '', outputs: [a],
    inputs: [ints(a, [m, k]), step(), zero(a), ints(b, [k, columns]), step(), zero(b), scalar(0.3), zero(a)],
  });
  await add(`${n}_matmul_integer`, {
    op: 'MatMulInteger', domain: '', outputs: ['int32'], constants: [1],
    inputs: [ints(a, [m, k]), ints(b, [k, columns]), zero(a), n % 2 ? zero(b) : ints(b, [columns])],
  });
  await add(`${n}_dynamic_quantize_matmul`, {
    op: 'DynamicQuantizeMatMul', outputs: ['float32'], constants: [1],
    inputs: [floats([m, k]), ints(b, [k, columns]), n % 2 ? scalar(0.02) : floats([columns], 0.01, 0.02),
             n % 2 ? scalar(3, b) : ints(b, [columns]), floats([columns])],
  });
  await add(`${n}_qgemm`, {
    op: 'QGemm', attrs: { transB: n & 1, alpha: float(1.5) }, outputs: [n & 2 ? a : 'float32'],
    inputs: [ints(a, [m, k]), step(), zero(a), ints(b, n & 1 ? [columns, k] : [k, columns]), step(), zero(b),
             ints('int32', [columns]), ...(n & 2 ? [scalar(0.4), zero(a)] : [])],
  });
  await add(`${n}_dynamic_quantize`, {
    op: 'DynamicQuantizeLinear', domain: '', inputs: [floats([m, k], random() * 10, random() * 4 - 2)],
    outputs: ['uint8', 'float32', 'uint8'],
  });
  for (const op of ['QLinearAdd', 'QLinearMul']) {
    await add(`${n}_${op}`, {
      op, outputs: [a],
      inputs: [ints(a, [m, k]), step(), zero(a), ints(a, [k]), step(), zero(a), scalar(0.02 + random() / 10), zero(a)],
    });
  }
  await add(`${n}_sigmoid`, {
    op: 'QLinearSigmoid', outputs: [a], inputs: [ints(a, [m, k]), step(), zero(a), scalar(1 / 256), zero(a)],
  });
  await add(`${n}_leaky_relu`, {
    op: 'QLinearLeakyRelu', attrs: { alpha: float(random()) }, outputs: [a],
    inputs: [ints(a, [m, k]), step(), zero(a), step(), zero(a)],
  });
  // One element would be 256 / 256, which onnxruntime lets wrap to 0.
  await add(`${n}_softmax`, {
    op: 'QLinearSoftmax', attrs: { axis: -1, opset: pick([11, 13]) }, outputs: [a],
    inputs: [ints(a, [m, k + 1]), step(), zero(a), scalar(1 / 256), scalar(a === 'int8' ? -128 : 0, a)],
  });
  await add(`${n}_concat`, {
    op: 'QLinearConcat', attrs: { axis: 1 }, outputs: [a],
    inputs: [step(), zero(a), ints(a, [m, k]), step(), zero(a), ints(a, [m, columns]), step(), zero(a)],
  });
  const [batch, kv, group, width, queries, keys] = [int(1, 3), int(1, 3), int(1, 3), pick([4, 8, 16]), int(1, 9), int(1, 12)];
  await add(`${n}_onnx_attention`, {
    op: 'Attention', domain: '', opset: 23, ir: 11, outputs: ['float32'],
    attrs: { is_causal: n & 1, q_num_heads: kv * group, kv_num_heads: kv, softcap: float(n % 3 ? 0 : 1.3) },
    inputs: [floats([batch, queries, kv * group * width], 2), floats([batch, keys, kv * width], 2),
             floats([batch, keys, kv * width]), n % 4 ? undefined : floats([queries, keys])],
  });
}
console.log(`oracle ${out}: ${made} cases, ${refused} refused by onnxruntime`);
