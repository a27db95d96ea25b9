// By mouse at a desk: compare, zoom, pan, brush, backgrounds, models of one's own and the better one, and the GPU tried
// again after it failed. What is saved is looked at, not only what the page says.
import fs from 'node:fs';
import path from 'node:path';

import {
  commandLineMask,
  compareAlpha,
  needApp,
  openApp,
  photoAsPng,
  photos,
  readPng,
  site,
  writePng,
} from './app_page.mjs';
import {start} from './harness.mjs';
import {destroying, plantedApp} from './planted_app.mjs';

needApp();
const web = await start({site, timeout: 240_000});
const work = 'build/web/app-mouse';
fs.rmSync(work, {recursive: true, force: true});
fs.mkdirSync(work, {recursive: true});
const cpu = '?backend=cpu';
const png = path.join(work, 'portrait.png');
{
  const page = await openApp(web, cpu);
  fs.writeFileSync(png, await photoAsPng(page, path.join(photos, 'portrait.jpg')));
}
const {width, height} = readPng(fs.readFileSync(png));
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
const save = async page => readPng((await page.download(async () => (await page.button('Download')).click())).bytes);
const alphas = picture => picture.pixels.filter((_, i) => i % 4 === 3);
const opaque = picture => alphas(picture).filter(value => value === 255).length;

await web.test('compare, zoom and pan; erase, bring back, undo and redo; all at full size', async () => {
  const page = await openApp(web, cpu);
  await page.drop('main', [png]);
  await page.cut();
  await page.idle();
  const box = await (await page.$('.stage-canvas')).boundingBox();
  const at = (x, y) => [box.x + box.width * x, box.y + box.height * y];
  const zoom = async () => parseFloat(await page.text('.zoom-text'));
  const drag = async (from, to, button = 'left') => {
    await page.mouse.move(...from);
    await page.mouse.down({button});
    await page.mouse.move(...to, {steps: 8});
    await page.mouse.up({button});
    await pause(150);
  };
  const share = () => page.$eval('.divider', element => Number(element.getAttribute('aria-valuenow')));
  const shown = () => page.$eval('.stage-canvas', canvas => canvas.toDataURL().length);

  await drag(at(0.5, 0.5), at(0.6, 0.5));
  web.check((await share()) > 55, `the divider is at ${await share()} %`);
  const fitted = await zoom();
  await page.mouse.move(...at(0.4, 0.3));
  await page.mouse.wheel({deltaY: -600});
  await pause(200);
  web.check((await zoom()) > fitted * 2, `the wheel zooms from ${fitted} to ${await zoom()} %`);
  const before = await page.screenshot({encoding: 'base64'});
  await drag(at(0.3, 0.8), at(0.2, 0.7));
  web.check(before !== (await page.screenshot({encoding: 'base64'})), 'dragging does not move the picture');
  await page.mouse.click(...at(0.2, 0.2), {count: 2});
  await pause(200);
  web.check((await zoom()) === fitted, `a double click leaves it at ${await zoom()} %`);
  web.check((await shown()) > 1000, 'the stage is empty');

  const first = await save(page);
  web.check(first.width === width && first.height === height, `${first.width} x ${first.height} is saved`);
  await (await page.button('Brush')).click();
  await page.click('input[name=tool][value=erase]');
  await drag(at(0.48, 0.45), at(0.52, 0.75));
  const erased = await save(page);
  web.check(opaque(erased) < opaque(first) - 2000, 'erasing takes nothing away');
  await page.click('input[name=tool][value=restore]');
  await drag(at(0.48, 0.45), at(0.52, 0.75));
  const restored = await save(page);
  web.check(opaque(restored) > opaque(erased) + 1000, 'bringing back brings nothing back');
  const undo = await page.$('#panel-brush [aria-label="Undo"]');
  const redo = await page.$('#panel-brush [aria-label="Redo"]');
  await undo.click();
  web.check(Buffer.from(alphas(await save(page))).equals(Buffer.from(alphas(erased))), 'one undo is not one stroke');
  await undo.click();
  web.check(Buffer.from(alphas(await save(page))).equals(Buffer.from(alphas(first))), 'two undos are not two strokes');
  await redo.click();
  web.check(Buffer.from(alphas(await save(page))).equals(Buffer.from(alphas(erased))), 'redo is not the stroke');
  // The middle button moves the picture and paints nothing.
  await page.mouse.move(...at(0.5, 0.5));
  await page.mouse.wheel({deltaY: -600});
  await drag(at(0.5, 0.5), at(0.4, 0.4), 'middle');
  web.check(Buffer.from(alphas(await save(page))).equals(Buffer.from(alphas(erased))), 'the middle button paints');
  await page.shot('brushed');
});

