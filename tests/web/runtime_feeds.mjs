// Runs one after another in a real browser: on an isolated page feeds go straight into the module's memory, elsewhere
// they are posted. Whatever happens between two runs (other shapes, calls side by side, aborts, arrays that change once
// run() has returned), each gives what it gives in a fresh session, bit by bit, and the record counts it. Large results
// come in memory that the page has made meanwhile, and stay what they are.
import fs from 'node:fs';
import path from 'node:path';
import {need, root, start} from './harness.mjs';
import {ONNX_FLOAT, onnxModel} from './onnx_writer.mjs';
import {makePage, openPage} from './runtime_page.mjs';

const file = 'silero_vad_v5.onnx';
need('build/web/sluice-web/sluice-simd.wasm', `build/models/${file}`);
const web = await start();
const alone = await web.serve('build/web', {isolated: false});
const address = makePage(web, 'feeds', {[file]: `build/models/${file}`});
const dims = [512, 1024];
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
  for (const seed of [1, 2, 3, 1, 2]) expect(`run ${seed} of a row`, seed, await session.run(feeds(seed)));
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
  ['an isolated page, one thread', web.url, {threads: 1}, 'posted,written,written,written,written'],
  ['an isolated page, two threads', web.url, {threads: 2}, 'posted,written,written,written,written'],
  ['a page that is not isolated', alone.url, {threads: 2}, 'posted,posted,posted,posted,posted'],
  ['an isolated page without a worker', web.url, {threads: 1, worker: false}, ''],
]) {
  await web.test(what, async () => {
    const {page} = await openPage(web, address, {url});
    const made = await page.evaluate(story, file, options);
    for (const one of made.wrong) web.check(false, one);
    web.check(made.inRow === inRow, `feeds were ${made.inRow} (${inRow} expected)`);
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
