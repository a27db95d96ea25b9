// Many pictures: in order, under their names, each in the ZIP and in the record; memory stays flat; a batch
// that is cancelled can be taken up again.
import fs from 'node:fs';
import path from 'node:path';
import {spawnSync} from 'node:child_process';

import {needApp, openApp, pageMemory, photos, readPng, site, writePng} from './app_page.mjs';
import {start} from './harness.mjs';

needApp();
const web = await start({site, timeout: 600_000});
const count = process.env.SLUICE_LONG ? 200 : 100;
const work = 'build/web/app-batch';
fs.rmSync(work, {recursive: true, force: true});
fs.mkdirSync(work, {recursive: true});

/** Small pictures, each of its own size and colour, so that none can be taken for another. */
function makePictures(total) {
  return Array.from({length: total}, (_, i) => {
    const width = 200 + (i % 50),
      height = 160 + Math.floor(i / 50);
    const pixels = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; ++y) {
      for (let x = 0; x < width; ++x) {
        const inside =
          Math.hypot(x - width / 2, (y - height * 0.4) * 0.8) < 40 ||
          (y > height * 0.6 && Math.abs(x - width / 2) < 70);
        pixels.set(inside ? [220, 170, 140] : [40, 90 + i, 200 - i], (y * width + x) * 3);
      }
    }
    const name = i === 7 ? 'picture 3.png' : `picture ${i}.png`; // one name twice
    return {name, type: 'image/png', width, height, bytes: writePng({width, height, channels: 3, pixels})};
  });
}

/** The entries of a ZIP, read by another program. */
function unzip(bytes) {
  fs.writeFileSync(path.join(work, 'cutouts.zip'), bytes);
  const out = spawnSync(
    'python3',
    [
      '-c',
      `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
bad = z.testzip()
z.extractall(sys.argv[2])
print(json.dumps({"bad": bad, "names": z.namelist()}))`,
      path.join(work, 'cutouts.zip'),
      path.join(work, 'out'),
    ],
    {encoding: 'utf8'},
  );
  if (out.status !== 0) throw new Error(out.stderr);
  return JSON.parse(out.stdout);
}

await web.test(`${count} pictures in order, by name, in flat memory`, async () => {
  const page = await openApp(web, '?backend=cpu');
  const pictures = makePictures(count);
  await page.drop('main', pictures);
  const heaps = [];
  const begin = Date.now();
  let asked = 10;
  while (asked <= count) {
    await page.done(asked);
    heaps.push(await pageMemory(page));
    asked += Math.ceil((count - 10) / 6);
  }
  await page.idle();
  heaps.push(await pageMemory(page));
  console.log(
    `  ${count} pictures in ${((Date.now() - begin) / 1000).toFixed(1)} s; heap ${heaps.map(one => (one.bytes / 1e6).toFixed(2)).join(', ')} MB`,
  );
  web.check((await page.count('done')) === count, `${await page.count('done')} are done`);
  const [first, last] = [heaps[0], heaps[heaps.length - 1]];
  web.check(last.bytes <= first.bytes * 1.05, `the heap grew from ${first.bytes} to ${last.bytes} bytes`);
  web.check(last.nodes <= heaps[1].nodes * 1.05, `the document grew from ${heaps[1].nodes} to ${last.nodes} nodes`);
  const bitmaps = await page.evaluate(() => window.openUrls());
  const rows = (await page.$$('.thumb')).length;
  web.check(rows < 40 && bitmaps <= rows + 2, `${rows} thumbnails and ${bitmaps} object URLs for ${count} pictures`);

  const order = (await page.labels()).map(label => label.replace(/, done.*/, ''));
  web.check(String(order) === String(pictures.map(one => one.name)), 'the order on the page is another');
  await page.shot('batch');
  const {name, bytes} = await page.download(async () => (await page.button('Download all')).click());
  web.check(name === 'cutouts.zip', `the file is called ${name}`);
  const {bad, names} = unzip(bytes);
  web.check(bad === null, `the CRC of ${bad} is wrong`);
  web.check(
    names.length === count + 1 && names[count] === 'record.json',
    `${names.length} entries, the last is ${names[names.length - 1]}`,
  );
  const record = JSON.parse(fs.readFileSync(path.join(work, 'out/record.json'), 'utf8'));
  web.check(
    record.model === 'selfie' && record.bound === 'cpu' && record.images.length === count,
    'the record is incomplete',
  );
  for (const [i, picture] of pictures.entries()) {
    const image = record.images[i];
    web.check(
      image.input === picture.name && image.status === 'done' && image.output === names[i],
      `record ${i}: ${JSON.stringify(image)}`,
    );
    web.check(image.milliseconds.total > 0 && image.bound === 'cpu', `record ${i} has no times`);
    const result = readPng(fs.readFileSync(path.join(work, 'out', names[i])));
    web.check(
      result.width === picture.width && result.height === picture.height,
      `${names[i]} belongs to another picture`,
    );
  }
  web.check(new Set(names).size === names.length, 'two entries have one name');
  web.check(names[7] === 'picture 3-cutout-2.png', `the second "picture 3" is called ${names[7]}`);
});

