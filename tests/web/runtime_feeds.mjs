// Runs one after another in a real browser: on an isolated page feeds go straight into the module's memory, elsewhere
// they are posted. Whatever happens between two runs (other shapes, calls side by side, aborts, arrays that change once
// run() has returned), each gives what it gives in a fresh session, bit by bit, and the record counts it. Large results
// come in memory that the page has made meanwhile, and stay what they are. Short runs in a row go through shared memory
// both ways (quick_calls.ts): with the same bits, for sessions in turn, and with a typed error or the right results
// whatever goes wrong in the midst of one.
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {ONNX_FLOAT, onnxModel} from './onnx_writer.mjs';
import {makeFaultyPage, openPage} from './runtime_page.mjs';

const file = 'silero_vad_v5.onnx';
need('build/web/sluice-web/sluice-simd.wasm', `build/models/${file}`);
const web = await start();
const alone = await web.serve('build/web', {isolated: false});
// What goes wrong in the worker's third run that no message has called for: ?what=...
const plant = `
const what = new URL(self.location.href).searchParams.get('what');
let called = false;
let quick = 0;
self.addEventListener('message', () => { called = true; });
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (module, imports) => {
  const {exports} = await instantiate(module, imports);
  const faults = {
    trap: () => { throw new WebAssembly.RuntimeError('planted'); },
    crash: () => { reportError(new Error('planted')); for (;;); },
    refuse: () => exports.sluice_cpu_run_again(987654),
    move: session => (exports.sluice_cpu_run(session), 0),
    grow: session => (imports.env.memory.grow(64), exports.sluice_cpu_run_again(session)),
    delay: session => {
      for (const end = performance.now() + 5; performance.now() < end;);
      return exports.sluice_cpu_run_again(session);
    },
  };
  const run = session => {
    if (!called && ++quick === 3) return faults[what](session);
    called = false;
    return exports.sluice_cpu_run_again(session);
  };
  return {exports: {...exports, sluice_cpu_run_again: run}};
};
`;
const address = makeFaultyPage(web, 'feeds', {[file]: `build/models/${file}`}, plant);
const dims = [512, 1024];
fs.writeFileSync(
  path.join(root, 'build/web', address, 'small.onnx'),
  onnxModel({
    nodes: [{op: 'Neg', inputs: ['x'], outputs: ['y']}],
    inputs: [{name: 'x', type: ONNX_FLOAT, dims: [1000]}],
    outputs: [{name: 'y', type: ONNX_FLOAT, dims: [1000]}],
  }),
);
fs.writeFileSync(
  path.join(root, 'build/web', address, 'large.onnx'),
  onnxModel({
    nodes: [
      {op: 'Neg', inputs: ['x'], outputs: ['y']},
      {op: 'Add', inputs: ['x', 'x'], outputs: ['z']},
    ],
    inputs: [{name: 'x', type: ONNX_FLOAT, dims}],
    outputs: ['y', 'z'].map(name => ({name, type: ONNX_FLOAT, dims})),
  }),
);

