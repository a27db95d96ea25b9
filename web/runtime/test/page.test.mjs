// The page's side of the line, with workers that are played by the test: what is posted, aborts, crashes,
// sharing.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Session } from '../../../build/web/stage/index.js';
import { channelOf } from '../../../build/web/stage/session.js';

const binding = { bound: 'cpu', failovers: [], events: [], console: '' };
const tick = () => new Promise(resolve => setTimeout(resolve, 1));

/** Stands for the browser's Worker: answers calls as `answers` say; the rest stays unanswered. */
class FakeWorker {
  static made = [];
  static answers = {};
  constructor(url, options) {
    Object.assign(this, { url: String(url), options, calls: [], aborts: [], terminated: false });
    FakeWorker.made.push(this);
  }
  postMessage(message, transfer) {
    const posted = structuredClone(message, { transfer });
    if (posted.type === 'abort') {
      this.aborts.push(posted);
      return;
    }
    this.calls.push(posted);
    const answer = FakeWorker.answers[posted.name];
    if (answer) setTimeout(() => this.answer(posted.id, answer(posted.params, this, posted.id)));
  }
  answer(id, value) {
    if (value !== undefined && !this.terminated) this.onmessage({ data: { type: 'result', id, value } });
  }
  tell(message) {
    this.onmessage({ data: message });
  }
  terminate() {
    this.terminated = true;
  }
  call(name) {
    return this.calls.find(one => one.name === name);
  }
}
globalThis.Worker = FakeWorker;

let sessions = 0;
function reset(answers = {}) {
  FakeWorker.made = [];
  sessions = 0;
  FakeWorker.answers = {
    start: () => ({ version: '1', flavour: 'simd', threads: 1 }),
    'session.open': () => ({ session: ++sessions, inputs: [], outputs: [], binding }),
    'session.run': ({ feeds }) => ({ results: feeds, binding: { ...binding, runs: 1 } }),
    'session.dispose': () => ({ done: true }),
    ...answers,
  };
}
const model = () => new Uint8Array([1, 2, 3]);

test('sessions share a worker, and the last to go ends it', async () => {
  reset();
  const [a, b] = await Promise.all([Session.create(model()), Session.create(model())]);
  assert.equal(FakeWorker.made.length, 1);
  const [worker] = FakeWorker.made;
  assert.match(worker.url, /\/worker\.js$/);
  assert.equal(worker.options.type, 'module');
  await a.dispose();
  assert.equal(worker.terminated, false);
  await b.dispose();
  await b.dispose();
  assert.equal(worker.terminated, true);
  await assert.rejects(a.run({}), { code: 'usage' });
  const c = await Session.create(model());
  assert.equal(FakeWorker.made.length, 2);
  await c.dispose();
});

test('the assets option names the folder of worker.js; other threads are another worker', async () => {
  reset();
  const a = await Session.create(model(), { assets: 'https://example.org/lib?x' });
  const b = await Session.create(model(), { assets: 'https://example.org/lib/', threads: 2 });
  assert.deepEqual(FakeWorker.made.map(one => one.url), Array(2).fill('https://example.org/lib/worker.js'));
  assert.equal(FakeWorker.made[0].call('start').params.assets, 'https://example.org/lib/');
  await assert.rejects(Session.create(model(), { threads: 0 }), { code: 'usage' });
  await a.dispose();
  await b.dispose();
});

test('feeds are copied, only the bytes of a view, or given away', async () => {
  reset();
  const session = await Session.create(model());
  const whole = new Float32Array(1000);
  const part = whole.subarray(10, 20).fill(7);
  await session.run({ x: { dtype: 'float32', dims: [10], data: part } });
  const [worker] = FakeWorker.made;
  const sent = worker.call('session.run').params.feeds.x.data;
  assert.equal(sent.buffer.byteLength, 40);
  assert.equal(whole.length, 1000);
  const given = new Float32Array(4);
  const { x } = await session.run({ x: { dtype: 'float32', dims: [4], data: given } }, { transfer: true });
  assert.equal(given.length, 0, 'the buffer is still here');
  assert.equal(x.data.length, 4);
  assert.equal(session.binding.runs, 1);
  await session.dispose();
});

