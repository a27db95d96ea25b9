// The second engine: in Firefox, with its own WebGPU (wgpu and naga), a photo becomes a cut-out in the app's page, and a
// device that is lost in mid-batch costs no picture. Operator cases and whole models have entries of their own
// (conformance, runtime_models, runtime_failover).
import fs from 'node:fs';
import path from 'node:path';
import {commandLineMask, compareAlpha, cutSeeThrough, needApp, openApp, photoAsPng, readPng} from './app_page.mjs';
import {photos, root, start} from './harness.mjs';
import {destroying, plantedApp} from './planted_app.mjs';

needApp();
const {site, before} = plantedApp(`firefox-${process.env.SLUICE_BROWSER ?? 'chromium'}`, destroying);
fs.writeFileSync(path.join(root, site, 'adapter.js'), 'postMessage(Boolean(await navigator.gpu?.requestAdapter()));\n');
const web = await start({site, timeout: 240_000});
const work = 'build/web/firefox-page';
fs.mkdirSync(work, {recursive: true});
const gpu = '?backend=webgpu&allow-software';

await web.test('WebGPU is there in workers, not only in the page', async () => {
  const page = await web.page();
  const facts = await page.evaluate(async () => {
    const adapter = await navigator.gpu?.requestAdapter();
    const {vendor, architecture, device, description} = adapter?.info ?? {};
    const worker = await new Promise(resolve => {
      new Worker('adapter.js', {type: 'module'}).onmessage = event => {
        resolve(event.data);
      };
    });
    const about = [vendor, architecture, device, description].filter(Boolean).join(' ');
    return {page: Boolean(adapter), worker, about};
  });
  console.log(`        in the page: ${facts.page} "${facts.about}", in a worker: ${facts.worker}`);
  web.check(facts.page && facts.worker, 'an adapter is missing');
});

const png = path.join(work, 'portrait.png');
let mask;
await web.test('the command line cuts the same pixels', async () => {
  const page = await openApp(web);
  fs.writeFileSync(png, await photoAsPng(page, path.join(photos, 'portrait.jpg')));
  mask = commandLineMask(png, 'fast', path.join(work, 'mask'));
});

function expectSame(bytes) {
  const picture = readPng(bytes);
  const {share, largest} = compareAlpha(picture, mask);
  console.log(
    `        ${(share * 100).toFixed(3)} % of pixels within 1 of 255 of the command line's, at most ${largest}`,
  );
  web.check(share >= 0.999, `only ${share} of the pixels are within 1 of 255 of the command line's`);
  const alphas = picture.pixels.filter((_, i) => i % 4 === 3);
  web.check(alphas.includes(255) && alphas.includes(0), 'the matte is all of one kind');
}

await web.test('a photo dropped on the page becomes a cut-out on WebGPU', async () => {
  const page = await openApp(web, gpu);
  await page.drop('main', [png]);
  await page.cut();
  const line = await page.text('.status-text');
  console.log(`        ${line}`);
  web.check(line.startsWith('GPU: '), `it ran on something else: ${line}`);
  const saved = await page.download(async () => (await page.button('Download')).click());
  expectSame(saved.bytes);
  await page.shot('cutout-webgpu');
});

await web.test('and on WebAssembly', async () => {
  const page = await openApp(web, '?backend=cpu');
  await page.drop('main', [png]);
  await page.cut();
  const line = await page.text('.status-text');
  web.check(/^CPU, \d+ threads?: /.test(line), `it says: ${line}`);
  const saved = await page.download(async () => (await page.button('Download')).click());
  expectSame(saved.bytes);
});

await web.test('see-through pictures keep their colours', async () => {
  await cutSeeThrough(web, await openApp(web, '?backend=cpu'), png, work);
});

await web.test(
  'a device lost in mid-batch: every picture is cut, in order, and the page says what happened',
  async () => {
    const page = await openApp(web, '?allow-software', {before});
    page.tolerate(/GPU|device|lost/i);
    const names = ['one.png', 'two.png', 'three.png', 'four.png'];
    const bytes = fs.readFileSync(png);
    await page.drop(
      'main',
      names.map(name => ({name, type: 'image/png', bytes})),
    );
    await page.waitForSelector('.thumb[data-status="done"]');
    const began = await page.text('.status-text');
    web.check(began.startsWith('GPU: '), `it began on something else: ${began}`);
    web.check((await page.evaluate(() => window.plant({plant: 'arm', submit: 3}))) === 1, 'there is no worker to arm');
    await page.idle();
    const done = await page.$$eval('.thumb', all =>
      all.map(one => [one.dataset.status, one.getAttribute('aria-label')]),
    );
    web.check(
      done.length === names.length &&
        done.every(([status, label], i) => status === 'done' && label.startsWith(names[i])),
      `the pictures are ${JSON.stringify(done)}`,
    );
    const line = await page.text('.status-text');
    console.log(`        ${line}`);
    web.check(/^CPU, .*the GPU failed/.test(line), `the page says: ${line}`);
    await page.shot('failover');
    const zip = await page.download(async () => (await page.button('Download all')).click());
    web.check(zip.bytes.length > names.length * 1000, `the ZIP has ${zip.bytes.length} bytes`);
  },
);
await web.finish();
