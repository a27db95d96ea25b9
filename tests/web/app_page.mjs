// The app as its tests use it: opened, fed, waited for, its downloads caught. And the PNG files it writes, read.
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

import {need, notRun, photos} from './harness.mjs';

export const site = 'build/web/app';
export {photos};

/** Ends the process when something that every test of the app needs is missing. */
export function needApp() {
  need('build/sluice', `${site}/index.html`, `${site}/models/selfie_segmentation.tflite`);
  if (!fs.existsSync(`${site}/sluice-simd.wasm`)) notRun(`${site} has no .wasm files`);
  if (!fs.existsSync(photos)) notRun('the photos are not there');
}

/** The app on a new page, ready. `page.downloads()` gives [{name, bytes}] since the last call. */
export async function openApp(web, query = '', options = {}) {
  const page = await web.page(query, {
    ...options,
    before: async fresh => {
      await fresh.evaluateOnNewDocument(() => {
        window.caught = [];
        const blobs = new Map();
        const create = URL.createObjectURL.bind(URL);
        URL.createObjectURL = blob => {
          const url = create(blob);
          blobs.set(url, blob);
          return url;
        };
        const revoke = URL.revokeObjectURL.bind(URL);
        window.openUrls = () => blobs.size;
        URL.revokeObjectURL = url => {
          blobs.delete(url);
          revoke(url);
        };
        const click = HTMLAnchorElement.prototype.click;
        HTMLAnchorElement.prototype.click = function () {
          if (this.download) window.caught.push({name: this.download, blob: blobs.get(this.href)});
          else click.call(this);
        };
      });
      await options.before?.(fresh);
    },
  });
  page.downloads = async () => {
    const list = await page.evaluate(async () => {
      const out = [];
      for (const {name, blob} of window.caught.splice(0)) {
        const bytes = new Uint8Array(await blob.arrayBuffer());
        let text = '';
        for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
        out.push({name, type: blob.type, base64: btoa(text)});
      }
      return out;
    });
    return list.map(({name, type, base64}) => ({name, type, bytes: Buffer.from(base64, 'base64')}));
  };
  /** One download, by whatever makes it. */
  page.download = async act => {
    await act();
    await page.waitForFunction(() => window.caught.length > 0);
    const [one] = await page.downloads();
    return one;
  };
  page.text = selector => page.$eval(selector, element => element.textContent);
  /** Until nothing is being done any more. */
  page.idle = async () => {
    await page.waitForFunction(() => {
      const job = document.querySelector('.job');
      const busy = document.querySelector('.strip').dataset.busy !== '0' || document.querySelector('.stage.busy');
      return !busy && (job.hidden || document.querySelector('.job-progress').hidden);
    });
  };
  /** How many pictures are 'done', 'failed', 'busy' (waiting or being cut), or there at all ('total'). */
  page.count = what => page.$eval('.strip', (strip, name) => Number(strip.dataset[name]), what);
  /** Until that many pictures are done. */
  page.done = least =>
    page.waitForFunction(count => Number(document.querySelector('.strip').dataset.done) >= count, {}, least);
  /** Every thumbnail's label in order, whether it is in sight or not: the arrow keys walk along all of them. */
  page.labels = async () => {
    const labels = [];
    await page.focus('.thumb[tabindex="0"]');
    await page.keyboard.press('Home');
    const total = await page.count('total');
    for (let i = 0; i < total; ++i) {
      if (i > 0) await page.keyboard.press('ArrowRight');
      labels.push(await page.evaluate(() => document.activeElement.getAttribute('aria-label')));
    }
    return labels;
  };
  /** Until the open picture can be saved. */
  page.cut = () => page.waitForSelector('.export .button-primary:not(:disabled)');
  /** Controls that are cut off by something they lie in, or by the window: what each says. */
  page.cutOff = () =>
    page.evaluate(() => {
      const bad = [];
      for (const element of document.querySelectorAll('button, select, input, label, [role=tab], .slider-value')) {
        if (!element.checkVisibility() || element.closest('.visually-hidden, .strip')) continue;
        const {left, right, width} = element.getBoundingClientRect();
        if (width <= 1) continue; // stands for what its label shows
        for (let around = element.parentElement; around; around = around.parentElement) {
          const box = around.getBoundingClientRect();
          const clips = around === document.documentElement || getComputedStyle(around).overflowX !== 'visible';
          if (!clips || (left > box.left - 1 && right < box.right + 1)) continue;
          bad.push(`${element.ariaLabel ?? element.textContent} in ${around.className || around.tagName}`);
          break;
        }
      }
      return bad;
    });
  page.button = async text => {
    const found = await page.evaluateHandle(
      wanted =>
        [...document.querySelectorAll('button')].find(
          one => one.offsetParent && one.textContent.trim().startsWith(wanted),
        ),
      text,
    );
    if (!found.asElement()) throw new Error(`there is no button ${text}`);
    return found.asElement();
  };
  await page.waitForSelector('html[data-ready]');
  return page;
}

