// How a device is asked for, what is told of it, how waits end, how submits are cut, which module is chosen.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chooseFlavour, detectFeatures } from '../../../build/web/stage/core/features.js';
import { within, FailureSignal } from '../../../build/web/stage/gpu/deadline.js';
import { GpuDevice, requestDevice } from '../../../build/web/stage/gpu/device.js';
import { Recorder } from '../../../build/web/stage/gpu/recorder.js';
import { limits as rows } from '../../../build/web/stage/generated/limits.js';
import { FakeGpu } from './fake_gpu.mjs';

const guaranteed = Object.fromEntries(rows.map(({ name, guaranteed: value }) => [name, value]));
const facts = { present: true, software: false, limits: {}, features: {} };
const options = { limits: 'guaranteed', f16: true };

/** navigator.gpu as given; what requestDevice was asked for is in `asked`. */
function withGpu(gpu) {
  const asked = [];
  const adapter = gpu.adapter && {
    features: new Set(gpu.features ?? []),
    limits: { ...guaranteed, ...gpu.limits },
    ...(gpu.info ? { info: gpu.info } : {}),
    ...(gpu.isFallbackAdapter !== undefined ? { isFallbackAdapter: gpu.isFallbackAdapter } : {}),
    requestDevice: async descriptor => {
      asked.push(descriptor);
      if (gpu.refuse) throw new Error('the adapter is consumed');
      const device = new FakeGpu({});
      device.features = new Set(descriptor.requiredFeatures);
      device.limits = { ...guaranteed, ...descriptor.requiredLimits };
      return device;
    },
  };
  const value = gpu.none ? {} : { gpu: { requestAdapter: gpu.request ?? (async () => adapter ?? null), ...gpu.more } };
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
  return asked;
}

test('no WebGPU, no adapter, no device: device errors with their own sentences', async () => {
  withGpu({ none: true });
  await assert.rejects(requestDevice(options), { code: 'device', message: /no WebGPU/ });
  withGpu({});
  await assert.rejects(requestDevice(options), { code: 'device', message: /no WebGPU adapter/ });
  withGpu({ adapter: true, refuse: true });
  await assert.rejects(requestDevice(options), { code: 'device', message: /gives no device/ });
});

test('an adapter that never answers is given up after 10 s', async t => {
  withGpu({ request: () => new Promise(() => {}) });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const waiting = requestDevice(options);
  let ended = false;
  waiting.catch(() => (ended = true));
  t.mock.timers.tick(9_999);
  await new Promise(resolve => setImmediate(resolve));
  assert.equal(ended, false);
  t.mock.timers.tick(1);
  await assert.rejects(waiting, { code: 'device', message: /within 10 s/ });
});

test('what is asked for: only sizes beyond the guaranteed limits, all on request; float16 unless refused', async () => {
  const large = { maxBufferSize: 2 ** 31, maxStorageBufferBindingSize: 2 ** 30, maxStorageBuffersPerShaderStage: 16 };
  let asked = withGpu({ adapter: true, limits: large, features: ['shader-f16', 'timestamp-query', 'depth-clip-control'] });
  const gpu = await requestDevice(options);
  assert.deepEqual(asked[0].requiredLimits, { maxBufferSize: 2 ** 31, maxStorageBufferBindingSize: 2 ** 30 });
  assert.deepEqual(asked[0].requiredFeatures, ['shader-f16']);
  assert.equal(gpu.facts.limits.max_buffer_bytes, 2 ** 31);
  assert.equal(gpu.facts.limits.max_storage_buffers_per_stage, 8);
  assert.deepEqual(gpu.facts.features, { f16: true, subgroups: false, packed_dot: false, timestamp_query: false });
  asked = withGpu({ adapter: true, limits: large, features: ['shader-f16'] });
  await requestDevice({ ...options, limits: 'adapter', f16: false });
  assert.equal(asked[0].requiredLimits.maxStorageBuffersPerShaderStage, 16);
  assert.deepEqual(asked[0].requiredFeatures, []);
});

test('what is told of the adapter: empty names are passed on, a fallback is software', async () => {
  withGpu({ adapter: true });
  assert.deepEqual((({ vendor, software }) => ({ vendor, software }))((await requestDevice(options)).facts), { vendor: '', software: false });
  withGpu({ adapter: true, info: { vendor: 'google', architecture: 'swiftshader', isFallbackAdapter: true } });
  const { facts: told } = await requestDevice(options);
  assert.deepEqual([told.vendor, told.architecture, told.software], ['google', 'swiftshader', true]);
  withGpu({ adapter: true, info: { vendor: 'x' }, isFallbackAdapter: true });
  assert.equal((await requestDevice(options)).facts.software, true, 'the older place of the flag');
});

