// The numbers that every runtime gets, in a page as in a process, and the samples by which their results are compared.

const arrays = {
  float32: Float32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  int8: Int8Array,
};

const elements = dims => dims.reduce((a, b) => a * b, 1);

/** Element i: h = ((i+1) * 2654435761) mod 2^32, u = floor(h / 256) / 2^24; 2u - 1, or a byte's whole range. */
export function generated(type, dims) {
  const data = new arrays[type](elements(dims));
  const from = {float32: u => 2 * u - 1, uint8: u => Math.floor(256 * u), int8: u => Math.floor(256 * u) - 128}[type];
  for (let i = 0; i < data.length; ++i) data[i] = from((Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 24);
  return data;
}

/** {name: {type, dims, data}} of a model's `inputs`, {name: [type, dims, value?]}: an int64 has its value. */
export function feedsOf(inputs) {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, [type, dims, value]]) => [
      name,
      {
        type,
        dims,
        data: type === 'int64' ? new BigInt64Array(elements(dims)).fill(BigInt(value)) : generated(type, dims),
      },
    ]),
  );
}

/** At most 500 values of a result, evenly taken, as numbers: {elements, values}. */
export function sampled(data) {
  const step = Math.max(1, Math.floor(data.length / 500)) | 1;
  const values = [];
  for (let i = 0; i < data.length; i += step) values.push(Number(data[i]));
  return {elements: data.length, values};
}

/** The samples of all results of a run, {name: data}, under names that any runtime can give. */
export function sampledResults(results) {
  const entries = Object.entries(results);
  return Object.fromEntries(entries.map(([name, data]) => [name.replace(/[^\w]/g, '_'), sampled(data)]));
}

/**
 * How far samples of results lie from `expected`, the worst output: the sum of squared differences by the sum of
 * squares. Infinite where an output is missing or has another size.
 */
export function distance(found, expected) {
  let worst = 0;
  for (const [name, {elements: count, values}] of Object.entries(expected)) {
    const other = found[name];
    if (!other || other.elements !== count) return Infinity;
    let error = 0;
    let energy = 0;
    values.forEach((value, i) => {
      error += (value - other.values[i]) ** 2;
      energy += value ** 2;
    });
    worst = Math.max(worst, energy > 0 ? error / energy : error);
  }
  return worst;
}
