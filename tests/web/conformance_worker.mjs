// The worker of the conformance runs: the runtime's own core and executor (web/runtime/src, bundled in) on the
// module's test flavour, which reads a case's files and judges its results. One module, and on the GPU one device,
// for all cases; nothing here falls back to the other executor.
import {Core} from '../../web/runtime/src/core/core.ts';
import {loadModule} from '../../web/runtime/src/core/load.ts';
import {asSluiceError} from '../../web/runtime/src/errors.ts';
import {requestDevice} from '../../web/runtime/src/gpu/device.ts';
import {GpuSession} from '../../web/runtime/src/gpu/gpu_session.ts';

/** The core plus the test flavour's exports (tests/wasm/conformance.cc). Results stay inside: any type will do. */
class CaseCore extends Core {
  gpuFinish(session, record) {
    this.withText(record, (text, size) => this.call('sluice_gpu_finish', session, text, size));
    const {recheck} = this.json();
    return recheck === undefined ? {outputs: {}, nonfinite: false} : {recheck};
  }
  cpuRun(session) {
    this.call('sluice_cpu_run', session);
    return {};
  }
  random(model) {
    return this.withBytes(model, (at, size) => this.call('sluice_test_random', at, size)) === 1;
  }
  /** A session without a self-test of its own: the device has passed one before the first case. */
  openCase(model, gpu) {
    const at = this.place(model);
    const session = this.call('sluice_test_open', at, model.byteLength, gpu ? 1 : 0);
    return {session, ...this.json()};
  }
  feedFile(session, index, bytes) {
    this.withBytes(bytes, (at, size) => this.call('sluice_test_feed', session, index, at, size));
  }
  /** Empty, or what differs. */
  compareFile(session, index, bytes, {atol, rtol}, values) {
    this.withBytes(bytes, (at, size) =>
      this.call('sluice_test_compare', session, index, at, size, atol, rtol, values ? 1 : 0),
    );
    return this.json().difference;
  }
}

let settings;
let loaded = null;
let core = null;
let trapped = false;
let simd = '';
let gpu = null;

async function freshCore() {
  const startThread = thread => postMessage({thread});
  loaded = await loadModule({
    assets: settings.assets,
    threads: settings.threads,
    drivesGpu: true,
    share: false,
    startThread,
  });
  trapped = false;
  core = new CaseCore(loaded, () => {
    trapped = true;
  });
  ({simd} = core.json()); // what configuring it has told
  core.startThreads();
}

/** A device that has passed the whole gate, as a session's would. */
async function freshDevice() {
  gpu?.destroy();
  gpu = await requestDevice({allowSoftware: true, limits: 'guaranteed', f16: true});
  const model = new Uint8Array(await (await fetch(settings.gateModel)).arrayBuffer());
  const {session} = core.open(core.place(model), model.byteLength, {
    name: 'gate',
    requested: 'webgpu',
    strict: true,
    allowSoftware: true,
  });
  await new GpuSession(core, session, gpu).pass();
  core.close(session);
}

async function start(options) {
  settings = options;
  await freshCore();
  if (settings.gpu) await freshDevice();
  return {
    flavour: loaded.flavour,
    threads: core.threads,
    simd,
    adapter: gpu?.facts ?? null,
    inWorker: typeof WorkerGlobalScope !== 'undefined',
  };
}

async function runCase({name, model, sets}, file) {
  const part = ([offset, bytes]) => new Uint8Array(file, offset, bytes);
  const outcome = {name, detail: '', islands: 0, island: '', dispatches: 0};
  let session = 0;
  let onGpu = null;
  try {
    const values = !core.random(part(model));
    const opened = core.openCase(part(model), settings.gpu);
    ({session} = opened);
    if (settings.gpu) {
      const verdict = core.gpuAdapter(session, gpu.facts);
      if (!verdict.passed) throw new Error(verdict.refusal);
      onGpu = new GpuSession(core, session, gpu);
      await onGpu.prepare(); // what is known before any feed, as at load
    } else {
      core.cpuBind(session);
    }
    for (const {inputs, outputs} of sets) {
      for (const [index, range] of inputs) core.feedFile(session, index, part(range));
      if (onGpu) await onGpu.run();
      else core.cpuRun(session);
      const binding = core.binding(session);
      const wanted = settings.gpu ? 'webgpu' : 'cpu';
      if (binding.bound !== wanted || binding.failovers.length > 0) {
        return {...outcome, detail: `the run was on ${binding.bound} (${wanted} is wanted)`};
      }
      outcome.islands = binding.islands?.length ?? 0;
      if (outcome.islands > 0) {
        const {op, node, reason} = binding.islands[0];
        outcome.island = `${op} "${node}": ${reason}`;
      }
      outcome.dispatches += binding.plan?.dispatches ?? 0;
      if (outputs.length === 0 && opened.outputs > 0) return {...outcome, detail: 'a set holds no expected output'};
      for (const [index, range] of outputs) {
        const difference = core.compareFile(session, index, part(range), settings.tolerance, values);
        if (difference) return {...outcome, detail: `output ${index} ${difference}`};
      }
    }
    if (sets.length === 0) outcome.detail = 'there is no test_data_set_0';
    return outcome;
  } catch (thrown) {
    const error = asSluiceError(thrown);
    return {...outcome, detail: `${error.code}: ${error.message}` || 'an error without a text'};
  } finally {
    onGpu?.destroy();
    if (session && !trapped) core.close(session);
  }
}

/** One packed file: the cases' directory as JSON, its size in the first four bytes, then their files. */
async function runBatch(url, skip) {
  const file = await (await fetch(url)).arrayBuffer();
  const size = new DataView(file).getUint32(0, true);
  const cases = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 4, size)));
  for (const one of cases.slice(skip)) {
    postMessage({begin: one.name});
    const at = performance.now();
    const outcome = await runCase(one, file);
    if (settings.gpu && gpu.failure && !outcome.detail) outcome.detail = `the device failed: ${gpu.failure.message}`;
    postMessage({outcome: {...outcome, seconds: (performance.now() - at) / 1000}});
    if (trapped) await freshCore();
    if (settings.gpu && gpu.failure) await freshDevice();
  }
  return {cases: cases.length};
}

onmessage = async ({data}) => {
  try {
    const value = data.start ? await start(data.start) : await runBatch(data.batch, data.skip);
    postMessage({done: value});
  } catch (thrown) {
    postMessage({failed: String(thrown?.stack ?? thrown)});
  }
};
