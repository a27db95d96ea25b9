// How pictures come in, through the browser's own doors: files and folders dragged onto the page, the clipboard, the
// camera; with what must not stop a batch among them.
import fs from 'node:fs';
import path from 'node:path';

import {needApp, openApp, readPng, site, writePng} from './app_page.mjs';
import {notRun, root, start} from './harness.mjs';

needApp();
// The camera shows a moving test picture; whether it may be used is the test's to say.
const web = await start({site, timeout: 30_000, browserArgs: ['--use-fake-device-for-media-stream']});
if (!web.isChromium) {
  await web.browser.close();
  notRun('drags, the clipboard and the camera are driven through the debugging protocol of Chromium');
}
const cpu = '?backend=cpu';

const folder = path.join(root, 'build/web/app-incoming');
fs.rmSync(folder, {recursive: true, force: true});
fs.mkdirSync(path.join(folder, 'album/more'), {recursive: true});
fs.mkdirSync(path.join(folder, 'papers'));
function picture(name, colour) {
  const pixels = new Uint8Array(120 * 90 * 3);
  for (let i = 0; i < pixels.length; i += 3) pixels.set(colour, i);
  fs.writeFileSync(path.join(folder, name), writePng({width: 120, height: 90, channels: 3, pixels}));
  return path.join(folder, name);
}
const red = picture('red.png', [200, 30, 30]);
const blue = picture('blue.png', [30, 30, 200]);
picture('album/shot 10.png', [10, 200, 10]);
picture('album/shot 9.png', [10, 180, 10]);
picture('album/more/last.png', [10, 160, 10]);
fs.writeFileSync(path.join(folder, 'album/list.txt'), 'not a picture');
fs.writeFileSync(path.join(folder, 'papers/letter.txt'), 'not a picture');
const text = path.join(folder, 'album/list.txt');
// The first half of a photo's file, and a photo in name only.
const torn = path.join(folder, 'torn.png');
fs.writeFileSync(torn, fs.readFileSync(red).subarray(0, 60));
const fake = path.join(folder, 'fake.jpg');
fs.writeFileSync(fake, 'no picture at all');

/** Drags files (and folders) from outside the browser onto the page, as a mouse does. */
async function drag(page, files) {
  const session = await page.createCDPSession();
  const data = {items: [], files, dragOperationsMask: 1};
  const at = {x: 500, y: 400, data};
  await session.send('Input.dispatchDragEvent', {type: 'dragEnter', ...at});
  await session.send('Input.dispatchDragEvent', {type: 'dragOver', ...at});
  web.check(await page.$eval('body', body => body.classList.contains('dropping')), 'nothing shows where to drop');
  await session.send('Input.dispatchDragEvent', {type: 'drop', ...at});
  await session.detach();
  web.check(!(await page.$eval('body', body => body.classList.contains('dropping'))), 'it still asks for a drop');
}
/** Until so many pictures are there, and nothing is being done. */
async function settled(page, total) {
  await page.waitForFunction(
    count => Number(document.querySelector('.strip').dataset.total) === count,
    {polling: 100},
    total,
  );
  await page.idle();
}

await web.test('several files: in the order they were given, a broken one among them, a text refused', async () => {
  const page = await openApp(web, cpu);
  await drag(page, [red, torn, text, fake, blue]);
  await settled(page, 4);
  const labels = await page.labels();
  web.check(/^red.png, done$/.test(labels[0]), labels[0]);
  web.check(/^torn.png, failed: torn.png is not a picture/.test(labels[1]), labels[1]);
  web.check(/^fake.jpg, failed: fake.jpg is not a picture/.test(labels[2]), labels[2]);
  web.check(/^blue.png, done$/.test(labels[3]), labels[3]);
  web.check((await page.text('.note-error .note-text')) === 'list.txt is not a picture.', await page.text('.notes'));
  await page.shot('broken-among-others');
  const zip = await page.download(async () => (await page.button('Download all')).click());
  const names = zip.bytes.toString('latin1');
  web.check(names.includes('red-cutout.png') && names.includes('blue-cutout.png'), 'a result is not in the ZIP');
  const record = JSON.parse(/\{\s*"model"[^]*\n\}\n/.exec(zip.bytes.toString('utf8'))[0]);
  web.check(
    String(record.images.map(one => one.status)) === 'done,failed,failed,done',
    `the record says ${record.images.map(one => one.status)}`,
  );
});

await web.test('a folder: its pictures and those of its folders, 9 before 10', async () => {
  const page = await openApp(web, cpu);
  await drag(page, [path.join(folder, 'album')]);
  await settled(page, 3);
  const names = (await page.labels()).map(label => label.replace(/, done$/, ''));
  web.check(String(names) === 'last.png,shot 9.png,shot 10.png', `the pictures are ${names}`);
  web.check((await page.$('.note-error')) === null, 'a text in a folder is nothing to complain of');
});

await web.test('a folder without pictures', async () => {
  const page = await openApp(web, cpu);
  await drag(page, [path.join(folder, 'papers')]);
  await page.waitForSelector('.note-error');
  web.check((await page.text('.note-error')).includes('no picture in “papers”'), await page.text('.note-error'));
  web.check(!(await page.$eval('.start', element => element.hidden)), 'the start is gone');
});