// In the page: names of what happened, with what went wrong; and how each run's feeds went to the worker.
async function story(model, options) {
  const wrong = [];
  const ways = [];
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...more) {
    if (message.name === 'session.run') {
      ways.push(Object.values(message.params.feeds).every(feed => 'at' in feed) ? 'written' : 'posted');
    }
    return post.call(this, message, ...more);
  };
  const {Session} = window.sluice;
  const how = {backends: ['cpu'], ...options};
  const feeds = (seed, batch = 1) => ({
    input: {
      dtype: 'float32',
      dims: [batch, 512],
      data: Float32Array.from({length: 512 * batch}, (_, i) => Math.sin(i * seed)),
    },
    state: {dtype: 'float32', dims: [2, batch, 128], data: new Float32Array(256 * batch).fill(seed / 100)},
    sr: {dtype: 'int64', dims: [], data: BigInt64Array.of(16000n)},
  });
  const bits = results =>
    Object.values(results)
      .map(({data}) => new Uint32Array(data.buffer).join())
      .join('|');
  const want = new Map();
  for (const [seed, batch] of [
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 1],
    [5, 1],
    [6, 2],
    [7, 2],
  ]) {
    const fresh = await Session.create(model, how);
    want.set(seed, bits(await fresh.run(feeds(seed, batch))));
    await fresh.dispose();
  }
  ways.length = 0;
  const session = await Session.create(model, how);
  const expect = (what, seed, results) => {
    if (bits(results) !== want.get(seed)) wrong.push(`${what} gives something else`);
  };
  for (const [i, seed] of [1, 2, 3, 1, 2].entries()) {
    expect(`run ${seed} of a row`, seed, await session.run(feeds(seed)));
    if (options.worker !== false && ways.length === i) ways.push('quick');
  }
  const inRow = ways.splice(0).join();
  const together = await Promise.all([1, 2, 3, 4].map(seed => session.run(feeds(seed))));
  together.forEach((results, i) => expect(`run ${i + 1} of four at once`, i + 1, results));
  expect('another batch', 6, await session.run(feeds(6, 2)));
  expect('that batch again', 7, await session.run(feeds(7, 2)));
  expect('the first batch', 5, await session.run(feeds(5)));
  const mine = feeds(3);
  const running = session.run(mine);
  mine.input.data.fill(9);
  mine.state.data.fill(9);
  expect('a run whose arrays were changed meanwhile', 3, await running);
  const given = feeds(4);
  expect('a run that got its arrays', 4, await session.run(given, {transfer: true}));
  if (options.worker !== false && given.input.data.length !== 0)
    wrong.push('an array that was given away is still here');
  const old = await session.run(feeds(1));
  const buffers = Object.values(old).map(({data}) => data.buffer);
  const fresh = await session.run(feeds(2), {recycle: old});
  expect('a run into the memory of an old one', 2, fresh);
  if (options.worker !== false && buffers.some(({byteLength}) => byteLength > 0))
    wrong.push('old results are still here');
  expect('a run that can recycle nothing of that size', 6, await session.run(feeds(6, 2), {recycle: fresh}));
  const controller = new AbortController();
  const aborted = session.run(feeds(1), {signal: controller.signal}).then(
    () => 'done',
    error => error.code,
  );
  controller.abort();
  const after = session.run(feeds(2));
  if ((await aborted) !== 'aborted') wrong.push('an aborted run was not aborted');
  expect('the run after an aborted one', 2, await after);
  const failed = await session.run({input: mine.input}).then(
    () => 'done',
    error => error.code,
  );
  if (failed !== 'usage') wrong.push(`feeds that are missing: ${failed}`);
  const results = await session.run(feeds(5));
  expect('the run after a failed one', 5, results);
  const copy = bits(results);
  await session.run(feeds(1));
  await session.run(feeds(2));
  if (bits(results) !== copy) wrong.push('results change with later runs');
  const {binding} = session;
  await session.run(feeds(1));
  const {runs, steady, last_run_seconds: last, console: line} = session.binding;
  if (session.binding === binding || binding.runs + 1 !== runs) wrong.push(`${binding.runs} runs, then ${runs}`);
  if (steady.n !== runs - 1 || steady.buckets.reduce((sum, n) => sum + n) !== steady.n)
    wrong.push('the steady runs are not counted');
  if (!(last >= steady.min_seconds && last <= steady.max_seconds)) wrong.push('the latest run is outside of all');
  if (!line.includes('bound=cpu')) wrong.push(`console: ${line}`);
  await session.dispose();
  Worker.prototype.postMessage = post;
  return {wrong, inRow};
}

