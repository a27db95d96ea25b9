// Writes small ONNX models for tests: the protobuf of onnx.proto, as far as chains of operators need it.
export const ONNX_FLOAT = 1;
export const ONNX_FLOAT16 = 10;

function varint(value) {
  const out = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const more = rest > 127n;
    out.push(Number(rest & 127n) | (more ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(out);
}

/** A message of [field, value]: numbers and bigints become varints, texts and buffers bytes. */
export function message(...fields) {
  return Buffer.concat(
    fields.map(([field, value]) => {
      if (typeof value === 'number' || typeof value === 'bigint') {
        return Buffer.concat([varint(field << 3), varint(value)]);
      }
      const bytes = Buffer.from(value);
      return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
    }),
  );
}

/** A TensorProto: float32, or float16 of its bits in a Uint16Array; `external` {file, offset}: its elements lie there. */
export function tensorProto(name, dims, values, external) {
  const type = values instanceof Uint16Array ? ONNX_FLOAT16 : ONNX_FLOAT;
  const head = [...dims.map(extent => [1, extent]), [2, type], [8, name]];
  if (!external) return message(...head, [9, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
  const entries = {location: external.file, offset: external.offset, length: values.byteLength};
  const places = Object.entries(entries).map(([key, value]) => [13, message([1, key], [2, String(value)])]);
  return message(...head, ...places, [14, 1]);
}

const attribute = (name, ints) => message([1, name], ...ints.map(value => [8, value]), [20, 7]);
const valueInfo = ({name, type, dims}) => {
  const shape = message(...dims.map(extent => [1, message([1, extent])]));
  return message([1, name], [2, message([1, message([1, type], [2, shape])])]);
};

/** nodes: {op, inputs, outputs, attributes: {name: whole numbers}}; initializers: tensorProto()s; inputs, outputs: {name, type, dims}. */
export function onnxModel({nodes, initializers = [], inputs, outputs, opset = 17}) {
  const graph = message(
    ...nodes.map(({op, inputs: from, outputs: to, attributes = {}}) => [
      1,
      message(
        ...from.map(name => [1, name]),
        ...to.map(name => [2, name]),
        [4, op],
        ...Object.entries(attributes).map(([name, ints]) => [5, attribute(name, ints)]),
      ),
    ]),
    [2, 'graph'],
    ...initializers.map(tensor => [5, tensor]),
    ...inputs.map(value => [11, valueInfo(value)]),
    ...outputs.map(value => [12, valueInfo(value)]),
  );
  return message([1, 8], [7, graph], [8, message([2, opset])]);
}