test('feeds are written where the worker keeps them, as long as nothing else is under way', async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const place = { dtype: 'float32', dims: [4], at: 64, bytes: 16, elementBytes: 4 };
  const kept = () => [...new Float32Array(memory.buffer, 64, 4)];
  globalThis.crossOriginIsolated = true;
  reset({
    start: ({ sight }) => ({ version: '1', flavour: 'simd', threads: 1, memory: sight === 'shared' ? memory : null }),
    'session.run': ({ feeds }) => ({ results: {}, binding, ...('at' in feeds.x ? {} : { places: { x: place } }) }),
    'session.warmup': () => ({ binding }),
  });
  const session = await Session.create(model());
  const [worker] = FakeWorker.made;
  const posted = () => worker.calls.filter(({ name }) => name === 'session.run').map(({ params }) => ('at' in params.feeds.x ? 'written' : 'posted'));
  const feed = (...data) => ({ x: { dtype: 'float32', dims: [data.length], data: Float32Array.from(data) } });
  await session.run(feed(1, 1, 1, 1));
  await session.run(feed(1, 2, 3, 4));
  assert.deepEqual(posted().splice(0), ['posted', 'written']);
  assert.deepEqual(kept(), [1, 2, 3, 4]);
  // Called one after the other: the second may not touch what the first still needs.
  await Promise.all([session.run(feed(5, 6, 7, 8)), session.run(feed(9, 9, 9, 9))]);
  assert.deepEqual(posted().slice(2), ['written', 'posted']);
  assert.deepEqual(kept(), [5, 6, 7, 8]);
  // Another shape, another type, and feeds that are given away are posted; so is what follows another call.
  await session.run(feed(1, 2));
  await session.run({ x: { dtype: 'int32', dims: [4], data: new Int32Array(4) } });
  await session.run({ x: { dtype: 'float32', dims: [4], data: new Uint8Array(16) } });
  await session.run(feed(1, 2, 3, 4), { transfer: true });
  await session.warmup();
  await session.run(feed(1, 2, 3, 4));
  assert.deepEqual(posted().slice(4), Array(5).fill('posted'));
  // A run that nobody waits for any more may still be computed.
  FakeWorker.answers['session.run'] = undefined;
  const controller = new AbortController();
  const aborted = session.run(feed(0, 0, 0, 1), { signal: controller.signal });
  controller.abort();
  await assert.rejects(aborted, { code: 'aborted' });
  const next = session.run(feed(0, 0, 0, 2));
  assert.deepEqual(posted().slice(9), ['written', 'posted']);
  assert.deepEqual(kept(), [0, 0, 0, 1]);
  for (const { id } of worker.calls.slice(-2)) worker.answer(id, { results: {}, binding });
  await next;
  await session.dispose();
  delete globalThis.crossOriginIsolated;
});

