// The executor, the gate's self-test and the failover on a fake device: every kind of fault at every call.
import assert from 'node:assert/strict';
import test from 'node:test';
import { GpuDevice } from '../../../build/web/stage/gpu/device.js';
import { DeviceKeeper } from '../../../build/web/stage/gpu/device_keeper.js';
import { LoadedSession } from '../../../build/web/stage/engine/loaded_session.js';
import { FakeCore, expected, kernels } from './fake_core.mjs';
import { FakeGpu, faultKinds } from './fake_gpu.mjs';

const facts = { present: true, vendor: '', architecture: '', device: '', description: '', software: false, limits: {}, features: {} };
// Long enough for a busy machine, and short once a promise is meant to hang.
function withDeadline(device, gpu) {
  return Object.defineProperty(device, 'deadlineMs', { get: () => (gpu.hanging ? 30 : 20_000) });
}
const quiet = () => {};

/** A session on fake devices; `faults` are those of the first. */
function world({ faults = [], core = new FakeCore(), options = {}, lastFailure = null } = {}) {
  const devices = [];
  const clock = { now: 1_000_000 };
  const failures = [];
  const keeper = new DeviceKeeper(
    lastFailure,
    at => failures.push(at),
    async () => {
      const gpu = new FakeGpu(kernels, devices.length === 0 ? faults : []);
      devices.push(gpu);
      return withDeadline(new GpuDevice(gpu, facts, 0), gpu);
    },
    () => clock.now,
  );
  const session = new LoadedSession(core, core.opened, keeper, { name: 'm', ...options });
  return { core, session, devices, keeper, clock, failures };
}

const feed = count => ({ x: { dtype: 'float32', dims: [count], data: Float32Array.from({ length: count }, (_, i) => i - 3) } });
async function runAndCheck(session, count) {
  const feeds = feed(count);
  const { y } = await session.run(feeds);
  assert.deepEqual([...y.data], [...expected(feeds.x.data)]);
}

test('a job on the device: gate, island, sizes that change, self-test again', async () => {
  const { core, session, devices } = world();
  await session.bind(quiet);
  assert.equal(core.bound, 'webgpu');
  for (const count of [8, 8, 100, 5, 100]) await runAndCheck(session, count);
  assert.deepEqual(core.runs, { gpu: 5, cpu: 0 });
  assert.ok(core.log.includes('verdict after run 1'));
  assert.equal(devices.length, 1);
  assert.deepEqual(core.failovers, []);
  assert.equal(devices[0].scopes.length, 0, 'error scopes stay open');
});

test('device memory is given back', async () => {
  const { session, devices } = world();
  await session.bind(quiet);
  await runAndCheck(session, 8);
  await runAndCheck(session, 1000);
  session.close();
  await new Promise(resolve => setTimeout(resolve, 20));
  assert.equal(devices[0].bytes, 0);
});

test('a run of known sizes makes no buffer, no bind group, no pipeline', async () => {
  const { session, devices } = world();
  await session.bind(quiet);
  await runAndCheck(session, 16);
  await runAndCheck(session, 16);
  const { createBuffer, createBindGroup, createComputePipelineAsync } = { ...devices[0].calls };
  await runAndCheck(session, 16);
  const now = devices[0].calls;
  assert.deepEqual([now.createBuffer, now.createBindGroup, now.createComputePipelineAsync], [createBuffer, createBindGroup, createComputePipelineAsync]);
});

// How often each call is made in a load and three runs.
async function callsOf() {
  const { session, devices } = world();
  await session.bind(quiet);
  for (let i = 0; i < 3; ++i) await runAndCheck(session, 8 + i);
  return devices[0].calls;
}

test('every kind of fault at every call: the job ends, with right numbers', async t => {
  const calls = await callsOf();
  let cases = 0, failedOver = 0;
  for (const [call, count] of Object.entries(calls)) {
    const numbers = new Set([1, 2, 3, count >> 1, count - 1, count].filter(n => n >= 1 && n <= count));
    for (const kind of faultKinds) {
      for (const number of numbers) {
        const what = `${kind} at ${call} ${number} of ${count}`;
        const { core, session, devices } = world({ faults: [{ call, number, kind }] });
        const work = (async () => {
          await session.bind(quiet);
          for (let i = 0; i < 3; ++i) await runAndCheck(session, 8 + i);
        })();
        const hung = new Promise((_, reject) => setTimeout(reject, 60_000, new Error(`${what}: no end`)).unref());
        await Promise.race([work, hung]).catch(thrown => {
          assert.fail(`${what}: ${thrown.stack}`);
        });
        ++cases;
        assert.equal(devices[0].fired.length, 1, `${what}: the fault was not met`);
        assert.ok(core.failovers.length <= 1, `${what}: ${core.failovers.length} failovers`);
        assert.ok(devices.length <= 2, `${what}: ${devices.length} devices`);
        assert.equal(core.runs.gpu + core.runs.cpu, 3, what);
        // What the device itself tells of must not be passed over.
        if (kind === 'uncaptured' || (kind === 'lose' && core.runs.gpu < 3)) {
          assert.ok(core.failovers.length === 1 || devices.length === 2 || core.runs.gpu === 3, `${what}: nothing is recorded`);
        }
        failedOver += core.failovers.length;
      }
    }
  }
  t.diagnostic(`${cases} faults, ${failedOver} failovers`);
  assert.ok(cases >= 250 && failedOver > cases / 2);
});