// The site with a worker that tells what it holds: bytes of GPU buffers, and of the module's memory.
const counted = 'build/web/app-counted';
fs.rmSync(counted, {recursive: true, force: true});
fs.cpSync(site, counted, {recursive: true, filter: file => !/\.(onnx|map)$/.test(file)});
fs.writeFileSync(
  `${counted}/worker.js`,
  `
let held = 0;
const sizes = new WeakMap(), memories = [];
const make = GPUDevice.prototype.createBuffer, destroy = GPUBuffer.prototype.destroy;
GPUDevice.prototype.createBuffer = function (about) {
  const buffer = make.call(this, about);
  sizes.set(buffer, about.size);
  held += about.size;
  return buffer;
};
GPUBuffer.prototype.destroy = function () {
  held -= sizes.get(this) ?? 0;
  sizes.delete(this);
  destroy.call(this);
};
const Memory = WebAssembly.Memory;
WebAssembly.Memory = class extends Memory {
  constructor(about) {
    super(about);
    memories.push(this);
  }
};
const news = new BroadcastChannel('held');
setInterval(() => news.postMessage({gpu: held, wasm: memories.reduce((sum, one) => sum + one.buffer.byteLength, 0)}), 100);
${fs.readFileSync(`${site}/worker.js`, 'utf8')}`,
);

const withCount = {
  before: async fresh => {
    await fresh.evaluateOnNewDocument(() => {
      new BroadcastChannel('held').onmessage = event => {
        window.held = event.data;
      };
    });
  },
};
/** What the worker holds between two pictures: the least of a while, since a run's own buffers come and go. */
async function heldBy(page, n) {
  await page.done(n);
  await new Promise(resolve => setTimeout(resolve, 150));
  return page.evaluate(() => window.held);
}

// On WebGPU with SLUICE_LONG only: batch_memory looks at the same there.
for (const [backend, query, total] of [
  ['cpu', '?backend=cpu', process.env.SLUICE_LONG ? count : 40],
  ...(process.env.SLUICE_LONG ? [['webgpu', '?backend=webgpu&allow-software', 100]] : []),
]) {
  await web.test(`${total} pictures on ${backend}: what the worker holds stays within 5 %`, async () => {
    const server = await web.serve(counted);
    const page = await openApp(web, query, {...withCount, url: server.url});
    await page.drop('main', makePictures(total));
    const early = await heldBy(page, Math.min(10, Math.ceil(total / 4)));
    const late = await heldBy(page, total);
    await page.idle();
    console.log(
      `  GPU buffers ${(early.gpu / 1e6).toFixed(2)} then ${(late.gpu / 1e6).toFixed(2)} MB, module ${(early.wasm / 1e6).toFixed(1)} then ${(late.wasm / 1e6).toFixed(1)} MB`,
    );
    const line = await page.text('.status-text');
    web.check(line.startsWith(backend === 'webgpu' ? 'GPU: ' : 'CPU, '), `it ran on something else: ${line}`);
    web.check(early.gpu > 0 === (backend === 'webgpu'), `${early.gpu} bytes of GPU buffers are held`);
    web.check(late.gpu <= early.gpu * 1.05, 'GPU buffers pile up');
    web.check(late.wasm <= early.wasm * 1.05, "the module's memory grows");
    const {bytes} = await page.download(async () => (await page.button('Download all')).click());
    unzip(bytes);
    const record = JSON.parse(fs.readFileSync(path.join(work, 'out/record.json'), 'utf8'));
    web.check(
      record.images.length === total && record.images.every(image => image.bound === backend),
      'a picture came from elsewhere',
    );
  });
}

