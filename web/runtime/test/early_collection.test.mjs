// When a page's engine is made to collect the results that the page has dropped.
import assert from 'node:assert/strict';
import test from 'node:test';
import { earlyCollection } from '../../../build/web/stage/early_collection.js';

const MIB = 1 << 20;

/** After which of `runs` runs with results of `bytes` bytes each a collection was provoked. */
function provoked(bytes, runs, collection = null) {
  const after = [];
  let run = 0;
  const own = collection ?? earlyCollection(() => after.push(run));
  const data = new Uint8Array(bytes);
  // Both views lie in one memory, which counts once.
  const results = { y: { dtype: 'uint8', dims: [bytes], data }, z: { dtype: 'uint8', dims: [1], data: data.subarray(1, 2) } };
  for (run = 1; run <= runs; ++run) own(results);
  return after;
}

test('after 16 MiB of results, and not before', () => {
  assert.deepEqual(provoked(MIB, 40), [16, 32]);
  assert.deepEqual(provoked(3 * MIB, 13), [6, 12]);
});

test('after four runs where results are larger', () => {
  assert.deepEqual(provoked(10 * MIB, 9), [4, 8]);
});

test('results of which few make 64 MiB are left to the engine', () => {
  assert.deepEqual(provoked(16 * MIB, 9), []);
});

test('an engine that has no room, or is another, is left alone', () => {
  const full = earlyCollection(() => {
    throw new RangeError('no room');
  });
  provoked(MIB, 40, full);
  provoked(MIB, 40, earlyCollection());
});