/** Bytes in use after collection: {used, outside} of one V8 isolate; `outside`: array buffers, the module's memory. */
export async function heapOf(client) {
  for (let i = 0; i < 2; ++i) await client.send('HeapProfiler.collectGarbage');
  const {usedSize, backingStorageSize} = await client.send('Runtime.getHeapUsage');
  return {used: usedSize, outside: backingStorageSize ?? 0};
}

/** Of a page's own thread (Chromium): the bytes of heapOf, and `nodes`, of its documents. */
export async function pageMemory(page) {
  const client = await page.createCDPSession();
  const {used, outside} = await heapOf(client);
  const {nodes} = await client.send('Memory.getDOMCounters');
  await client.detach();
  return {bytes: used + outside, nodes};
}

/** `sluice cutout` on a file: its mask (or, with mask: false, the cut-out), {width, height, channels, pixels}. */
export function commandLineMask(image, model, folder, {mask = true} = {}) {
  fs.rmSync(folder, {recursive: true, force: true});
  const run = spawnSync(
    'build/sluice',
    ['cutout', image, ...(mask ? ['--mask'] : []), '--out', folder, '--model', model, '--backend', 'cpu', '--quiet'],
    {
      encoding: 'utf8',
      env: {...process.env, SLUICE_MODELS: path.resolve(`${site}/models`)},
    },
  );
  if (run.status !== 0) throw new Error(`sluice cutout ends with ${run.status}: ${run.stderr}`);
  const [name] = fs.readdirSync(folder);
  return readPng(fs.readFileSync(path.join(folder, name)));
}

/** Share of pixels whose alpha differs by at most `step`, and the largest difference. */
export function compareAlpha(cut, mask, step = 1) {
  if (cut.width !== mask.width || cut.height !== mask.height) {
    throw new Error(`the cut-out is ${cut.width} x ${cut.height}, the command line's ${mask.width} x ${mask.height}`);
  }
  let close = 0;
  let largest = 0;
  const count = cut.width * cut.height;
  for (let i = 0; i < count; ++i) {
    const a = cut.pixels[i * cut.channels + cut.channels - 1];
    const b = mask.pixels[i * mask.channels];
    const difference = Math.abs(a - b);
    largest = Math.max(largest, difference);
    if (difference <= step) ++close;
  }
  return {share: close / count, largest};
}

/** A picture of RGB that fades out to the right: a canvas would round the colours of what is nearly gone. */
export function faded({width, height, channels, pixels}) {
  const out = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; ++i) {
    out.set(pixels.subarray(i * channels, i * channels + 3), i * 4);
    out[i * 4 + 3] = 255 - Math.floor(((i % width) / width) * 250);
  }
  return {width, height, channels: 4, pixels: out};
}

/** Share of the pixels of two RGBA pictures whose colours and alpha differ by at most 1. */
export function sharePixels(one, other) {
  let same = 0;
  for (let i = 0; i < one.pixels.length; i += 4) {
    let most = 0;
    for (let c = i; c < i + 4; ++c) most = Math.max(most, Math.abs(one.pixels[c] - other.pixels[c]));
    if (most <= 1) ++same;
  }
  return (4 * same) / one.pixels.length;
}