test('a run that is answered in place: results, and a record that later news of an earlier state do not take back', async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const quick = new Int32Array(new SharedArrayBuffer(32));
  const [state, , call, , answered] = quick.keys();
  const waiting = 1;
  const place = { dtype: 'float32', dims: [2], at: 64, bytes: 8, elementBytes: 4 };
  const known = {
    outputs: [{ name: 'y', dtype: 'float32', dims: [2], at: 128, bytes: 8 }],
    figures: { at: 256, count: 2 },
  };
  globalThis.crossOriginIsolated = true;
  let runs = 0;
  reset({
    start: () => ({ version: '1', flavour: 'simd', threads: 1, memory, quick }),
    'session.open': () => ({ session: 1, inputs: [{ name: 'x' }], outputs: [], binding: { ...binding, runs: 0 }, runFigures: ['runs', 'last'] }),
    'session.run': ({ feeds }) => {
      ++runs;
      return { results: {}, figures: Float64Array.of(runs, 0.5), ...('at' in feeds.x ? { known } : { places: { x: place } }) };
    },
  });
  const { notify } = Atomics;
  Atomics.notify = () => {
    if (quick[state] === waiting) return 0;
    const x = new Float32Array(memory.buffer, 64, 2);
    new Float32Array(memory.buffer, 128, 2).set(x.map(value => -value));
    new Float64Array(memory.buffer, 256, 2).set([++runs, 0.25]);
    quick[answered] = quick[call];
    quick[state] = waiting;
    return 1;
  };
  try {
    const session = await Session.create(model());
    const [worker] = FakeWorker.made;
    const feed = (...data) => ({ x: { dtype: 'float32', dims: [2], data: Float32Array.from(data) } });
    await session.run(feed(1, 2));
    await session.run(feed(1, 2));
    quick[state] = waiting;
    const { y } = await session.run(feed(3, 4));
    assert.deepEqual([...y.data], [-3, -4]);
    assert.deepEqual(y.dims, [2]);
    assert.equal(y.data.buffer.constructor, ArrayBuffer, 'the result is in shared memory');
    assert.equal(worker.calls.filter(({ name }) => name === 'session.run').length, 2);
    // On its way since before that run.
    worker.tell({ type: 'binding', session: 1, binding: { ...binding, runs: 2, last: 0.5, hash: 'abc' } });
    assert.deepEqual(session.binding, { ...binding, runs: 3, last: 0.25, hash: 'abc' });
    worker.tell({ type: 'binding', session: 1, binding: { ...binding, runs: 3, last: 0.25, hash: 'def' } });
    assert.equal(session.binding.hash, 'def');
    // Aborted before anybody could ask for the results.
    const controller = new AbortController();
    const aborted = session.run(feed(5, 6), { signal: controller.signal });
    controller.abort();
    await assert.rejects(aborted, { code: 'aborted' });
    // Another feed's dims, and missing ones, are for the worker to judge.
    await session.run({ x: { dtype: 'float32', dims: [1], data: new Float32Array(1) } });
    assert.equal(worker.calls.filter(({ name }) => name === 'session.run').length, 3);
    await session.dispose();
  } finally {
    Atomics.notify = notify;
    delete globalThis.crossOriginIsolated;
  }
});

test('a run that changes figures only: the record is put together when it is asked for', async () => {
  reset({
    'session.open': () => ({ session: ++sessions, inputs: [], outputs: [], binding: { ...binding, runs: 2, steady: { n: 1, buckets: [1, 0] } }, runFigures: ['runs', 'steady.n', 'steady.buckets.1'] }),
    'session.run': () => ({ results: {}, figures: Float64Array.of(3, 2, 1) }),
  });
  const session = await Session.create(model());
  const before = session.binding;
  await session.run({});
  assert.deepEqual(session.binding, { ...binding, runs: 3, steady: { n: 2, buckets: [1, 1] } });
  assert.equal(session.binding, session.binding);
  assert.deepEqual(before.steady, { n: 1, buckets: [1, 0] });
  await session.dispose();
});

test('abort rejects at once, tells the worker, and leaves the session usable', async () => {
  reset({ 'session.run': (_params, worker) => (worker.calls.length > 3 ? { results: {}, binding } : undefined) });
  const session = await Session.create(model());
  const controller = new AbortController();
  const run = session.run({}, { signal: controller.signal });
  await tick();
  controller.abort(new Error('enough'));
  await assert.rejects(run, error => {
    assert.equal(error.name, 'AbortError');
    assert.equal(error.code, 'aborted');
    assert.equal(error.cause.message, 'enough');
    return true;
  });
  const [worker] = FakeWorker.made;
  assert.equal(worker.aborts.length, 1);
  worker.answer(worker.call('session.run').id, { results: {}, binding }); // late: dropped
  await session.run({});
  await assert.rejects(session.run({}, { signal: AbortSignal.abort() }), { code: 'aborted' });
  await session.dispose();
});

test('an aborted load frees its session, and the worker with it', async () => {
  reset({ 'session.open': () => undefined });
  const controller = new AbortController();
  const load = Session.create(model(), { signal: controller.signal });
  const other = Session.create(new Uint8Array([9]));
  await tick();
  await tick();
  controller.abort();
  await assert.rejects(load, { code: 'aborted' });
  const [worker] = FakeWorker.made;
  for (const { id, name, params } of worker.calls) {
    if (name !== 'session.open') continue;
    const number = params.source.bytes[0] === 9 ? 42 : 41;
    worker.answer(id, { session: number, inputs: [], outputs: [], binding });
  }
  const session = await other;
  await tick();
  assert.deepEqual(worker.call('session.dispose').params, { session: 41 });
  await session.dispose();
  assert.equal(worker.terminated, true);
});