for (const [what, url, options, inRow] of [
  ['an isolated page, one thread', web.url, {threads: 1}, /^posted,written(,(written|quick)){3}$/],
  ['an isolated page, two threads', web.url, {threads: 2}, /^posted,written(,(written|quick)){3}$/],
  ['a page that is not isolated', alone.url, {threads: 2}, /^posted(,posted){4}$/],
  ['an isolated page without a worker', web.url, {threads: 1, worker: false}, /^$/],
]) {
  await web.test(what, async () => {
    const {page} = await openPage(web, address, {url});
    const made = await page.evaluate(story, file, options);
    for (const one of made.wrong) web.check(false, one);
    web.check(inRow.test(made.inRow), `feeds were ${made.inRow} (${inRow} expected)`);
  });
}

// In the page: short runs in a row, each call once with the bits that a session in the page's own thread gives; until
// enough of them were answered in place. `what` goes wrong in one of them, in the worker.
async function quickRow({models, threads, what, enough}) {
  const {Session} = window.sluice;
  const wrong = [];
  const errors = [];
  const seen = new WeakSet();
  let posts = 0;
  let answers = 0;
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...more) {
    if (message.name === 'session.run') ++posts;
    if (!seen.has(this)) this.addEventListener('message', ({data}) => (answers += data.type === 'result' ? 1 : 0));
    seen.add(this);
    return post.call(this, message, ...more);
  };
  const feeds = {
    'small.onnx': seed => ({
      x: {dtype: 'float32', dims: [1000], data: new Float32Array(1000).map((_, i) => Math.sin(i * seed))},
    }),
    'silero_vad_v5.onnx': seed => ({
      input: {dtype: 'float32', dims: [1, 512], data: new Float32Array(512).map((_, i) => Math.sin(i * seed))},
      state: {dtype: 'float32', dims: [2, 1, 128], data: new Float32Array(256).fill(seed / 100)},
      sr: {dtype: 'int64', dims: [], data: BigInt64Array.of(16000n)},
    }),
  };
  const bits = results =>
    Object.values(results)
      .map(({data}) => new Uint32Array(data.buffer).join())
      .join('|');
  const seeds = [1, 2, 3];
  const open = async (model, more) => {
    const session = await Session.create(model, {backends: ['cpu'], cache: false, ...more});
    return {model, session, run: (seed, how) => session.run(feeds[model](seed), how)};
  };
  const want = {};
  for (const model of models) {
    const here = await open(model, {worker: false});
    want[model] = [];
    for (const seed of seeds) want[model].push(bits(await here.run(seed)));
    await here.session.dispose();
  }
  const all = [];
  for (const model of models) all.push({...(await open(model, {threads})), runs: 0, inPlace: 0, quick: 0});
  let kept = null;
  let aborted = 0;
  const end = performance.now() + 60_000;
  const left = () => all.some(one => (what ? one.quick < enough : one.inPlace < enough));
  for (let i = 0; left() && errors.length < 5 && performance.now() < end; ++i) {
    for (const one of all) {
      const before = [posts, answers];
      const seed = i % seeds.length;
      const control = !what && i % 7 === 6 ? new AbortController() : null;
      const running = one.run(seeds[seed], control ? {signal: control.signal} : {});
      control?.abort();
      try {
        const results = await running;
        if (bits(results) !== want[one.model][seed]) wrong.push(`run ${i} of ${one.model} gives something else`);
        if (control) wrong.push(`run ${i} was not aborted`);
        if (kept && bits(kept[0]) !== kept[1]) wrong.push('results change with later runs');
        kept = i % 20 ? kept : [results, bits(results)];
      } catch (error) {
        if (control && error.code === 'aborted') ++aborted;
        else errors.push({code: error.code, message: error.message});
        continue;
      }
      if (posts === before[0]) {
        ++one.quick;
        if (answers === before[1]) ++one.inPlace;
      }
    }
  }
  if (errors.length === 0) {
    for (const one of all) {
      const {runs} = one.session.binding;
      await one.run(1);
      if (one.session.binding.runs !== runs + 1)
        wrong.push(`the record has ${runs} runs, then ${one.session.binding.runs}`);
    }
    // Calls side by side, and a session that goes while it runs.
    const [{model}] = all;
    const together = await Promise.all(seeds.flatMap(seed => all.map(one => one.run(seed))));
    if (bits(together[0]) !== want[model][0]) wrong.push('of runs side by side, one gives something else');
  }
  const last = all[0].run(1).then(
    results => bits(results) === want[all[0].model][0],
    error => error.code,
  );
  await Promise.all(all.map(({session}) => session.dispose()));
  const ended = await last;
  if (errors.length === 0 && ended !== true) wrong.push(`the run before dispose() ends with ${ended}`);
  const next = await open(models[0], {threads});
  if (bits(await next.run(1)) !== want[models[0]][0]) wrong.push('the next session gives something else');
  await next.session.dispose();
  Worker.prototype.postMessage = post;
  return {wrong, errors, aborted, inPlace: all.map(({inPlace}) => inPlace), quick: all.map(({quick}) => quick)};
}

