// A batch of pictures on WebGPU in the real app keeps its memory: between image 10 and the last, the heaps of page and
// worker, the module's memory and the bytes of all live GPU buffers stay within 5 %; the document's nodes do so once
// the row of thumbnails is full. 30 pictures; with SLUICE_LONG 100.
import {heapOf, needApp, openApp, pageMemory, writePng} from './app_page.mjs';
import {start} from './harness.mjs';
import {counting, plantedApp} from './planted_app.mjs';

needApp();
const {site, before} = plantedApp('memory', counting);
const web = await start({site, timeout: 600_000});
const count = process.env.SLUICE_LONG ? 100 : 30;
const PART = 10;

/** A figure before a wall, each time of another colour and place. */
function picture(i) {
  const [width, height] = [320, 240];
  const pixels = new Uint8Array(width * height * 3);
  const middle = 100 + ((i * 37) % 120);
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const inside = Math.hypot(x - middle, (y - 90) * 0.8) < 40 || (y > 130 && Math.abs(x - middle) < 70);
      pixels.set(inside ? [220, 170, 140] : [40, (90 + i) & 255, (200 - i) & 255], (y * width + x) * 3);
    }
  }
  return {name: `picture ${i}.png`, type: 'image/png', bytes: writePng({width, height, channels: 3, pixels})};
}

async function memoryOf(page) {
  const worker = page.workers().find(one => one.url().endsWith('/planted.js'));
  web.check(worker, `there is no worker (${page.workers().map(one => one.url())})`);
  const own = await pageMemory(page);
  const inWorker = await heapOf(worker.client);
  await page.evaluate(() => {
    window.planted = null;
    window.plant({plant: 'count'});
  });
  await page.waitForFunction(() => window.planted !== null);
  const {counted} = await page.evaluate(() => window.planted);
  return {page: own.bytes, nodes: own.nodes, worker: inWorker.used + inWorker.outside, ...counted};
}

await web.test(`${count} pictures on WebGPU in flat memory`, async () => {
  if (!web.isChromium) return;
  const page = await openApp(web, '?backend=webgpu&allow-software', {before});
  const seen = [];
  const begin = Date.now();
  for (let from = 0; from < count; from += PART) {
    await page.drop(
      'main',
      Array.from({length: PART}, (_, i) => picture(from + i)),
    );
    await page.done(from + PART);
    await page.idle();
    const line = await page.text('.status-text');
    web.check(line.startsWith('GPU: '), `after ${from + PART} pictures it runs on something else: ${line}`);
    seen.push(await memoryOf(page));
    const {page: heap, nodes, worker, wasm, buffers, bytes, mostBytes} = seen.at(-1);
    const mb = value => (value / 1e6).toFixed(2);
    console.log(
      `        ${from + PART}: page ${mb(heap)} MB and ${nodes} nodes, worker ${mb(worker)} MB, module ${mb(wasm)} MB, ${buffers} GPU buffers of ${mb(bytes)} MB ` +
        `(at most ${mb(mostBytes)}), ${((Date.now() - begin) / 1000).toFixed(1)} s`,
    );
  }
  const [first] = seen;
  const last = seen.at(-1);
  for (const what of ['page', 'worker', 'wasm', 'bytes', 'mostBytes', 'buffers']) {
    web.check(first[what] > 0, `${what} is ${first[what]}: nothing was measured`);
    web.check(last[what] <= first[what] * 1.05, `${what} grew from ${first[what]} to ${last[what]}`);
  }
  web.check(last.nodes <= seen[1].nodes * 1.05, `${last.nodes} nodes (${seen[1].nodes} at ${2 * PART} pictures)`);
});
await web.finish();