await web.test('behind the cut-out: its own surroundings blurred, or another picture', async () => {
  const page = await openApp(web, cpu);
  await page.drop('main', [png]);
  await page.cut();
  const corner = picture => [...picture.pixels.subarray(0, 3)];
  const all = picture => picture.pixels.every((value, i) => i % picture.channels !== 3 || value === 255);
  await page.click('input[name=background][value=blur]');
  await page.shot('blur');
  const blurred = await save(page);
  web.check(blurred.width === width && all(blurred), 'the blurred picture is not whole');
  const own = corner(readPng(fs.readFileSync(png)));
  const near = corner(blurred).every((value, c) => Math.abs(value - own[c]) < 90);
  web.check(near, `the corner is ${corner(blurred)}, in the picture ${own}`);
  // Green to the left, blue to the right: it covers, centred.
  const pixels = new Uint8Array(400 * 100 * 3);
  for (let i = 0; i < 400 * 100; ++i) pixels.set(i % 400 < 200 ? [0, 160, 0] : [0, 0, 200], i * 3);
  const behind = path.join(work, 'behind.png');
  fs.writeFileSync(behind, writePng({width: 400, height: 100, channels: 3, pixels}));
  const [dialog] = await Promise.all([
    page.waitForFileChooser(),
    page.$eval('input[name=background][value=image]', input => setTimeout(() => input.click(), 300)),
  ]);
  await dialog.accept([behind]);
  await page.waitForFunction(() => /behind\.png/.test(document.querySelector('.file-name').textContent));
  const placed = await save(page);
  const right = [...placed.pixels.subarray((width - 1) * placed.channels, (width - 1) * placed.channels + 3)];
  web.check(placed.width === width && all(placed), 'the picture is not whole');
  web.check(corner(placed)[1] > 140 && right[2] > 180, `the upper corners are ${corner(placed)} and ${right}`);
  await page.shot('picture-behind');
});

const mask = commandLineMask(png, 'fast', path.join(work, 'mask'));
const near = (picture, other) => {
  const {share} = compareAlpha(picture, other);
  web.check(share >= 0.999, `${share} of the pixels are near the command line's`);
};

await web.test(
  "a .tflite file of one's own with its manifest, dropped on the page; a manifest that is none",
  async () => {
    const page = await openApp(web, cpu);
    const bytes = fs.readFileSync(`${site}/models/selfie_segmentation.tflite`);
    const manifest = JSON.parse(fs.readFileSync('models/selfie.json', 'utf8'));
    const model = {name: 'mine.tflite', type: '', bytes};
    await page.drop('main', [model, {name: 'mine.json', type: 'application/json', bytes: Buffer.from('{"name": ')}]);
    await page.waitForSelector('#models[open]');
    web.check(
      (await page.text('#models [role=status], #models .warn, #models')).includes('mine.json is not JSON'),
      'no word of it',
    );
    await page.shot('manifest-broken');
    await page.keyboard.press('Escape');
    const {sha256: _, url: __, bytes: ___, ...rest} = manifest;
    const json = Buffer.from(JSON.stringify({...rest, file: 'mine.tflite'}));
    await page.drop('main', [model, {name: 'mine.json', type: 'application/json', bytes: json}]);
    await page.waitForFunction(() => document.querySelector('.segment-on')?.textContent.startsWith('mine'));
    await page.drop('main', [png]);
    await page.cut();
    near(await save(page), mask);
  },
);

await web.test('a model file that is broken: a sentence, and the other model does it', async () => {
  const page = await openApp(web, cpu);
  const bytes = fs.readFileSync(`${site}/models/selfie_segmentation.tflite`).subarray(0, 5000);
  await page.drop('main', [{name: 'torn.tflite', type: '', bytes}]);
  await page.drop('main', [png]);
  await page.waitForSelector('.job-bad');
  const text = await page.text('.job-text');
  web.check(text.length > 20 && !/undefined|\[object/.test(text), `it says: ${text}`);
  console.log(`  ${text}`);
  await (await page.$('input[name=model][value=selfie]')).evaluate(element => element.click());
  await page.cut();
  near(await save(page), mask);
});

await web.test('after the GPU failed: the details tell, and it is tried again', async () => {
  const {site: planted, before} = plantedApp('mouse', destroying);
  const server = await web.serve(planted);
  const page = await openApp(web, '?allow-software', {url: server.url, before});
  page.tolerate(/GPU|device|lost/i);
  await page.drop('main', [png]);
  await page.cut();
  web.check((await page.text('.status-text')).startsWith('GPU: '), await page.text('.status-text'));
  await page.evaluate(() => window.plant({plant: 'arm', submit: 1}));
  await page.drop('main', [png]);
  await page.done(2);
  await page.idle();
  web.check(/^CPU, .*the GPU failed/.test(await page.text('.status-text')), await page.text('.status-text'));
  await page.click('.status-line');
  web.check(/What happened/.test(await page.text('#details')), 'the details tell nothing of it');
  await page.shot('gpu-failed');
  await (await page.button('Try the GPU again')).click();
  // Not at once after a loss: either it is back, or a sentence says when.
  await page.waitForFunction(
    () =>
      /^GPU: /.test(document.querySelector('.status-text').textContent) ||
      /\.$|120 s$/.test(document.querySelector('#details .hint')?.textContent ?? ''),
    {polling: 100},
  );
  const line = await page.text('.status-text');
  if (!line.startsWith('GPU: ')) {
    const said = await page.text('#details .hint');
    console.log(`  ${said}`);
    web.check(/failed \d+ s ago .*another is asked for after \d+ s/.test(said), said);
  }
  await page.shot('gpu-again');
});

if (process.env.SLUICE_LONG && fs.existsSync(`${site}/models/imgly_medium.onnx`)) {
  await web.test('Best: the command line cuts the same', async () => {
    const page = await openApp(web, cpu);
    await (await page.$('input[name=model][value=isnet]')).evaluate(element => element.click());
    await page.drop('main', [png]);
    await page.cut();
    near(await save(page), commandLineMask(png, 'best', path.join(work, 'best')));
  });
}
await web.finish();