test('threads of the module are made here, handed their share, and end with the worker', async () => {
  reset();
  const session = await Session.create(model(), { assets: 'https://example.org/lib/' });
  const [worker] = FakeWorker.made;
  const thread = { module: 'module', memory: 'memory', block: 64, index: 1 };
  worker.tell({ type: 'thread', thread });
  assert.equal(FakeWorker.made.length, 2);
  const [, made] = FakeWorker.made;
  assert.equal(made.url, 'https://example.org/lib/thread.js');
  assert.equal(made.options.type, 'module');
  assert.deepEqual(made.calls, [thread]);
  let prevented = 0;
  const { warn } = console;
  const lines = [];
  console.warn = line => lines.push(line);
  made.onerror({ message: '', preventDefault: () => ++prevented });
  console.warn = warn;
  assert.equal(prevented, 1);
  assert.match(lines.join(), /thread 1 does not run/);
  assert.deepEqual((await session.run({})).constructor, Object, 'the session goes on');
  await session.dispose();
  assert.equal(made.terminated, true);
  worker.tell({ type: 'thread', thread }); // late: nobody is there for it
  assert.equal(FakeWorker.made.length, 2);
});

test('a crash rejects everything that waits; the next load gets a new worker', async () => {
  reset({ 'session.run': () => undefined });
  const session = await Session.create(model());
  const runs = [session.run({}), session.run({})];
  await tick();
  const [worker] = FakeWorker.made;
  worker.onerror({ preventDefault() {}, message: 'boom', filename: 'worker.js', lineno: 3 });
  for (const run of runs) await assert.rejects(run, { code: 'internal', message: /crashed.*boom/ });
  await assert.rejects(session.run({}), { code: 'internal' });
  assert.equal(worker.terminated, true);
  const next = await Session.create(model());
  assert.equal(FakeWorker.made.length, 2);
  await session.dispose();
  await next.dispose();
});

test('a trapped module is a crash with its own sentence', async () => {
  reset({ 'session.run': () => undefined });
  const session = await Session.create(model());
  const run = session.run({});
  await tick();
  FakeWorker.made[0].tell({ type: 'poisoned', error: { code: 'internal', message: 'unreachable' } });
  await assert.rejects(run, { code: 'internal', message: 'unreachable' });
  await session.dispose();
});

test('a device failure is remembered beyond the worker', async () => {
  reset();
  const session = await Session.create(model());
  FakeWorker.made[0].tell({ type: 'device-failure', at: 12345 });
  await session.dispose();
  const next = await Session.create(model());
  assert.equal(FakeWorker.made[1].call('start').params.lastDeviceFailure, 12345);
  await next.dispose();
});

test('progress, news of the binding, and errors with their codes arrive', async () => {
  const seen = [];
  reset({
    'session.open': (_params, worker, id) => {
      worker.tell({ type: 'event', id, event: { phase: 'gate' } });
      return { session: 7, inputs: [], outputs: [], binding };
    },
    'session.run': (_params, worker, id) =>
      void worker.tell({ type: 'error', id, error: { code: 'usage', message: 'The input "x" is missing', hint: 'give it' } }),
  });
  const session = await Session.create(model(), { onProgress: event => seen.push(event.phase) });
  assert.deepEqual(seen, ['gate']);
  FakeWorker.made[0].tell({ type: 'binding', session: 7, binding: { ...binding, bound: 'webgpu' } });
  assert.equal(session.binding.bound, 'webgpu');
  assert.equal(channelOf(session).session, 7);
  await assert.rejects(session.run({}), { code: 'usage', hint: 'give it' });
  await session.dispose();
});

test('what is no model is refused before any worker starts', async () => {
  reset();
  await assert.rejects(Session.create(42), { code: 'usage' });
  await assert.rejects(Session.create('http://[broken'), { code: 'usage' });
  assert.equal(FakeWorker.made.length, 0);
});
