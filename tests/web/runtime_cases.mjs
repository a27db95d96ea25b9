// Cases in ONNX's backend-test layout, read for the page: tensors as TensorProto (.pb), NumPy (.npy) or raw
// bytes (.bin, in the dtype and shape that the model declares).
import fs from 'node:fs';
import path from 'node:path';
import {readNpy} from '../oracle/npy.mjs';
import {root} from './harness.mjs';
import {readTensorProto} from './runtime_tensors.mjs';

/** Names of the folders below `suite` that hold a model, sorted. */
export function caseNames(suite) {
  const found = [];
  const visit = name => {
    const entries = fs.readdirSync(path.join(suite, name), {withFileTypes: true});
    if (entries.some(entry => /^model\.(onnx|tflite)$/.test(entry.name))) found.push(name);
    else for (const entry of entries) if (entry.isDirectory()) visit(path.join(name, entry.name));
  };
  visit('');
  return found.sort();
}

// input_0, input_1 ..: by number, with gaps where an optional one is left out. Null: no plain tensor.
function readValues(folder, kind) {
  const values = [];
  for (const file of fs.readdirSync(folder)) {
    const match = new RegExp(`^${kind}_(\\d+)\\.(pb|npy|bin)$`).exec(file);
    if (!match) continue;
    const bytes = fs.readFileSync(path.join(folder, file));
    const at = Number(match[1]);
    if (match[2] === 'pb') values[at] = readTensorProto(new Uint8Array(bytes));
    else if (match[2] === 'bin') values[at] = {raw: bytes};
    else {
      const {type: dtype, dims, data} = readNpy(bytes);
      values[at] = {dtype, dims, data};
    }
  }
  return values;
}

/** {name, model, sets: [{inputs, outputs}], info}, or {name, why} where the package's Tensor can't express it. */
export function readCase(suite, name) {
  const folder = path.join(suite, name);
  const sets = fs
    .readdirSync(folder)
    .filter(one => one.startsWith('test_data_set_'))
    .sort()
    .map(set => ({
      inputs: readValues(path.join(folder, set), 'input'),
      outputs: readValues(path.join(folder, set), 'output'),
    }));
  const odd = sets.some(({inputs, outputs}) => [...inputs, ...outputs].some(value => value === null));
  if (odd) return {name, why: 'a value that is no plain tensor'};
  const file = ['model.onnx', 'model.tflite'].map(one => path.join(folder, one)).find(one => fs.existsSync(one));
  const particular = path.join(folder, 'case.json');
  const info = fs.existsSync(particular) ? JSON.parse(fs.readFileSync(particular, 'utf8')) : {};
  return {name, model: fs.readFileSync(file).toString('base64'), sets, info};
}

/** Whether known_gaps.txt lets this case fail on `backend` in the browser. */
export function gapsOf(suiteName) {
  const gaps = fs
    .readFileSync(path.join(root, 'known_gaps.txt'), 'utf8')
    .split('\n')
    .map(line => /^(\S+) (\S+)/.exec(line))
    .filter(match => match !== null && match[2].startsWith(`${suiteName}/`));
  return (backend, name) =>
    gaps.some(
      ([, executor, pattern]) => ['*', 'browser', backend].includes(executor) && pattern === `${suiteName}/${name}`,
    );
}
