// The GPU process dies while nothing runs: the first time costs a new device at the next job, the second one
// within two minutes is left alone, and a third leaves no adapter at all. Chromium only: it counts crashes.
import {need, notRun, start} from './harness.mjs';
import {makePage, openPage} from './runtime_page.mjs';
import {random, sameBits} from './runtime_tensors.mjs';

const model = 'silero_vad_v5.onnx';
need('build/web/sluice-web/sluice-simd.wasm', `build/models/${model}`);
const web = await start();
if (!web.isChromium) notRun('only Chromium can be told to kill its GPU process');
const address = makePage(web, 'idle', {[model]: `build/models/${model}`});
const feeds = {
  input: random(5, [1, 512], -1, 1),
  state: random(6, [2, 1, 128], -1, 1),
  sr: {dtype: 'int64', dims: [], data: BigInt64Array.of(16000n)},
};
const settle = () => new Promise(resolve => setTimeout(resolve, 500));

await web.test('three crashes while idle', async () => {
  const page = await openPage(web, address);
  page.page.tolerate(/GPU|device|lost/i);
  const cpu = await page.open(model, {backends: ['cpu']});
  const want = (await page.run(cpu.id, feeds)).outputs.stateN;
  const near = ({data}) =>
    data.every((value, i) => Math.abs(value - want.data[i]) <= 1e-4 + 1e-3 * Math.abs(want.data[i]));
  const {id, binding} = await page.open(model, {allowSoftware: true});
  web.check(binding.bound === 'webgpu', `bound to ${binding.bound}: ${binding.reason}`);
  web.check(near((await page.run(id, feeds)).outputs.stateN), 'run 1 is wrong');

  await web.crashGpu();
  await settle();
  const second = await page.run(id, feeds);
  web.check(near(second.outputs.stateN), 'run 2 is wrong');
  web.check(
    second.binding.bound === 'webgpu',
    `after one idle loss it ran on ${second.binding.bound}: ${second.binding.reason}`,
  );
  web.check(second.binding.failovers.length >= 1, 'the loss is not recorded');
  console.log(
    `        1: ${second.binding.bound}, ${second.binding.failovers.at(-1).stage}: ${second.binding.failovers.at(-1).error}`,
  );

  await web.crashGpu();
  await settle();
  const third = await page.run(id, feeds);
  web.check(third.binding.bound === 'cpu', `after the second loss it ran on ${third.binding.bound}`);
  web.check(sameBits(third.outputs.stateN, want), 'run 3 differs from the CPU');
  console.log(`        2: ${third.binding.bound}: ${third.binding.reason}`);

  await web.crashGpu();
  await settle();
  const fresh = await page.open(model, {allowSoftware: true});
  web.check(fresh.binding.bound === 'cpu', `a new session bound to ${fresh.binding.bound}`);
  web.check(fresh.binding.reason.length > 0, 'it does not say why');
  console.log(`        3: ${fresh.binding.bound}: ${fresh.binding.reason}`);
  web.check(sameBits((await page.run(fresh.id, feeds)).outputs.stateN, want), 'its run differs from the CPU');
  for (const one of [cpu.id, id, fresh.id]) await page.dispose(one);
});
await web.finish();
