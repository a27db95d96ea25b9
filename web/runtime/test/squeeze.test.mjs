// tools/wasm_squeeze.mjs: a module written by hand, with the padded numbers that a linker leaves, does the same
// afterwards. That every instruction of the real modules survives is what all other tests of them show.
import assert from 'node:assert/strict';
import test from 'node:test';
import { squeeze } from '../../../tools/wasm_squeeze.mjs';

const padded = value => [value | 0x80, 0x80, 0x80, 0x80, 0x00]; // below 128
const section = (id, ...body) => [id, body.flat().length, ...body.flat()];
const text = word => [word.length, ...Buffer.from(word)];
const body = (...instructions) => {
  const code = [0x00, ...instructions.flat(), 0x0b];
  return [code.length, ...code];
};
const call = index => [0x10, ...padded(index)];
const i32 = value => [0x41, ...(value < 0 ? [(value & 0x7f) | 0x80, 0xff, 0xff, 0xff, 0x7f] : padded(value))];
const add = [0x6a];

// One import (function 0); 1 and 2 are the same, 3 and 4 are once those are one, 5 differs from 1 by a constant.
const bodies = [
  body(i32(7)),
  body(i32(7)),
  body(call(1), call(0), add),
  body(call(2), call(0), add),
  body(i32(-3)),
  // load of what is stored at 16, over the table: what place 1 gives, plus the byte at 16
  body([0x41, 0, 0x2d, 0x00, ...padded(16)], i32(1), [0x11, ...padded(0), ...padded(0)], add),
  // global 0 is set to 5, then branches over an immediate that looks like a call
  body(i32(5), [0x24, ...padded(0)], [0x02, 0x40, 0x42, 0x10, 0x1a, 0x0c, 0x00, 0x0b], [0x23, ...padded(0)]),
];
const bytes = Buffer.from([
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  ...section(1, [1, 0x60, 0, 1, 0x7f]),
  ...section(2, [1, ...text('env'), ...text('one'), 0, 0]),
  ...section(3, [bodies.length, ...bodies.map(() => 0)]),
  ...section(4, [1, 0x70, 0, 3]),
  ...section(5, [1, 0, 1]),
  ...section(6, [1, 0x7f, 1, 0x41, 0, 0x0b]),
  ...section(7, [5, ...text('a'), 0, 3, ...text('b'), 0, 4, ...text('c'), 0, 6, ...text('d'), 0, 7, ...text('table'), 1, 0]),
  ...section(9, [1, 0, 0x41, 0, 0x0b, 3, ...padded(1), ...padded(5), ...padded(2)]),
  ...section(10, [bodies.length, ...bodies.flat()]),
  ...section(11, [1, 0, 0x41, 16, 0x0b, 1, 40]),
  ...section(0, [...text('name'), 1, 2, 3]),
]);

async function answers(module) {
  const { instance } = await WebAssembly.instantiate(module, { env: { one: () => 100 } });
  const { a, b, c, d, table } = instance.exports;
  return { numbers: [a(), b(), c(), d()], table: [0, 1, 2].map(i => table.get(i)()), one: a === b };
}

test('a squeezed module does the same in fewer bytes', async () => {
  const small = squeeze(bytes);
  const before = await answers(bytes);
  assert.deepEqual(before.numbers, [107, 107, 37, 5]);
  assert.deepEqual(before.table, [7, -3, 7]);
  const after = await answers(small);
  assert.deepEqual([after.numbers, after.table], [before.numbers, before.table]);
  assert.deepEqual([before.one, after.one], [false, true], 'a and b are one function');
  const names = module => WebAssembly.Module.customSections(new WebAssembly.Module(module), 'name').length;
  assert.deepEqual([names(bytes), names(small)], [1, 0], 'names go');
  assert.ok(small.length < bytes.length - 14 * 4, `${small.length} of ${bytes.length} bytes`);
  assert.deepEqual(squeeze(small), small, 'once is enough');
});

test('an instruction that is not known is refused, not passed on', () => {
  const odd = Buffer.from(bytes);
  const at = odd.indexOf(Buffer.from([0x42, 0x10, 0x1a]));
  odd[at] = 0x06; // try, of an old proposal
  assert.throws(() => squeeze(odd), /not known here/);
});
