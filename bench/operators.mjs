// Models of one operator, as ONNX files: MatMul, a dense, a pointwise and a depthwise convolution, in the sizes that
// real models spend their time in. A protobuf writer of a few lines, so that nothing needs a package.
import fs from 'node:fs';
import path from 'node:path';

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

const valueInfo = (name, dims) =>
  message(block(1, name), block(2, block(1, message(number(1, 1), block(2, message(...dims.map((d) => block(1, number(1, d)))))))));

function weight(name, dims) {
  const values = new Float32Array(dims.reduce((a, b) => a * b, 1));
  for (let i = 0; i < values.length; ++i) values[i] = ((Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 24 - 0.5) * 0.1;
  return block(5, message(...dims.map((d) => number(1, d)), number(2, 1), block(8, name), block(9, Buffer.from(values.buffer))));
}

const listAttribute = (name, values) => block(5, message(block(1, name), ...values.map((v) => number(8, v)), number(20, 7)));
const numberAttribute = (name, value) => block(5, message(block(1, name), number(3, value), number(20, 2)));

const node = (op, inputs, attributes = []) =>
  block(1, message(...inputs.map((name) => block(1, name)), block(2, 'y'), block(3, op), block(4, op), ...attributes));

const model = (x, y, ...parts) =>
  message(number(1, 8), block(2, 'bench'), block(7, message(...parts, block(2, 'g'), block(11, valueInfo('x', x)), block(12, valueInfo('y', y)))),
    block(8, message(block(1, ''), number(2, 17))));

function conv(channels, side, made, kernel, group = 1) {
  const attributes = [
    listAttribute('kernel_shape', [kernel, kernel]), listAttribute('pads', Array(4).fill(kernel >> 1)), numberAttribute('group', group),
  ];
  return model([1, channels, side, side], [1, made, side, side], node('Conv', ['x', 'w', 'b'], attributes),
    weight('w', [made, channels / group, kernel, kernel]), weight('b', [made]));
}

// {name: {file, dims, calls}}
export function writeOperators(folder) {
  fs.mkdirSync(folder, { recursive: true });
  const made = {};
  const write = (name, file, dims, calls, bytes) => {
    fs.writeFileSync(path.join(folder, file), bytes());
    made[name] = { file, dims, calls };
  };
  write('MatMul 1024', 'matmul.onnx', [1024, 1024], 4, () =>
    model([1024, 1024], [1024, 1024], node('MatMul', ['x', 'w']), weight('w', [1024, 1024])));
  write('conv 3x3 64 to 64 at 128', 'conv3x3.onnx', [1, 64, 128, 128], 8, () => conv(64, 128, 64, 3));
  write('conv 1x1 256 to 256 at 64', 'conv1x1.onnx', [1, 256, 64, 64], 8, () => conv(256, 64, 256, 1));
  write('depthwise 3x3 256 at 128', 'depthwise.onnx', [1, 256, 128, 128], 4, () => conv(256, 128, 256, 3, 256));
  return made;
}
