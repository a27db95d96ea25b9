// The public operator suites in a real browser, through the runtime's own core and executor: on WebGPU (a case
// whose run ends on the CPU fails, and so does one with an island that native runs don't have) and on WebAssembly
// (relaxed SIMD with threads; baseline SIMD on one thread). ./check takes every eighth case and those of `always`
// on WebGPU (in Firefox every 16th); --long takes all. Results: build/results/<suite>-browser-*.json.
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {casesOf, judge, runCases, suites} from './conformance_page.mjs';

const long = Boolean(process.env.SLUICE_LONG);
// Islands, sequences, strings, control flow, randomness, empty tensors, packed and float16 elements.
const always =
  /test_(if|loop|scan|sequence_insert_at_back|split_to_sequence|string_concat|identity_(opt|sequence)|nonzero|compress_0|unique_.*|bernoulli|randomuniform|cast_FLOAT_to_(FLOAT16|INT4|FLOAT8E4M3FN|BFLOAT16)|reduce_sum_empty.*|optional_.*|resize_upsample_sizes_cubic|attention_4d)$/;

need(...suites.map(({folder}) => folder));
const web = await start();
const EVERY = Number(process.env.SLUICE_CONFORMANCE_EVERY ?? (long ? 1 : web.isChromium ? 8 : 16));
fs.mkdirSync(path.join(root, 'build/results'), {recursive: true});

async function run({gpu, flavour, threads, every, what}) {
  for (const suite of suites) {
    await web.test(`${suite.name} on ${what}`, async () => {
      const all = casesOf(suite);
      const cases = all.filter(
        ({name}, i) => i % (every > 1 ? every * (suite.rarely ?? 1) : 1) === 0 || always.test(name),
      );
      const {outcomes, about, seconds} = await runCases(web, {gpu, flavour, threads, suite, cases});
      const executor = `${web.isChromium ? 'browser' : 'browser-firefox'}-${gpu ? 'webgpu' : 'wasm'}`;
      const count = judge(outcomes, {demandIslands: gpu && suite.whole > 0});
      const {adapter, simd} = about;
      console.log(
        `        ${about.flavour} (${simd}), ${about.threads} threads` +
          (adapter ? `, "${adapter.vendor} ${adapter.architecture}", software ${adapter.software}` : ''),
      );
      console.log(
        `        ${cases.length} of ${all.length} cases: ${count.passed} passed, ${count.skipped} known gaps, ` +
          `${count.problems.length} failed; ` +
          (gpu ? `${count.whole} without an island, ${count.idle} of them without a dispatch; ` : '') +
          `${seconds.toFixed(1)} s`,
      );
      const file = `build/results/${suite.name}-${executor}${gpu ? '' : `-${simd}-${about.threads}`}.json`;
      fs.writeFileSync(path.join(root, file), `${JSON.stringify({about, ...count, seconds, outcomes}, null, 1)}\n`);
      web.check(outcomes.length === cases.length, `${outcomes.length} outcomes of ${cases.length} cases`);
      web.check(about.inWorker, 'the executor did not run in a worker');
      web.check(gpu || simd === (flavour === 'relaxed' ? 'relaxed' : 'simd128'), `the module is ${simd}`);
      web.check(gpu || about.threads === threads, `${about.threads} threads (${threads} are wanted)`);
      const share = (100 * count.whole) / cases.length;
      if (gpu && suite.whole && share < suite.whole)
        count.problems.push(`only ${share.toFixed(1)} % of the cases ran without an island`);
      const shown = count.problems.slice(0, 40).join('\n');
      web.check(count.problems.length === 0, `${count.problems.length} problems:\n${shown}`);
    });
  }
}

await run({gpu: true, flavour: 'relaxed', threads: 1, every: EVERY, what: 'WebGPU'});
await run({gpu: false, flavour: 'relaxed', threads: 2, every: 1, what: 'WebAssembly, relaxed SIMD, two threads'});
await run({gpu: false, flavour: 'simd', threads: 1, every: 1, what: 'WebAssembly, baseline SIMD, one thread'});
await web.finish();
