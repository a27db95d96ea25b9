// Memory for the next run's results, made while the page is idle: when, how much, and that it is let go of.
import assert from 'node:assert/strict';
import test from 'node:test';
import { ResultMemory } from '../../../build/web/stage/result_memory.js';

const MIB = 1 << 20;

/** A clock that the test turns, and an idle page that the test lets work. */
class FakeIdle {
  time = 0;
  tasks = [];
  timers = new Map();
  now() {
    return this.time;
  }
  whenIdle(task) {
    this.tasks.push(task);
  }
  after(ms, task) {
    const timer = {};
    this.timers.set(timer, { at: this.time + ms, task });
    return timer;
  }
  forget(timer) {
    this.timers.delete(timer);
  }
  work() {
    let pieces = 0;
    while (this.tasks.length > 0) {
      this.tasks.shift()();
      ++pieces;
    }
    return pieces;
  }
  pass(ms) {
    this.time += ms;
    for (const [timer, { at, task }] of [...this.timers]) {
      if (at > this.time) continue;
      this.timers.delete(timer);
      task();
    }
  }
}

const results = sizes =>
  Object.fromEntries(
    sizes.map((bytes, i) => [`y${i}`, { dtype: 'uint8', dims: [bytes], data: new Uint8Array(bytes) }]),
  );

/** A run with results of these sizes: the sizes of what was made for it. */
function run(memory, idle, sizes, { ms = 10 } = {}) {
  const made = memory.take();
  memory.wait();
  idle.work();
  idle.pass(ms);
  memory.end(sizes && results(sizes));
  return made.map(({ byteLength }) => byteLength);
}

test('the fourth of like runs finds memory for its large results', () => {
  const idle = new FakeIdle();
  const memory = new ResultMemory(idle);
  const sizes = [3 * MIB, 100, 2 * MIB];
  const found = Array.from({ length: 5 }, () => run(memory, idle, sizes));
  assert.deepEqual(found, [[], [], [], [3 * MIB, 2 * MIB], [3 * MIB, 2 * MIB]]);
});

test('of results that are larger still, the largest is made when the run is called for', () => {
  const idle = new FakeIdle();
  const memory = new ResultMemory(idle);
  const sizes = [4 * MIB, 40 * MIB, 33 * MIB, 100];
  const found = Array.from({ length: 3 }, () => run(memory, idle, sizes, { ms: 2000 }));
  assert.deepEqual(found, [[], [40 * MIB], [40 * MIB]]);
  assert.deepEqual(run(memory, idle, null), [40 * MIB]);
  assert.deepEqual(run(memory, idle, sizes), []);
});

test('each run gets memory of its own, touched in short pieces', () => {
  const idle = new FakeIdle();
  const memory = new ResultMemory(idle);
  for (let i = 0; i < 3; ++i) run(memory, idle, [2 * MIB]);
  const [first] = memory.take();
  memory.wait();
  assert.ok(idle.work() >= 8);
  const [second] = memory.take();
  assert.equal(second.byteLength, 2 * MIB);
  assert.notEqual(first, second);
  assert.deepEqual(memory.take(), []);
});

test('nothing is made for results that are small, too large, of other sizes, or slow to come, or after a pause', () => {
  const never = [
    () => ({ sizes: [MIB - 1] }),
    () => ({ sizes: [20 * MIB, 13 * MIB] }),
    i => ({ sizes: [2 * MIB + i] }),
    () => ({ sizes: [2 * MIB], ms: 101 }),
    () => ({ sizes: null }),
  ];
  for (const [which, make] of never.entries()) {
    const idle = new FakeIdle();
    const memory = new ResultMemory(idle);
    for (let i = 0; i < 5; ++i) {
      const { sizes, ms } = make(i);
      assert.deepEqual(run(memory, idle, sizes, { ms }), [], `case ${which}`);
    }
  }
  const idle = new FakeIdle();
  const memory = new ResultMemory(idle);
  for (let i = 0; i < 5; ++i) {
    assert.deepEqual(run(memory, idle, [2 * MIB]), []);
    idle.pass(2000);
  }
});

test('what nobody came for is freed, and dispose frees it at once', () => {
  const idle = new FakeIdle();
  const memory = new ResultMemory(idle);
  for (let i = 0; i < 3; ++i) run(memory, idle, [2 * MIB]);
  idle.pass(5000);
  assert.deepEqual(memory.take(), []);
  for (let i = 0; i < 3; ++i) run(memory, idle, [2 * MIB]);
  memory.drop();
  assert.deepEqual(memory.take(), []);
  assert.equal(idle.timers.size, 0);
});

test('a page that tells nobody when it is idle makes nothing', () => {
  const memory = new ResultMemory(null);
  for (let i = 0; i < 5; ++i) {
    assert.deepEqual(memory.take(), []);
    memory.wait();
    memory.end(results([2 * MIB]));
  }
});