for (const threads of [1, 2]) {
  await web.test(`short runs of two sessions in turn, ${threads} threads`, async () => {
    const {page} = await openPage(web, address);
    const models = ['small.onnx', file];
    const made = await page.evaluate(quickRow, {models, threads, what: '', enough: 5});
    for (const one of made.wrong) web.check(false, one);
    for (const {code, message} of made.errors) web.check(false, `${code}: ${message}`);
    web.check(Math.min(...made.inPlace) >= 5, `${made.inPlace} runs were answered in place (5 of each expected)`);
    console.log(`        in place: ${made.inPlace}, aborted: ${made.aborted}`);
  });
}

for (const [what, expected] of [
  ['trap', /^internal: .*planted/],
  ['crash', /^internal: The worker crashed .*planted/],
  ['refuse', /^\w+: .*session/],
  ['move', null],
  ['grow', null],
  ['delay', null],
]) {
  await web.test(`short runs, ${what} in one of them`, async () => {
    const {page} = await openPage(web, `${address}?what=${what}`);
    page.tolerate(/planted/);
    const made = await page.evaluate(quickRow, {models: ['small.onnx'], threads: 1, what, enough: 6});
    for (const one of made.wrong) web.check(false, one);
    const said = made.errors.map(({code, message}) => `${code}: ${message}`);
    web.check(expected ? expected.test(said[0] ?? '') : said.length === 0, `${said.length} errors; ${said[0]}`);
    if (what === 'refuse') web.check(said.length === 1, `later runs fail, too: ${said.join('; ')}`);
    if (expected === null) web.check(made.quick[0] >= 6, `${made.quick} runs were called for quickly (6 expected)`);
    if (said[0]) console.log(`        ${said[0]}`);
  });
}

// In the page: runs in a row whose results are all kept, until some have come in memory that was made for them; null:
// the page isn't told when it is idle.
async function rows(model, dims) {
  let made = 0;
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...more) {
    made += message.params?.recycle?.length ?? 0;
    return post.call(this, message, ...more);
  };
  const session = await window.sluice.Session.create(model, {backends: ['cpu'], threads: 1});
  const length = dims[0] * dims[1];
  const all = [];
  for (let i = 1; i <= 100 && (made < 6 || i < 6); ++i) {
    const data = new Float32Array(length).fill(i);
    const {y, z} = await session.run({x: {dtype: 'float32', dims, data}});
    if (all.length < 16) all.push([i, y.data, z.data]);
  }
  const wrong = all.filter(([i, y, z]) => !y.every(value => value === -i) || !z.every(value => value === 2 * i));
  await session.dispose();
  Worker.prototype.postMessage = post;
  return {made: typeof scheduler === 'undefined' ? null : made, wrong: wrong.map(([i]) => i)};
}

await web.test('large results', async () => {
  const {page} = await openPage(web, address);
  const {made, wrong} = await page.evaluate(rows, 'large.onnx', dims);
  for (const i of wrong) web.check(false, `run ${i} gave something else`);
  if (made !== null)
    web.check(made >= 6, `memory for ${made} results was made while the page waited (at least 6 expected)`);
});
await web.finish();