/** A PNG with see-through parts is cut as the command line cuts it, colours included, and no word of rounding. */
export async function cutSeeThrough(web, page, png, folder) {
  const file = path.join(folder, 'faded.png');
  fs.writeFileSync(file, writePng(faded(readPng(fs.readFileSync(png)))));
  await page.drop('main', [file]);
  await page.cut();
  const saved = await page.download(async () => (await page.button('Download')).click());
  const reference = commandLineMask(file, 'fast', path.join(folder, 'faded'), {mask: false});
  const share = sharePixels(readPng(saved.bytes), reference);
  console.log(`  ${(100 * share).toFixed(3)} % of pixels have the command line's colours and alpha`);
  web.check(share >= 0.999, `only ${share} of the pixels have the command line's colours and alpha`);
  await page.click('.status-line');
  web.check(!(await page.text('#details')).includes('rounded'), 'the details say that colours are rounded');
}

/** An 8-bit PNG without interlacing. */
export function readPng(bytes) {
  const file = Buffer.from(bytes);
  if (file.readUInt32BE(0) !== 0x89504e47) throw new Error('not a PNG');
  let at = 8;
  const data = [];
  let width = 0,
    height = 0,
    channels = 0;
  while (at < file.length) {
    const size = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    const body = file.subarray(at + 8, at + 8 + size);
    if (zlib.crc32 && zlib.crc32(file.subarray(at + 4, at + 8 + size)) !== file.readUInt32BE(at + 8 + size))
      throw new Error(`the CRC of ${type} is wrong`);
    if (type === 'IHDR') {
      width = body.readUInt32BE(0);
      height = body.readUInt32BE(4);
      channels = {0: 1, 2: 3, 4: 2, 6: 4}[body[9]];
      if (body[8] !== 8 || !channels || body[12] !== 0) throw new Error('a PNG of another kind');
    } else if (type === 'IDAT') {
      data.push(body);
    }
    at += 12 + size;
  }
  const raw = zlib.inflateSync(Buffer.concat(data));
  const stride = width * channels;
  const pixels = new Uint8Array(stride * height);
  for (let y = 0; y < height; ++y) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; ++x) {
      const left = x >= channels ? pixels[y * stride + x - channels] : 0;
      const up = y > 0 ? pixels[(y - 1) * stride + x] : 0;
      const corner = x >= channels && y > 0 ? pixels[(y - 1) * stride + x - channels] : 0;
      const p = left + up - corner;
      const near = [left, up, corner].reduce(
        (best, one) => (Math.abs(p - one) < Math.abs(p - best) ? one : best),
        left,
      );
      const add = [0, left, up, (left + up) >> 1, near][filter];
      pixels[y * stride + x] = raw[y * (stride + 1) + 1 + x] + add;
    }
  }
  return {width, height, channels, pixels};
}

/** RGB or RGBA pixels as a PNG. */
export function writePng({width, height, channels, pixels}) {
  const crc = bytes => {
    let c = ~0;
    for (const byte of bytes) {
      c ^= byte;
      for (let bit = 0; bit < 8; ++bit) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    }
    return ~c >>> 0;
  };
  const chunk = (type, body) => {
    const out = Buffer.alloc(12 + body.length);
    out.writeUInt32BE(body.length, 0);
    out.write(type, 4, 'latin1');
    body.copy(out, 8);
    out.writeUInt32BE(crc(out.subarray(4, 8 + body.length)), 8 + body.length);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  head[9] = channels === 4 ? 6 : 2;
  const stride = width * channels;
  const raw = Buffer.alloc((stride + 1) * height);
  for (let y = 0; y < height; ++y) raw.set(pixels.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', head),
    chunk('IDAT', zlib.deflateSync(raw)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A photo as the browser decodes it, as a PNG: so that both sides read the same pixels. */
export async function photoAsPng(page, file) {
  const base64 = await page.evaluate(async text => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]), {colorSpaceConversion: 'none'});
    const canvas = document.createElement('canvas');
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    let out = '';
    for (let i = 0; i < data.length; i += 32768) out += String.fromCharCode(...data.subarray(i, i + 32768));
    return {width: canvas.width, height: canvas.height, base64: btoa(out)};
  }, fs.readFileSync(file).toString('base64'));
  const rgba = Buffer.from(base64.base64, 'base64');
  const rgb = new Uint8Array(base64.width * base64.height * 3);
  for (let i = 0; i < base64.width * base64.height; ++i) {
    for (let c = 0; c < 3; ++c) rgb[i * 3 + c] = rgba[i * 4 + c];
  }
  return writePng({width: base64.width, height: base64.height, channels: 3, pixels: rgb});
}
