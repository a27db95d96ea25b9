// Compares one .npy with a value of an oracle's dump.
// usage: node compare.mjs FILE.npy DUMP NAME [--atol A --rtol R] [--mean M]
// |e| <= A + R |r| for every element; or a mean absolute error of at most M. Exit code 1 when not.
import fs from 'node:fs';
import path from 'node:path';
import { readNpy } from './npy.mjs';

const [file, dump, name, ...flags] = process.argv.slice(2);
const option = (flag) => (flags.includes(flag) ? Number(flags[flags.indexOf(flag) + 1]) : undefined);
const manifest = JSON.parse(fs.readFileSync(path.join(dump, 'manifest.json'), 'utf8'));
const entry = manifest.values.findLast((v) => v.name === name);
const got = readNpy(fs.readFileSync(file));
const want = readNpy(fs.readFileSync(path.join(dump, entry.file)));
if (got.dims.join() !== want.dims.join()) {
  console.log(`${name}: shape ${got.dims} against ${want.dims}`);
  process.exit(1);
}
let sum = 0, worst = 0, wrong = 0;
const atol = option('--atol') ?? Infinity, rtol = option('--rtol') ?? 0;
for (let i = 0; i < want.data.length; i++) {
  const error = Math.abs(got.data[i] - want.data[i]);
  sum += error;
  worst = Math.max(worst, error);
  if (!(error <= atol + rtol * Math.abs(want.data[i]))) wrong++;
}
const mean = sum / want.data.length;
console.log(`${name}: ${want.data.length} elements, mean error ${mean.toExponential(2)}, largest ${worst.toExponential(2)}, ${wrong} outside the tolerance`);
process.exit(wrong === 0 && mean <= (option('--mean') ?? Infinity) ? 0 : 1);
