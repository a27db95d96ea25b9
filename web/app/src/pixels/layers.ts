// A finished picture to what is kept of it, and back.

import {transparentRows} from '../pure/composite.js';
import {encodePng} from '../pure/png.js';
import {gunzipPlane} from '../work/plane.js';
import type {BlobStore} from './blob_store.js';
import type {FinishParams, FinishResult, LayersParams, LayersResult} from './messages.js';

const kThumbSide = 160;

export async function finish(params: FinishParams, store: BlobStore): Promise<FinishResult> {
  const begin = performance.now();
  const {width, height, alpha, foreground} = params;
  const shown = params.shown ?? alpha;
  const png = await encodePng({
    width,
    height,
    channels: 4,
    rows: (first, count) => transparentRows(foreground, shown, first * width, count * width),
  });
  const seconds = (performance.now() - begin) / 1000;
  const [cut, kept, thumb] = [
    await store.keep(png),
    await store.keep(await gzip(alpha)),
    await thumbnail(foreground, shown, width, height),
  ];
  return {cut, alpha: kept, thumb, seconds};
}

export async function layers({cut, alpha, width, height}: LayersParams): Promise<LayersResult> {
  const plane = await gunzipPlane(alpha, width * height);
  const bitmap = await createImageBitmap(cut, {premultiplyAlpha: 'none', colorSpaceConversion: 'none'});
  const foreground = new Uint8ClampedArray(width * height * 4);
  const rows = Math.max(1, Math.min(height, Math.floor(4e6 / width)));
  const canvas = new OffscreenCanvas(width, rows);
  const context = canvas.getContext('2d', {willReadFrequently: true});
  if (!context) throw new Error('The browser gives no canvas to read the picture with.');
  context.globalCompositeOperation = 'copy';
  for (let y = 0; y < height; y += rows) {
    const count = Math.min(rows, height - y);
    context.drawImage(bitmap, 0, y, width, count, 0, 0, width, count);
    foreground.set(context.getImageData(0, 0, width, count).data, y * width * 4);
  }
  bitmap.close();
  return {alpha: plane, foreground};
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Blob> {
  return new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'))).blob();
}

// Every n-th pixel averaged: small, and without a full-size canvas.
async function thumbnail(
  foreground: Uint8ClampedArray,
  alpha: Uint8Array,
  width: number,
  height: number,
): Promise<Blob> {
  const scale = Math.min(1, kThumbSide / Math.max(width, height));
  const w = Math.max(1, Math.round(width * scale));
  const h = Math.max(1, Math.round(height * scale));
  const out = new Uint8ClampedArray(w * h * 4);
  const step = Math.max(1, Math.floor(1 / scale / 3));
  for (let y = 0; y < h; ++y) {
    for (let x = 0; x < w; ++x) {
      const x1 = Math.max(Math.floor(((x + 1) * width) / w), 1),
        y1 = Math.max(Math.floor(((y + 1) * height) / h), 1);
      let r = 0,
        g = 0,
        b = 0,
        a = 0,
        n = 0;
      for (let sy = Math.floor((y * height) / h); sy < y1; sy += step) {
        for (let sx = Math.floor((x * width) / w); sx < x1; sx += step) {
          const at = sy * width + sx;
          const opacity = alpha[at]!;
          r += foreground[at * 4]! * opacity;
          g += foreground[at * 4 + 1]! * opacity;
          b += foreground[at * 4 + 2]! * opacity;
          a += opacity;
          ++n;
        }
      }
      const to = (y * w + x) * 4;
      if (a > 0) {
        out[to] = r / a;
        out[to + 1] = g / a;
        out[to + 2] = b / a;
        out[to + 3] = a / n;
      }
    }
  }
  const canvas = new OffscreenCanvas(w, h);
  canvas.getContext('2d')?.putImageData(new ImageData(out, w, h), 0, 0);
  return canvas.convertToBlob({type: 'image/png'});
}
