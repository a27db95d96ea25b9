// Models of one operator, as ONNX files: MatMul, a dense, a pointwise and a depthwise convolution, in the sizes that
// real models spend their time in, in float32 and on bytes. A protobuf writer of a few lines, so that nothing needs a
// package.
import fs from 'node:fs';
import path from 'node:path';
import {generated} from './feeds.mjs';

function varint(value) {
  const bytes = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}
const number = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const block = (field, content) => {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
};
const message = (...fields) => Buffer.concat(fields);

// TensorProto's numbers of data types.
const codes = {float32: 1, uint8: 2, int8: 3, int32: 6};

function valueInfo(name, [type, dims]) {
  const shape = dims.map(extent => block(1, number(1, extent)));
  return message(block(1, name), block(2, block(1, message(number(1, codes[type]), block(2, message(...shape))))));
}

function constant(name, type, dims, values) {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return block(
    5,
    message(...dims.map(extent => number(1, extent)), number(2, codes[type]), block(8, name), block(9, bytes)),
  );
}
const weight = (name, dims) =>
  constant(
    name,
    'float32',
    dims,
    generated('float32', dims).map(value => 0.05 * value),
  );
const byteWeight = (name, dims) => constant(name, 'int8', dims, generated('int8', dims));

const listAttribute = (name, values) =>
  block(5, message(block(1, name), ...values.map(v => number(8, v)), number(20, 7)));
const numberAttribute = (name, value) => block(5, message(block(1, name), number(3, value), number(20, 2)));

const node = (op, inputs, attributes = []) =>
  block(1, message(...inputs.map(name => block(1, name)), block(2, 'y'), block(3, op), block(4, op), ...attributes));

const model = (x, y, ...parts) =>
  message(
    number(1, 8),
    block(2, 'bench'),
    block(7, message(...parts, block(2, 'g'), block(11, valueInfo('x', x)), block(12, valueInfo('y', y)))),
    block(8, message(block(1, ''), number(2, 17))),
  );

const convAttributes = (kernel, group) => [
  listAttribute('kernel_shape', [kernel, kernel]),
  listAttribute('pads', Array(4).fill(kernel >> 1)),
  numberAttribute('group', group),
];

function conv({channels, side, made, kernel, group}) {
  return model(
    ['float32', [1, channels, side, side]],
    ['float32', [1, made, side, side]],
    node('Conv', ['x', 'w', 'b'], convAttributes(kernel, group)),
    weight('w', [made, channels / group, kernel, kernel]),
    weight('b', [made]),
  );
}

// Bytes in, bytes out: the scales keep most results inside.
function byteConv({channels, side, made, kernel, group}) {
  const one = value => Float32Array.of(value);
  return model(
    ['uint8', [1, channels, side, side]],
    ['uint8', [1, made, side, side]],
    node('QLinearConv', ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz', 'b'], convAttributes(kernel, group)),
    constant('xs', 'float32', [], one(1 / 128)),
    constant('xz', 'uint8', [], Uint8Array.of(128)),
    byteWeight('w', [made, channels / group, kernel, kernel]),
    constant('ws', 'float32', [], one(1 / 128)),
    constant('wz', 'int8', [], Int8Array.of(0)),
    constant('ys', 'float32', [], one(Math.sqrt((channels / group) * kernel * kernel) / 128)),
    constant('yz', 'uint8', [], Uint8Array.of(128)),
    constant('b', 'int32', [made], new Int32Array(made)),
  );
}

const shapes = [
  ['conv 3x3 64 to 64 at 128', 'conv3x3', {channels: 64, side: 128, made: 64, kernel: 3, group: 1}],
  ['conv 1x1 256 to 256 at 64', 'conv1x1', {channels: 256, side: 64, made: 256, kernel: 1, group: 1}],
  ['depthwise 3x3 256 at 128', 'depthwise', {channels: 256, side: 128, made: 256, kernel: 3, group: 256}],
];

/** Writes the files; [{name, file, inputs}], file with its folder. */
export function writeOperators(folder) {
  fs.mkdirSync(folder, {recursive: true});
  const made = [];
  const write = (name, base, x, bytes) => {
    const file = path.join(folder, `${base}.onnx`);
    fs.writeFileSync(file, bytes);
    made.push({name, file, inputs: {x}, recycle: name !== 'tiny'});
  };
  const square = [1024, 1024];
  write(
    'MatMul 1024',
    'matmul',
    ['float32', square],
    model(['float32', square], ['float32', square], node('MatMul', ['x', 'w']), weight('w', square)),
  );
  for (const [name, base, shape] of shapes) {
    write(name, base, ['float32', [1, shape.channels, shape.side, shape.side]], conv(shape));
  }
  write(
    'MatMul 1024 int8',
    'matmul_int8',
    ['uint8', square],
    model(
      ['uint8', square],
      ['int32', square],
      node('MatMulInteger', ['x', 'w', 'xz']),
      byteWeight('w', square),
      constant('xz', 'uint8', [], Uint8Array.of(128)),
    ),
  );
  for (const [name, base, shape] of shapes) {
    write(`${name} int8`, `${base}_int8`, ['uint8', [1, shape.channels, shape.side, shape.side]], byteConv(shape));
  }
  // For the test of the harness.
  write('tiny', 'tiny', ['float32', [1, 8, 16, 16]], conv({channels: 8, side: 16, made: 8, kernel: 3, group: 1}));
  return made;
}
