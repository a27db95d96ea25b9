// Tensors for the runtime's browser tests: ONNX's TensorProto files, the way into the page and back, and the
// comparison. Runs in node and (compare, toWire, fromWire) in the page.
const ONNX_TYPES = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
};
export const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

// Reads varints of `bytes` one after another.
function varints(bytes) {
  const reader = {
    at: 0,
    next() {
      let value = 0n,
        shift = 0n,
        byte;
      do {
        byte = bytes[reader.at++];
        value |= BigInt(byte & 127) << shift;
        shift += 7n;
      } while (byte & 128);
      return BigInt.asIntN(64, value);
    },
  };
  return reader;
}

// The fields of one protobuf message: [number, wire type, value]; values are numbers or bytes.
function* fields(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = varints(bytes);
  while (reader.at < bytes.length) {
    const key = Number(reader.next());
    const [number, wire] = [key >> 3, key & 7];
    if (wire === 0) yield [number, wire, reader.next()];
    else if (wire === 1) yield [number, wire, view.getFloat64((reader.at += 8) - 8, true)];
    else if (wire === 5) yield [number, wire, view.getFloat32((reader.at += 4) - 4, true)];
    else if (wire === 2) {
      const length = Number(reader.next());
      yield [number, wire, bytes.subarray(reader.at, (reader.at += length))];
    } else throw new Error(`wire type ${wire}`);
  }
}
function packed(value, wire, width) {
  if (wire !== 2) return [value];
  if (width === 0) {
    const list = [];
    for (const reader = varints(value); reader.at < value.length;) list.push(reader.next());
    return list;
  }
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({length: value.length / width}, (_, i) =>
    width === 4 ? view.getFloat32(i * 4, true) : view.getFloat64(i * 8, true),
  );
}

/** A TensorProto: {name, dtype, dims, data}; null for dtypes that typed arrays don't have. */
export function readTensorProto(bytes) {
  const dims = [],
    floats = [],
    ints = [],
    doubles = [],
    strings = [];
  let type = 0,
    name = '',
    raw = null;
  for (const [number, wire, value] of fields(bytes)) {
    switch (number) {
      case 1:
        dims.push(...packed(value, wire, 0).map(Number));
        break;
      case 2:
        type = Number(value);
        break;
      case 4:
        floats.push(...packed(value, wire, 4));
        break;
      case 5:
      case 7:
      case 11:
        ints.push(...packed(value, wire, 0));
        break;
      case 6:
        strings.push(new TextDecoder().decode(value));
        break;
      case 8:
        name = new TextDecoder().decode(value);
        break;
      case 9:
        raw = value.slice();
        break;
      case 10:
        doubles.push(...packed(value, wire, 8));
        break;
    }
  }
  const dtype = ONNX_TYPES[type];
  if (!dtype) return null;
  if (dtype === 'string') return {name, dtype, dims, data: strings};
  const View = ARRAYS[dtype];
  if (raw) return {name, dtype, dims, data: new View(raw.buffer)};
  const wide = dtype === 'int64' || dtype === 'uint64';
  const list = floats.length ? floats : doubles.length ? doubles : wide ? ints : ints.map(Number);
  return {name, dtype, dims, data: View.from(list)};
}

const HALF = new Float32Array(1 << 16).map((_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1,
    exponent = (bits >> 10) & 31,
    fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
});
const brain = bits => new Float32Array(new Uint32Array([bits << 16]).buffer)[0];
const decode = {float16: bits => HALF[bits], bfloat16: brain};
const FLOATING = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/** '' when `got` agrees with `want` (|e| <= atol + rtol |want|, integers within `integer`), else what is wrong. */
export function compare(got, want, {atol = 1e-4, rtol = 1e-3, integer = 0} = {}) {
  if (!got) return 'is not there';
  if (got.dtype !== want.dtype || String(got.dims) !== String(want.dims)) {
    return `is ${got.dtype}[${got.dims}] (${want.dtype}[${want.dims}] is expected)`;
  }
  if (got.data.length !== want.data.length) return `has ${got.data.length} elements (${want.data.length})`;
  const value = decode[want.dtype] ?? Number;
  let wrong = 0,
    first = -1,
    worst = 0;
  for (let i = 0; i < want.data.length; ++i) {
    let good = got.data[i] === want.data[i];
    if (!good && FLOATING.has(want.dtype)) {
      const a = value(got.data[i]),
        b = value(want.data[i]),
        error = Math.abs(a - b);
      good = (Number.isNaN(a) && Number.isNaN(b)) || a === b || error <= atol + rtol * Math.abs(b);
      if (!good && error > worst) worst = error;
    }
    if (!good && integer > 0 && !FLOATING.has(want.dtype)) {
      good = Math.abs(Number(got.data[i]) - Number(want.data[i])) <= integer;
    }
    if (!good && wrong++ === 0) first = i;
  }
  if (!wrong) return '';
  return (
    `${wrong} of ${want.data.length} elements are off by up to ${worst.toExponential(2)}; ` +
    `element ${first} is ${value(got.data[first])} (${value(want.data[first])} is expected)`
  );
}

export function sameBits(a, b) {
  if (a.dtype !== b.dtype || String(a.dims) !== String(b.dims)) return false;
  if (a.dtype === 'string') return String(a.data) === String(b.data);
  const bytes = ({data}) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const [x, y] = [bytes(a), bytes(b)];
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}

/** Numbers in [low, high), the same for each seed. */
export function random(seed, dims, low = 0, high = 1) {
  const count = dims.reduce((product, extent) => product * extent, 1);
  let state = seed >>> 0 || 1;
  const data = Float32Array.from({length: count}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + (state / 2 ** 32) * (high - low);
  });
  return {dtype: 'float32', dims, data};
}

// JSON has no typed arrays: base64 of the bytes.
export function toWire({dtype, dims, data}) {
  if (dtype === 'string') return {dtype, dims, strings: data};
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return {dtype, dims, base64: btoa(text)};
}
export function fromWire({dtype, dims, strings, base64}) {
  if (strings) return {dtype, dims, data: strings};
  const text = atob(base64);
  const bytes = Uint8Array.from(text, character => character.charCodeAt(0));
  return {dtype, dims, data: new ARRAYS[dtype](bytes.buffer)};
}
export const mapValues = (object, f) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, f(value)]));
