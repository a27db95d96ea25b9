// .npy files of the dtypes that onnxruntime gives back: reading and writing.
const CODES = {
  float32: ['<f4', Float32Array], float64: ['<f8', Float64Array], int8: ['|i1', Int8Array],
  uint8: ['|u1', Uint8Array], int16: ['<i2', Int16Array], uint16: ['<u2', Uint16Array],
  int32: ['<i4', Int32Array], uint32: ['<u4', Uint32Array], int64: ['<i8', BigInt64Array],
  uint64: ['<u8', BigUint64Array], bool: ['|b1', Uint8Array], float16: ['<f2', Uint16Array],
};

export function writeNpy(type, dims, data) {
  const [code] = CODES[type];
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  let header = `{'descr': '${code}', 'fortran_order': False, 'shape': (${shape}), }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([head, Buffer.from(header), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

export function readNpy(buffer) {
  const size = buffer.readUInt16LE(8);
  const header = buffer.subarray(10, 10 + size).toString();
  const code = /'descr': '([^']+)'/.exec(header)[1];
  const dims = /'shape': \(([^)]*)\)/.exec(header)[1].split(',').filter((s) => s.trim()).map(Number);
  const [type, [, View]] = Object.entries(CODES).find(([, [c]]) => c === code);
  const body = Uint8Array.prototype.slice.call(buffer, 10 + size);
  return { type, dims, data: new View(body.buffer, 0, body.byteLength / View.BYTES_PER_ELEMENT) };
}
