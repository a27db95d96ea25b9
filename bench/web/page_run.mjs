// A runtime in a page, for bench/run: window.bench = {start, batch, results}, driven by ../page_contender.mjs.
import {feedsOf, sampledResults} from './feeds.mjs';

const fetched = async address => new Uint8Array(await (await fetch(address)).arrayBuffer());
// From the address of this module, below which all runtimes lie.
const at = name => new URL(name, import.meta.url).href;

// Each: create(settings, feeds) -> {load_ms: until the model's bytes are there, run() -> {name: data}}.
const runtimes = {
  async sluice({threads, model, outputs, direct, recycle}, feeds) {
    const {Session} = await import('./sluice-web/index.js');
    const begin = performance.now();
    let load_ms = null;
    const session = await Session.create(at(model), {
      threads,
      backends: ['cpu'],
      cache: false,
      worker: !direct,
      ...(outputs ? {outputs} : {}),
      onProgress({phase}) {
        if (phase === 'read') load_ms ??= performance.now() - begin;
      },
    });
    const given = Object.fromEntries(
      Object.entries(feeds).map(([name, {type, dims, data}]) => [name, {dtype: type, dims, data}]),
    );
    let latest = null;
    return {
      load_ms,
      about: session.binding.console,
      async run() {
        const made = await session.run(given, latest ? {recycle: latest} : {});
        if (recycle) latest = made;
        return Object.fromEntries(Object.entries(made).map(([name, {data}]) => [name, data]));
      },
    };
  },

  async ort({threads, model, outputs}, feeds) {
    const ort = await import('./ort/ort.wasm.min.mjs');
    ort.env.wasm.wasmPaths = at('ort/');
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = 'error';
    const begin = performance.now();
    const bytes = await fetched(at(model));
    const load_ms = performance.now() - begin;
    const session = await ort.InferenceSession.create(bytes, {executionProviders: ['wasm']});
    const given = Object.fromEntries(
      Object.entries(feeds).map(([name, {type, dims, data}]) => [name, new ort.Tensor(type, data, dims)]),
    );
    return {
      load_ms,
      about: `${ort.env.wasm.numThreads} threads`,
      async run() {
        const made = await (outputs ? session.run(given, outputs) : session.run(given));
        return Object.fromEntries(Object.entries(made).map(([name, {data}]) => [name, data]));
      },
    };
  },

  async litert({threads, model}, feeds) {
    const litert = await import('./litert/litert.js');
    await litert.loadLiteRt(at('litert/wasm/'), {threads: threads > 1});
    const begin = performance.now();
    const bytes = await fetched(at(model));
    const load_ms = performance.now() - begin;
    const compiled = await litert.loadAndCompile(bytes, {accelerator: 'wasm', cpuOptions: {numThreads: threads}});
    const names = compiled.getOutputDetails().map(({name}) => name);
    const inputs = compiled.getInputDetails();
    return {
      load_ms,
      about: `${threads} threads`,
      // A new picture comes from the page each time, as it does for the others.
      async run() {
        const given = inputs.map(({name}, i) => {
          const {data, dims} = feeds[name] ?? Object.values(feeds)[i];
          return new litert.Tensor(data, dims);
        });
        const made = await compiled.run(given);
        const results = {};
        for (const [i, tensor] of made.entries()) {
          results[names[i]] = await tensor.data();
          tensor.delete();
        }
        for (const tensor of given) tensor.delete();
        return results;
      },
    };
  },
};

let runtime;
let last;
// The results of the run before are dropped, as by a page that has used them.
async function run() {
  last = null;
  const begin = performance.now();
  last = await runtime.run();
  return performance.now() - begin;
}
window.bench = {
  async start(settings) {
    const feeds = feedsOf(settings.inputs);
    const begin = performance.now();
    runtime = await runtimes[settings.runtime](settings, feeds);
    const ready_ms = performance.now();
    const {load_ms, about} = runtime;
    const create_ms = ready_ms - begin - (load_ms ?? 0);
    const first_ms = await run();
    let run_ms = first_ms;
    // Engines compile a module twice, the second time while it runs already.
    for (const until = performance.now() + 400; performance.now() < until && first_ms < 1000;) {
      run_ms = Math.min(run_ms, await run());
    }
    return {load_ms, create_ms, first_ms, ready_ms, run_ms, about};
  },
  async batch(runs) {
    const times = [];
    for (let i = 0; i < runs; ++i) times.push(await run());
    times.sort((a, b) => a - b);
    return times[times.length >> 1];
  },
  results: () => sampledResults(last),
};