test('waits end: by the deadline, by the failure of the device, and late answers change nothing', async () => {
  const signal = new FailureSignal();
  await assert.rejects(within(new Promise(() => {}), 5, 'x', signal), { code: 'device', message: /did not answer/ });
  const waiting = within(new Promise(resolve => setTimeout(resolve, 20, 'late')), 1000, 'x', signal);
  signal.fail(Object.assign(new Error('lost'), { code: 'device' }));
  await assert.rejects(waiting, { message: 'lost' });
  await assert.rejects(within(Promise.resolve(1), 1000, 'x', signal), { message: 'lost' });
  assert.equal(await within(Promise.resolve(1), 1000, 'x'), 1);
  await assert.rejects(within(Promise.reject(new Error('inner')), 1000, 'x'), { code: 'device', message: /inner/ });
});

// Time as the test tells it: timers and performance.now() alike.
function clockOf(t) {
  let now = 1000;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(performance, 'now', () => now);
  return async seconds => {
    for (let i = 0; i < seconds; ++i) {
      now += 1000;
      t.mock.timers.tick(1000);
      for (let turn = 0; turn < 10; ++turn) await new Promise(resolve => setImmediate(resolve));
    }
  };
}
const shader = i => ({ label: `shader ${i}`, wgsl: `${i}`, uniform: false, bindings: 1, writableMask: 0 });

test('a deadline is for a silence: a machine that takes long for each of many shaders is waited for', async t => {
  const pass = clockOf(t);
  const fake = new FakeGpu({});
  const answers = [];
  fake.createComputePipelineAsync = ({ label }) => new Promise(resolve => answers.push(() => resolve({ label })));
  const gpu = new GpuDevice(fake, facts, 10_000);
  let made;
  let error;
  gpu.pipelines.acquire([0, 1, 2, 3, 4, 5].map(shader)).then(
    all => (made = all),
    thrown => (error = thrown),
  );
  await pass(0);
  await pass(1);
  for (let i = 0; i < 6; ++i) {
    await pass(8);
    assert.equal(error, undefined, `after ${1 + 8 * (i + 1)} s: ${error?.message}`);
    assert.equal(made, undefined);
    answers[i]();
  }
  await pass(1);
  assert.equal(made.length, 6);
});

test('whoever falls silent is given up, however much was answered before', async t => {
  const pass = clockOf(t);
  const fake = new FakeGpu({});
  const answers = [];
  fake.createComputePipelineAsync = ({ label }) => new Promise(resolve => answers.push(() => resolve({ label })));
  const gpu = new GpuDevice(fake, facts, 10_000);
  let error;
  gpu.pipelines.acquire([shader(0), shader(1)]).catch(thrown => (error = thrown));
  await pass(8);
  answers[0]();
  await pass(10);
  assert.equal(error, undefined);
  await pass(1);
  assert.match(error.message, /did not answer within 10 s \(compiling shaders\)/);
});

test('submits stay within their budget, and few are under way', async () => {
  const fake = new FakeGpu({ k: () => {} });
  let underWay = 0, most = 0, list = [];
  const dispatched = [];
  const plain = fake.queue.submit.bind(fake.queue);
  fake.queue.submit = lists => {
    dispatched.push(lists.flat().length);
    most = Math.max(most, ++underWay);
    plain(lists);
  };
  fake.queue.onSubmittedWorkDone = () =>
    new Promise(resolve => {
      list.push(() => (--underWay, resolve()));
      setTimeout(() => list.shift()?.(), 1);
    });
  const recorder = new Recorder(new GpuDevice(fake, facts, 5000));
  const group = { entries: [] };
  // 2e11 operations a second are assumed at first: each dispatch is 50 ms, so four fill a submit of 200 ms.
  for (let i = 0; i < 40; ++i) await recorder.dispatch({ label: 'k' }, group, [1, 1, 1], 1e10, 0);
  await recorder.finish();
  assert.equal(recorder.stats.dispatches, 40);
  assert.equal(dispatched.reduce((sum, count) => sum + count), 40);
  assert.equal(dispatched[0], 3, 'the first submit holds what is estimated at no more than 200 ms');
  assert.ok(most <= 3, `${most} submits were under way`);
  assert.equal(underWay, 0);
  // Many tiny ones: cut by number.
  dispatched.length = 0;
  for (let i = 0; i < 2500; ++i) await recorder.dispatch({ label: 'k' }, group, [1, 1, 1], 0, 0);
  await recorder.finish();
  assert.ok(dispatched.length >= 3 && dispatched.every(count => count <= 1000), `${dispatched}`);
});

test('the flavour: relaxed SIMD where it is there, shared memory where it is allowed and wanted', () => {
  const all = { simd: true, relaxedSimd: true, threads: true };
  assert.equal(chooseFlavour(all, true), 'relaxed-threads');
  assert.equal(chooseFlavour(all, false), 'relaxed');
  assert.equal(chooseFlavour({ ...all, threads: false }, true), 'relaxed');
  assert.equal(chooseFlavour({ ...all, relaxedSimd: false }, true), 'simd-threads');
  assert.equal(chooseFlavour({ simd: false, relaxedSimd: false, threads: true }, true), null);
  const here = detectFeatures();
  assert.equal(here.simd, true);
  assert.equal(here.threads, true);
  const relaxed = process.execArgv.includes('--experimental-wasm-relaxed-simd') || Number(process.versions.node.split('.')[0]) >= 22;
  assert.equal(here.relaxedSimd, relaxed);
});