await web.test('a text alone', async () => {
  const page = await openApp(web, cpu);
  await drag(page, [text]);
  await page.waitForSelector('.note-error');
  web.check((await page.text('.note-error')).includes('list.txt is not a picture'), await page.text('.note-error'));
});

await web.test('the clipboard: a picture pasted, its cut-out copied and pasted again', async () => {
  const page = await openApp(web, cpu);
  await page.bringToFront();
  const context = page.browserContext();
  await context.overridePermissions(new URL(web.url).origin, ['clipboard-read', 'clipboard-sanitized-write']);
  const paste = async () => {
    await page.keyboard.down('Control');
    await page.keyboard.press('v', {commands: ['Paste']});
    await page.keyboard.up('Control');
  };
  await page.evaluate(async base64 => {
    const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
    await navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([bytes], {type: 'image/png'})})]);
  }, fs.readFileSync(red).toString('base64'));
  await paste();
  await settled(page, 1);
  await page.cut();
  await page.click('.export [aria-label="Copy the picture"]');
  await page.waitForFunction(() => /on the clipboard/.test(document.querySelector('.notes').textContent));
  const copied = await page.evaluate(async () => {
    const [item] = await navigator.clipboard.read();
    const bitmap = await createImageBitmap(await item.getType('image/png'));
    return {types: item.types, width: bitmap.width, height: bitmap.height};
  });
  web.check(copied.types.includes('image/png') && copied.width === 120 && copied.height === 90, JSON.stringify(copied));
  await paste();
  await settled(page, 2);
  await page.evaluate(() => navigator.clipboard.writeText('only words'));
  await paste();
  await new Promise(resolve => setTimeout(resolve, 300));
  web.check((await page.count('total')) === 2, 'words became a picture');
  web.check((await page.$('.note-error')) === null, 'pasted words are nothing to complain of');
  await context.clearPermissionOverrides();
});

// Kept: with the session its settings would end.
const settings = await web.browser.target().createCDPSession();
const allowCamera = answer =>
  settings.send('Browser.setPermission', {
    permission: {name: 'camera'},
    setting: answer,
    origin: new URL(web.url).origin,
  });
const tracks = page => page.evaluate(() => window.tracks.map(track => track.readyState));
const watchTracks = async fresh => {
  await fresh.evaluateOnNewDocument(() => {
    window.tracks = [];
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async wish => {
      const stream = await ask(wish);
      window.tracks.push(...stream.getTracks());
      return stream;
    };
  });
};

await web.test('the camera: a picture taken at its full size, and the camera let go', async () => {
  const page = await openApp(web, cpu, {before: watchTracks});
  await allowCamera('granted');
  await (await page.button('Use the camera')).click();
  await page.waitForSelector('#camera .button-primary:not(:disabled)');
  await page.shot('camera');
  const size = await page.$eval('#camera video', video => [video.videoWidth, video.videoHeight]);
  web.check(
    await page.$eval('#camera .button-primary', button => button === document.activeElement),
    'the shutter has not the focus',
  );
  await page.keyboard.press('Enter');
  await settled(page, 1);
  await page.cut();
  web.check(String(await tracks(page)) === 'ended', `the camera is ${await tracks(page)} after the picture`);
  const saved = await page.download(async () => (await page.button('Download')).click());
  const {width, height} = readPng(saved.bytes);
  web.check(width === size[0] && height === size[1], `${width} x ${height} out of a camera of ${size.join(' x ')}`);
  web.check(/^camera-\d{4}-\d\d-\d\d.*\.png$/.test(saved.name), `the file is called ${saved.name}`);
});

await web.test('the camera closed or turned while it starts is let go all the same', async () => {
  const page = await openApp(web, cpu, {before: watchTracks});
  await allowCamera('granted');
  await (await page.button('Use the camera')).click();
  await page.evaluate(() => {
    const other = document.querySelector('#camera [aria-label="Other camera"]');
    for (let i = 0; i < 3; ++i) other.click();
  });
  await page.waitForSelector('#camera .button-primary:not(:disabled)');
  await page.waitForFunction(() => window.tracks.length === 4);
  const live = (await tracks(page)).filter(state => state === 'live').length;
  web.check(live === 1, `${live} cameras run`);
  await page.keyboard.press('Escape');
  // A dialog tells of its end in a task of its own.
  await page.waitForFunction(() => window.tracks.every(track => track.readyState === 'ended'));
});

await web.test('the camera denied: a clear line, and another try', async () => {
  const page = await openApp(web, cpu);
  await allowCamera('denied');
  await (await page.button('Use the camera')).click();
  await page.waitForFunction(() => /not allowed/.test(document.querySelector('#camera .hint').textContent));
  web.check(
    await page.$eval('#camera .button-primary', button => button.disabled),
    'a picture can be taken of nothing',
  );
  await page.shot('camera-denied');
  await allowCamera('granted');
  await (await page.button('Try again')).click();
  await page.waitForSelector('#camera .button-primary:not(:disabled)');
  web.check((await page.text('#camera .hint')) === '', await page.text('#camera .hint'));
});
await web.finish();
