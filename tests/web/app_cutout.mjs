// A photo dropped on the page becomes a cut-out: on WebGPU, and on WebAssembly with and without cross-origin
// isolation; its alpha is the command line's. Pictures of every state of the page are kept.
import fs from 'node:fs';
import path from 'node:path';

import {
  commandLineMask,
  compareAlpha,
  cutSeeThrough,
  needApp,
  openApp,
  photoAsPng,
  photos,
  readPng,
  site,
} from './app_page.mjs';
import {start} from './harness.mjs';
import {plantedApp} from './planted_app.mjs';

needApp();
const web = await start({site, timeout: 240_000});
const work = 'build/web/app-cutout';
fs.mkdirSync(work, {recursive: true});
const portrait = path.join(photos, 'portrait.jpg');
const desktop = {width: 1280, height: 800};
const phone = {width: 390, height: 780, isMobile: web.isChromium, hasTouch: web.isChromium, deviceScaleFactor: 2};
// One thread of SwiftShader does what a GPU does; only tests ask for it.
const gpu = '?backend=webgpu&allow-software';
const cpu = '?backend=cpu';

const png = path.join(work, 'portrait.png');
let mask;
await web.test('the command line cuts the same pixels', async () => {
  const page = await openApp(web);
  fs.writeFileSync(png, await photoAsPng(page, portrait));
  mask = commandLineMask(png, 'fast', path.join(work, 'mask'));
});

/** Drops a picture and gives the PNG that the page saves. */
async function cutOf(page, file) {
  await page.drop('main', [file]);
  await page.cut();
  const saved = await page.download(async () => (await page.button('Download')).click());
  return {name: saved.name, picture: readPng(saved.bytes)};
}

function expectSame(picture, reference, least = 0.999, step = 1) {
  const {share, largest} = compareAlpha(picture, reference, step);
  console.log(
    `  ${(share * 100).toFixed(3)} % of pixels differ by at most ${step} of 255, the largest difference is ${largest}`,
  );
  web.check(share >= least, `only ${share} of the pixels are within ${step} of the command line's`);
  // A comparison of nothing with nothing would pass.
  web.check(
    picture.pixels.some((value, i) => i % 4 === 3 && value === 255),
    'nothing is opaque',
  );
  web.check(
    picture.pixels.some((value, i) => i % 4 === 3 && value === 0),
    'nothing is transparent',
  );
}

await web.test('on WebGPU', async () => {
  const page = await openApp(web, gpu);
  const {name, picture} = await cutOf(page, png);
  const line = await page.text('.status-text');
  web.check(line.startsWith('GPU: '), `it ran on something else: ${line}`);
  web.check(name === 'portrait-cutout.png', `the file is called ${name}`);
  expectSame(picture, mask);
  await page.click('.status-line');
  const facts = await page.text('#details');
  web.check(/Runs onGPU \(proven\)/.test(facts), `the details say: ${facts}`);
  await page.shot('details-webgpu');
});

await web.test('on WebAssembly, isolated', async () => {
  const page = await openApp(web, cpu);
  const {picture} = await cutOf(page, png);
  const line = await page.text('.status-text');
  web.check(/^CPU, \d+ threads?: /.test(line), `it says: ${line}`);
  const threads = Number(/\d+/.exec(line)[0]);
  const cores = await page.evaluate(() => navigator.hardwareConcurrency);
  web.check(threads === Math.min(cores, 16), `${threads} threads on ${cores} cores`);
  expectSame(picture, mask);
});

await web.test('on WebAssembly, without isolation: one thread, and the page says which header is missing', async () => {
  const plain = await web.serve(site, {isolated: false});
  const page = await openApp(web, cpu, {url: plain.url});
  const {picture} = await cutOf(page, png);
  const line = await page.text('.status-text');
  web.check(line.startsWith('CPU, 1 thread'), `it says: ${line}`);
  expectSame(picture, mask);
  await page.click('.status-line');
  const facts = await page.text('#details');
  web.check(
    facts.includes('Cross-Origin-Opener-Policy: same-origin') && facts.includes('Cross-Origin-Embedder-Policy'),
    `the details say: ${facts}`,
  );
  await page.shot('details-not-isolated');
});

await web.test('a software adapter is refused unless asked for, and the page says so', async () => {
  const page = await openApp(web);
  const {picture} = await cutOf(page, png);
  const line = await page.text('.status-text');
  web.check(/^CPU, .*the GPU was refused because /.test(line), `it says: ${line}`);
  expectSame(picture, mask);
});

// The second engine does the main path; all of it only when there is time.
if (!web.isChromium && !process.env.SLUICE_LONG) await web.finish();

await web.test('a JPEG, decoded by the browser', async () => {
  const page = await openApp(web, cpu);
  const {name, picture} = await cutOf(page, portrait);
  web.check(name === 'portrait.png', `the file is called ${name}`);
  // Decoders of JPEG may differ by a step of colour.
  expectSame(picture, commandLineMask(portrait, 'fast', path.join(work, 'mask-jpeg')), 0.99, 3);
});

