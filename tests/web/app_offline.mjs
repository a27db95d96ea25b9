// The second visit needs no network: with the server gone, the page loads, cuts a picture and saves it. And
// nothing but the site's own files is ever asked for: nothing is uploaded.
import fs from 'node:fs';
import path from 'node:path';

import {needApp, openApp, photos, readPng, site} from './app_page.mjs';
import {start} from './harness.mjs';

needApp();
const web = await start({site, timeout: 120_000});
const photo = path.join(photos, 'portrait.jpg');

const cutAndSave = async page => {
  await page.drop('main', [photo]);
  await page.cut();
  return readPng((await page.download(async () => (await page.button('Download')).click())).bytes);
};

await web.test('offline on the second visit, nothing uploaded', async () => {
  const server = await web.serve(site);
  const first = await openApp(web, '?backend=cpu', {url: server.url});
  const before = await cutAndSave(first);
  // The service worker has the site, the store has the model.
  await first.evaluate(async () => {
    await navigator.serviceWorker.ready;
    while (!navigator.serviceWorker.controller) await new Promise(resolve => setTimeout(resolve, 50));
  });
  for (const {method, path: asked} of await server.asked()) {
    web.check(method === 'GET' || method === 'HEAD', `${method} ${asked}`);
    web.check(!/portrait/.test(asked), `the picture's name is in a request: ${asked}`);
  }
  await first.close();

  const seen = (await server.asked()).length;
  const second = await openApp(web, '?backend=cpu', {url: server.url});
  const again = await cutAndSave(second);
  // The browser itself looks whether the service worker has changed; the page asks for nothing.
  const asked = (await server.asked()).slice(seen).filter(request => !request.path.endsWith('/service_worker.js'));
  web.check(asked.length === 0, `the second visit asks for ${asked.map(one => one.path).join(', ')}`);
  web.check(
    Buffer.compare(Buffer.from(before.pixels), Buffer.from(again.pixels)) === 0,
    'the second visit gives other pixels',
  );
  await second.close();

  await server.stop();
  const third = await openApp(web, '?backend=cpu', {
    url: server.url,
    before: async page => {
      page.tolerate(/service_worker\.js|ERR_CONNECTION_REFUSED/);
    },
  });
  const offline = await cutAndSave(third);
  web.check(
    Buffer.compare(Buffer.from(before.pixels), Buffer.from(offline.pixels)) === 0,
    'offline gives other pixels',
  );
  await third.shot('offline');
  const installable = await third.evaluate(async () => {
    const manifest = await (await fetch('manifest.webmanifest')).json();
    const sizes = [];
    for (const {src} of manifest.icons) sizes.push((await fetch(src)).ok);
    return (
      manifest.display === 'standalone' && manifest.start_url === './' && sizes.length >= 2 && sizes.every(Boolean)
    );
  });
  web.check(installable, 'the web manifest or an icon is not there offline');
});

await web.test('no room to keep the model: the cut-out comes all the same, and the page says so once', async () => {
  if (!web.isChromium) return;
  const server = await web.serve(site);
  const page = await openApp(web, '?backend=cpu', {
    url: server.url,
    before: async fresh => {
      const session = await fresh.createCDPSession();
      const {origin} = new URL(server.url);
      await session.send('Storage.overrideQuotaForOrigin', {origin, quotaSize: 100_000});
    },
  });
  page.tolerate(/quota/i); // of the service worker, which has no room either
  await cutAndSave(page);
  const full = /The model is not stored: the browser's storage for this site is full/;
  const notes = async () => page.$$eval('.note-text', all => all.map(one => one.textContent));
  web.check((await notes()).filter(note => full.test(note)).length === 1, `it says: ${await notes()}`);
  await page.shot('storage-full');
  await page.click('.status-line');
  web.check(full.test(await page.text('#details')), 'the details do not say it');
  await page.keyboard.press('Escape');
  await page.drop('main', [photo]);
  await page.done(2);
  web.check((await notes()).filter(note => full.test(note)).length <= 1, `it says: ${await notes()}`);
});

await web.test('a new version waits for the user', async () => {
  const folder = 'build/web/app-update';
  fs.rmSync(folder, {recursive: true, force: true});
  fs.cpSync(site, folder, {recursive: true, filter: file => !/\.(onnx|map)$/.test(file)});
  const server = await web.serve(folder);
  const page = await openApp(web, '?backend=cpu', {url: server.url});
  await page.evaluate(async () => {
    while (!navigator.serviceWorker.controller) await new Promise(resolve => setTimeout(resolve, 50));
  });
  const titleOf = () => page.evaluate(() => document.title);
  const before = await titleOf();
  await cutAndSave(page);
  // Another version is deployed while a picture is open.
  const index = `${folder}/index.html`;
  fs.writeFileSync(
    index,
    fs.readFileSync(index, 'utf8').replace(/<title>.*<\/title>/, '<title>The next version</title>'),
  );
  const worker = `${folder}/service_worker.js`;
  fs.writeFileSync(worker, fs.readFileSync(worker, 'utf8').replace(/"[0-9a-f]{16}"/, '"0123456789abcdef"'));
  await page.evaluate(async () => (await navigator.serviceWorker.getRegistration()).update());
  await page.waitForSelector('.note .button');
  web.check((await page.text('.note')).includes('new version'), await page.text('.note'));
  web.check((await titleOf()) === before, 'the page was replaced without being asked');
  web.check(!(await page.$eval('.export .button-primary', element => element.disabled)), 'the open picture is gone');
  await page.shot('update');
  await Promise.all([page.waitForNavigation(), (await page.button('Reload')).click()]);
  await page.waitForSelector('html[data-ready]');
  web.check((await titleOf()) === 'The next version', `after the reload it is still "${await titleOf()}"`);
  const kept = await page.evaluate(async () => (await caches.keys()).filter(name => name.startsWith('sluice-app-')));
  web.check(kept.length === 1 && kept[0].endsWith('0123456789abcdef'), `caches: ${kept}`);
});
await web.finish();