test('a stale device is caught: nothing is made up', async () => {
  const calls = await callsOf();
  const { core, session } = world({ faults: [{ call: 'submit', number: calls.submit - 2, kind: 'stale' }] });
  await session.bind(quiet);
  for (let i = 0; i < 3; ++i) await runAndCheck(session, 8 + i);
  assert.equal(core.failovers.length, 1);
  assert.match(core.failovers[0].error, /sentinel/);
});

test('a refusal of the gate binds to the CPU, or fails when the GPU alone was asked for', async () => {
  const auto = world({ core: new FakeCore({ refusal: 'It is a software adapter' }) });
  await auto.session.bind(quiet);
  assert.deepEqual(auto.core.failovers, [{ stage: '', error: 'It is a software adapter', deviceLost: false }]);
  await runAndCheck(auto.session, 4);
  const only = world({ core: new FakeCore({ refusal: 'It is a software adapter', requested: 'webgpu' }), options: { backends: ['webgpu'] } });
  await assert.rejects(only.session.bind(quiet), { code: 'device', message: 'It is a software adapter' });
});

test('lost while idle: another device at the next job, once in two minutes', async () => {
  const { core, session, devices, clock } = world();
  await session.bind(quiet);
  await runAndCheck(session, 8);
  devices[0].lose('unknown');
  await new Promise(resolve => setTimeout(resolve, 5));
  await runAndCheck(session, 8);
  assert.equal(devices.length, 2);
  assert.equal(core.bound, 'webgpu');
  assert.equal(core.failovers[0].stage, 'idle');
  clock.now += 60_000;
  devices[1].lose('unknown');
  await new Promise(resolve => setTimeout(resolve, 5));
  await runAndCheck(session, 8);
  assert.equal(devices.length, 2, 'a third device within two minutes');
  assert.equal(core.bound, 'cpu');
});

test('after a failover the GPU is left alone for two minutes, then only retryGpu() takes it', async () => {
  const calls = await callsOf();
  const { core, session, devices, clock, failures } = world({ faults: [{ call: 'submit', number: calls.submit - 1, kind: 'lose' }] });
  await session.bind(quiet);
  for (let i = 0; i < 3; ++i) await runAndCheck(session, 8 + i);
  assert.equal(core.failovers.length, 1);
  assert.equal(core.failovers[0].deviceLost, true);
  assert.equal(failures.length, 1);
  clock.now += 119_000;
  await assert.rejects(session.retryGpu(), { code: 'device' });
  await runAndCheck(session, 8);
  assert.equal(devices.length, 1);
  clock.now += 2_000;
  await runAndCheck(session, 8);
  assert.equal(devices.length, 1, 'a device nobody asked for');
  await session.retryGpu();
  assert.equal(devices.length, 2);
  await runAndCheck(session, 8);
  assert.equal(core.bound, 'webgpu');
});

test('after a failover new sessions leave the GPU alone for two minutes and say why', async () => {
  const calls = await callsOf();
  const { session, devices, keeper, clock } = world({ faults: [{ call: 'submit', number: calls.submit - 1, kind: 'lose' }] });
  await session.bind(quiet);
  for (let i = 0; i < 3; ++i) await runAndCheck(session, 8 + i);
  const another = async () => {
    const core = new FakeCore();
    const fresh = new LoadedSession(core, core.opened, keeper, { name: 'another' });
    await fresh.bind(quiet);
    await runAndCheck(fresh, 8);
    return core;
  };
  clock.now += 119_000;
  const early = await another();
  assert.equal(early.bound, 'cpu');
  assert.equal(devices.length, 1);
  assert.match(early.failovers[0].error, /The last device failed 119 s ago .*; another is asked for after 120 s/);
  clock.now += 2_000;
  const late = await another();
  assert.equal(late.bound, 'webgpu');
  assert.equal(devices.length, 2);
  assert.deepEqual(late.failovers, []);
});

test('a failure of an earlier worker counts', async () => {
  const { core, session, devices } = world({ lastFailure: 1_000_000 - 5_000 });
  await session.bind(quiet);
  assert.equal(devices.length, 0);
  assert.equal(core.bound, 'cpu');
});

test('an aborted run ends between two submits, and the next one is right', async () => {
  const { core, session } = world();
  await session.bind(quiet);
  await runAndCheck(session, 8);
  const controller = new AbortController();
  const run = session.run(feed(8), controller.signal);
  controller.abort(new Error('no longer wanted'));
  await assert.rejects(run, { code: 'aborted', name: 'AbortError' });
  await runAndCheck(session, 8);
  assert.equal(core.failovers.length, 0);
});

test('strict: an error instead of the CPU', async () => {
  const calls = await callsOf();
  const core = new FakeCore({ strict: true });
  const { session } = world({ core, faults: [{ call: 'submit', number: calls.submit, kind: 'lose' }] });
  await session.bind(quiet);
  await assert.rejects(async () => {
    for (let i = 0; i < 3; ++i) await runAndCheck(session, 8 + i);
  }, { code: 'device' });
  assert.equal(core.runs.cpu, 0);
});