await web.test('see-through pictures keep their colours', async () => {
  await cutSeeThrough(web, await openApp(web, cpu), png, work);
});

await web.test('without WebGL, too', async () => {
  const plant = `
    const get = OffscreenCanvas.prototype.getContext;
    OffscreenCanvas.prototype.getContext = function (kind, ...rest) {
      return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest);
    };`;
  const planted = plantedApp('no-webgl', plant);
  const server = await web.serve(planted.site);
  await cutSeeThrough(web, await openApp(web, cpu, {url: server.url, before: planted.before}), png, work);
});

await web.test('a photo that lies on its side is upright', async () => {
  const page = await openApp(web, cpu);
  const jpeg = fs.readFileSync(path.join(photos, 'grace_hopper.jpg'));
  // An EXIF segment that says: turn by 90 degrees.
  const exif = Buffer.from('ffe1002245786966000049492a00080000000100120103000100000006000000000000000000', 'hex');
  exif.writeUInt16BE(exif.length - 2, 2);
  const file = path.join(work, 'turned.jpg');
  fs.writeFileSync(file, Buffer.concat([jpeg.subarray(0, 2), exif, jpeg.subarray(2)]));
  const reference = commandLineMask(file, 'fast', path.join(work, 'turned'));
  web.check(reference.width > reference.height, 'the command line does not turn it');
  const {picture} = await cutOf(page, file);
  const {share} = compareAlpha(picture, reference, 3);
  web.check(share > 0.99, `${share} of the pixels are near`);
});

await web.test('a picture too large for the device is refused before it is decoded', async () => {
  const page = await openApp(web, cpu);
  const huge = Buffer.from(fs.readFileSync(png));
  huge.writeUInt32BE(40_000, 16);
  huge.writeUInt32BE(30_000, 20);
  await page.drop('main', [{name: 'poster.png', type: 'image/png', bytes: huge}]);
  await page.waitForSelector('.job-bad');
  const text = await page.text('.job-text');
  web.check(/poster.png has 1200 megapixels.*limit here/.test(text), text);
});

const own = 'build/models/isnet_f32_256.onnx';
if (fs.existsSync(own)) {
  await web.test("a model file of one's own, its meaning guessed", async () => {
    const page = await openApp(web, cpu);
    await (await page.button('Other')).click();
    await (await page.$('#models input[type=file]')).uploadFile(own);
    await page.waitForFunction(() => document.querySelector('.segment-on')?.textContent.startsWith('isnet'));
    const {picture} = await cutOf(page, png);
    expectSame(picture, commandLineMask(png, own, path.join(work, 'mask-own')));
    await page.click('.status-line');
    const facts = await page.text('#details');
    web.check(/taken for granted/.test(facts), `the details say nothing of the guess: ${facts}`);
  });
}

await web.test('a model that the site does not have', async () => {
  const page = await openApp(web, `${cpu}&model=modnet`);
  page.tolerate(/modnet|404/);
  await page.drop('main', [png]);
  await page.waitForSelector('.job-bad');
  const text = await page.text('.job-text');
  web.check(text.includes('modnet-photographic.onnx') && text.includes('models'), `it says: ${text}`);
  await page.shot('model-missing');
  // The other model does it.
  await (await page.$('input[name=model][value=selfie]')).evaluate(element => element.click());
  await page.cut();
});

await web.test('a model of the catalogue without a hash is refused before anything is fetched', async () => {
  const page = await openApp(web, `${cpu}&model=u2netp`);
  const before = (await web.server.asked()).length;
  await page.drop('main', [png]);
  await page.waitForSelector('.job-bad');
  const text = await page.text('.job-text');
  web.check(/U2-Net-p is not used, .*SHA-256/.test(text), `it says: ${text}`);
  const asked = (await web.server.asked()).slice(before).map(request => request.path);
  web.check(!asked.some(one => /u2netp/.test(one)), `it was asked for: ${asked}`);
  await page.shot('model-unpinned');
  await (await page.button('U2-Net-p')).click();
  const offered = await page.$$eval('.models li', all =>
    all.map(one => [one.textContent, one.querySelector('button') !== null]),
  );
  for (const [about, use] of offered) {
    web.check(use !== /is not used/.test(about), `${about}: ${use ? 'it can' : 'it cannot'} be chosen`);
  }
  web.check(offered.some(([, use]) => use) && offered.some(([, use]) => !use), `${offered.length} models are listed`);
  await page.shot('models-unpinned');
});

