// Tensors between JavaScript and the module: typed arrays by dtype, and the JSON of abi.h.
import {SluiceError} from '../errors.js';
import {isNumbers} from '../protocol.js';
import type {ResultPlace} from '../quick_calls.js';
import type {DType, Tensor, TensorData} from '../types.js';
import type {WasmMemory} from './memory.js';

type NumericData = Exclude<TensorData, readonly string[]>;
type ArrayOf = (buffer: ArrayBuffer) => NumericData;

const ARRAYS: Readonly<Record<Exclude<DType, 'string'>, {readonly bytes: number; readonly of: ArrayOf}>> = {
  float32: {bytes: 4, of: b => new Float32Array(b)},
  float64: {bytes: 8, of: b => new Float64Array(b)},
  float16: {bytes: 2, of: b => new Uint16Array(b)},
  bfloat16: {bytes: 2, of: b => new Uint16Array(b)},
  int8: {bytes: 1, of: b => new Int8Array(b)},
  int16: {bytes: 2, of: b => new Int16Array(b)},
  int32: {bytes: 4, of: b => new Int32Array(b)},
  int64: {bytes: 8, of: b => new BigInt64Array(b)},
  uint8: {bytes: 1, of: b => new Uint8Array(b)},
  uint16: {bytes: 2, of: b => new Uint16Array(b)},
  uint32: {bytes: 4, of: b => new Uint32Array(b)},
  uint64: {bytes: 8, of: b => new BigUint64Array(b)},
  bool: {bytes: 1, of: b => new Uint8Array(b)},
};

function isNumeric(type: string): type is keyof typeof ARRAYS {
  return Object.hasOwn(ARRAYS, type);
}

/** A tensor of numbers by its type as a ValueInfo has it, and its bytes; null: no such tensor. */
export function numericType(type: string, dims: readonly number[]): {dtype: DType; bytes: number; each: number} | null {
  if (!isNumeric(type)) return null;
  const each = ARRAYS[type].bytes;
  return {dtype: type, each, bytes: dims.reduce((product, extent) => product * extent, each)};
}

/** A value as the module describes it. */
export interface WireValue {
  readonly name: string;
  readonly dtype?: string;
  readonly dims?: readonly number[];
  readonly data?: number;
  readonly bytes?: number;
  readonly strings?: readonly string[];
  readonly none?: boolean;
  readonly sequence?: readonly WireValue[];
}

/** Checks a feed's parts against each other; `name` is for messages. */
export function checkFeed(name: string, tensor: Tensor): void {
  const {dtype, dims, data} = tensor;
  let elements = 1;
  for (const extent of dims) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new SluiceError('usage', `The input "${name}" has the extent ${extent} (a whole number is wanted)`);
    }
    elements *= extent;
  }
  if (dtype === 'string') {
    if (isNumbers(data)) throw new SluiceError('usage', `The input "${name}" is a string tensor without strings`);
    if (data.length !== elements) {
      throw new SluiceError('usage', `The input "${name}" holds ${data.length} strings (${elements} by its dims)`);
    }
    return;
  }
  const array = ARRAYS[dtype];
  if (!array) throw new SluiceError('usage', `The input "${name}" has the unknown dtype ${String(dtype)}`);
  if (!isNumbers(data))
    throw new SluiceError('usage', `The input "${name}" is a ${dtype} tensor without a typed array`);
  if (data.BYTES_PER_ELEMENT !== array.bytes || data.byteLength !== elements * array.bytes) {
    throw new SluiceError(
      'usage',
      `The input "${name}" holds ${data.byteLength} bytes (${elements * array.bytes} by its dtype and dims)`,
    );
  }
}

export function bytesOf(data: NumericData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Where results lie that all are tensors of numbers; null: they are not. */
export function placesOf(values: readonly WireValue[]): ResultPlace[] | null {
  const places: ResultPlace[] = [];
  for (const {name, dtype = '', dims = [], data: at, bytes} of values) {
    if (!isNumeric(dtype) || at === undefined || bytes === undefined) return null;
    places.push({name, dtype, dims, at, bytes});
  }
  return places;
}

/** The array that tensors of a dtype of numbers have. */
export function numbersOf(dtype: Exclude<DType, 'string'>, buffer: ArrayBuffer): NumericData {
  return ARRAYS[dtype].of(buffer);
}

/** One result, copied out of the module's memory, into what `spare` has for its size. */
export function tensorOf(
  value: WireValue,
  memory: WasmMemory,
  spare: (bytes: number) => ArrayBuffer | undefined = () => undefined,
): Tensor {
  const dims = [...(value.dims ?? [])];
  if (value.strings) return {dtype: 'string', dims, data: value.strings};
  const dtype = value.dtype as Exclude<DType, 'string'>;
  const array = ARRAYS[dtype];
  if (!array || value.data === undefined || value.bytes === undefined) {
    const what = value.none ? 'an absent optional' : value.sequence ? 'a sequence' : `a ${String(value.dtype)} tensor`;
    throw new SluiceError(
      'unsupported',
      `The output "${value.name}" is ${what}, which this interface does not hand out`,
    );
  }
  return {dtype, dims, data: array.of(memory.copy(value.data, value.bytes, spare(value.bytes)).buffer)};
}

/** A tensor of zeros (of empty strings). */
export function zeros(dtype: DType, dims: readonly number[]): Tensor {
  const elements = dims.reduce((product, extent) => product * extent, 1);
  if (dtype === 'string') return {dtype, dims, data: Array.from({length: elements}, () => '')};
  const array = ARRAYS[dtype];
  if (!array) throw new SluiceError('unsupported', `There are no zeros of dtype ${String(dtype)}`);
  return {dtype, dims, data: array.of(new ArrayBuffer(elements * array.bytes))};
}