if (web.isChromium) {
  await web.test('the GPU process dies in mid-batch: every picture is finished, once, in order', async () => {
    const page = await openApp(web, '?allow-software');
    page.tolerate(/GPU|WebGPU|device|context/i);
    const pictures = makePictures(8);
    await page.drop('main', pictures);
    await page.done(2);
    await web.crashGpu();
    await page.done(8);
    await page.idle();
    const line = await page.text('.status-text');
    web.check(/^CPU, .*the GPU failed/.test(line), `it says: ${line}`);
    const {bytes} = await page.download(async () => (await page.button('Download all')).click());
    const {names} = unzip(bytes);
    const record = JSON.parse(fs.readFileSync(path.join(work, 'out/record.json'), 'utf8'));
    const bound = record.images.map(image => image.bound);
    console.log(`  ${bound.join(' ')}`);
    web.check(bound[0] === 'webgpu' && bound[7] === 'cpu', 'the record does not tell which ran where');
    web.check(String(bound) === String([...bound].sort().reverse()), 'it went back to the GPU by itself');
    web.check(
      record.images.every((image, i) => image.status === 'done' && image.input === pictures[i].name),
      'a picture is missing',
    );
    web.check(names.length === 9, `${names.length} entries`);
    web.check(record.binding.failovers.length === 1, `${record.binding.failovers.length} failovers`);
    await page.click('.status-line');
    await page.shot('gpu-lost');
  });
}

await web.test('cancelled, retried, changed: every picture once', async () => {
  const page = await openApp(web, '?backend=cpu');
  const pictures = makePictures(24);
  await page.drop('main', pictures);
  await page.done(3);
  await (await page.button('Cancel')).click();
  await page.idle();
  const left = await page.count('cancelled');
  web.check(left > 0, 'nothing was left to cancel');
  web.check((await page.text('.job-text')).includes('cancelled'), await page.text('.job-text'));
  await page.shot('cancelled');
  await (await page.button('Retry')).click();
  await page.done(24);
  // Another background for all of them.
  await page.idle();
  await page.click('input[name=background][value=colour]');
  // Packing can be cancelled, and begun again.
  const said = await (
    await page.button('Download all')
  ).evaluate(async button => {
    button.click();
    await Promise.resolve();
    const text = button.getAttribute('aria-label');
    button.click();
    return text;
  });
  web.check(/^Packing.*: cancel$/.test(said), `the button says ${said}`);
  await page.waitForFunction(() => /Download all/.test(document.querySelector('.export').textContent));
  web.check((await page.downloads()).length === 0, 'what was cancelled is downloaded');
  const {bytes} = await page.download(async () => (await page.button('Download all')).click());
  const {names} = unzip(bytes);
  web.check(names.length === 25, `${names.length} entries`);
  const one = readPng(fs.readFileSync(path.join(work, 'out', names[5])));
  web.check(
    one.pixels.every((value, i) => i % one.channels !== 3 || value === 255),
    'it is not opaque',
  );
});

await web.test('after a crash nothing starts by itself', async () => {
  const page = await openApp(web, '?backend=cpu');
  await page.drop('main', makePictures(30));
  await page.done(1);
  // The mark of an unfinished job, as it is left by a page that did not end in the ordinary way.
  const mark = await page.evaluate(() => sessionStorage.getItem('sluice.job-running'));
  web.check(mark !== null, 'a running job leaves no mark');
  await page.evaluate(text => {
    addEventListener('pagehide', () => sessionStorage.setItem('sluice.job-running', text));
  }, mark);
  page.on('dialog', dialog => void dialog.accept());
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  await page.drop('main', makePictures(2));
  await new Promise(resolve => setTimeout(resolve, 1500));
  web.check(
    (await page.count('busy')) === 2 && (await page.$$('.thumb[data-status="waiting"]')).length === 2,
    'it started without being asked',
  );
  web.check((await page.text('.job-text')).includes('without finishing'), await page.text('.job-text'));
  await page.shot('after-a-crash');
  await (await page.button('Start on the CPU')).click();
  await page.done(2);
});
await web.finish();