await web.test('what cannot be opened', async () => {
  const page = await openApp(web, cpu);
  const heic = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic'), Buffer.alloc(64)]);
  await page.drop('main', [
    {name: 'IMG_1.HEIC', type: 'image/heic', bytes: heic},
    {name: 'broken.png', type: 'image/png', bytes: Buffer.from('no picture at all, whatever it is called')},
    png,
  ]);
  await page.idle();
  await page.waitForSelector('.thumb[data-status="done"]');
  const labels = await page.$$eval('.thumb', all => all.map(one => one.getAttribute('aria-label')));
  web.check(/IMG_1.HEIC, failed: .*HEIC/.test(labels[0]), labels[0]);
  web.check(/broken.png, failed/.test(labels[1]), labels[1]);
  web.check(/portrait.png, done/.test(labels[2]), labels[2]);
  await page.shot('failures');
  await page.drop('main', [{name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('hello')}]);
  await page.waitForSelector('.note-error');
});

await web.test('editing: brush, undo, feather, backgrounds, formats', async () => {
  const page = await openApp(web, cpu);
  const before = (await cutOf(page, png)).picture;
  const box = await (await page.$('.stage-canvas')).boundingBox();
  const at = (x, y) => [box.x + box.width * x, box.y + box.height * y];
  await (await page.button('Brush')).click();
  await page.click('input[name=tool][value=erase]');
  await page.mouse.move(...at(0.5, 0.5));
  await page.mouse.down();
  await page.mouse.move(...at(0.52, 0.6), {steps: 5});
  await page.mouse.up();
  await page.shot('brush');
  const save = async () => page.download(async () => (await page.button('Download')).click());
  const erased = readPng((await save()).bytes);
  const opaque = picture => picture.pixels.filter((value, i) => i % 4 === 3 && value === 255).length;
  web.check(opaque(erased) < opaque(before) - 500, `erasing took ${opaque(before) - opaque(erased)} pixels away`);
  await page.keyboard.down('Control');
  await page.keyboard.press('z');
  await page.keyboard.up('Control');
  const undone = readPng((await save()).bytes);
  web.check(
    compareAlpha(undone, {...before, pixels: before.pixels.filter((_v, i) => i % 4 === 3), channels: 1}, 0).share === 1,
    'undo does not bring the same alpha back',
  );

  await (await page.button('Edges')).click();
  await page.$eval('#panel-edges input[type=range]', input => {
    input.value = '12';
    input.dispatchEvent(new Event('input', {bubbles: true}));
  });
  const soft = readPng((await save()).bytes);
  const between = picture => picture.pixels.filter((value, i) => i % 4 === 3 && value > 20 && value < 235).length;
  web.check(
    between(soft) > 1.5 * between(before),
    `feathering: ${between(before)} soft pixels before, ${between(soft)} after`,
  );
  await page.shot('edges');

  await (await page.button('Background')).click();
  await page.click('input[name=background][value=colour]');
  await (await page.$('[aria-label="Blue"]')).click();
  await page.shot('background-colour');
  const blue = readPng((await save()).bytes);
  const [r, g, b] = blue.pixels;
  web.check(Math.abs(r - 0x1b) + Math.abs(g - 0x6c) + Math.abs(b - 0xa8) < 6, `the corner is ${r}, ${g}, ${b}`);
  await page.select('.export select', 'jpeg');
  const jpeg = await save();
  web.check(
    jpeg.name === 'portrait.jpg' && jpeg.bytes[0] === 0xff && jpeg.bytes[1] === 0xd8,
    `the JPEG is ${jpeg.name}`,
  );
  await page.click('input[name=background][value=blur]');
  await new Promise(resolve => setTimeout(resolve, 1500));
  await page.shot('background-blur');
  if (web.isChromium) {
    await page.select('.export select', 'webp');
    const webp = await save();
    web.check(webp.bytes.toString('latin1', 8, 12) === 'WEBP', 'no WebP');
  }
});

await web.test('pictures of every state', async () => {
  for (const [size, viewport] of [
    ['desktop', desktop],
    ['phone', phone],
  ]) {
    for (const scheme of ['light', 'dark']) {
      const page = await openApp(web, cpu, {
        viewport,
        before: async fresh => {
          if (web.isChromium) await fresh.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
        },
      });
      const shot = async name => {
        await page.shot(`${size}-${scheme}-${name}`);
        const bad = await page.cutOff();
        web.check(bad.length === 0, `${size}, ${name}: cut off: ${bad.join('; ')}`);
      };
      await shot('start');
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      web.check(widths[0] <= widths[1], `the page is ${widths[0]} wide (${widths[1]} are there)`);
      await page.drop('main', [portrait]);
      await page.waitForSelector('.job:not([hidden])');
      await shot('working');
      await page.cut();
      await shot('done');
      if (size === 'phone' && scheme === 'dark') continue;
      await page.drop('main', [
        path.join(photos, 'grace_hopper.jpg'),
        path.join(photos, 'lemur.png'),
        path.join(photos, 'hands.jpg'),
      ]);
      await page.idle();
      await shot('several');
      await (await page.button('Edges')).click();
      await shot('edges');
      await (await page.button('Brush')).click();
      await shot('brush');
      await (await page.button('Other')).click();
      await shot('models');
      await page.keyboard.press('Escape');
      await page.click('.status-line');
      await shot('details');
    }
  }
});
await web.finish();
