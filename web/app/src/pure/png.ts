// A PNG encoder for 8-bit pixels with straight alpha. Browsers' own encoders see premultiplied
// pixels, which rounds the colours of soft edges; this one keeps every value. Compression is the
// browser's (CompressionStream gives zlib's format). PNG specification, third edition.

import {crc32} from './crc32.js';

const kSignature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const kRowsAtOnce = 64;

export interface PngPixels {
  readonly width: number;
  readonly height: number;
  /** 1: grey, 3: RGB, 4: RGBA. */
  readonly channels: 1 | 3 | 4;
  /** Rows without padding; a function gives any run of rows when they are wanted, top to bottom. */
  readonly rows: (first: number, count: number) => Uint8Array;
}

function chunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; ++i) out[4 + i] = type.charCodeAt(i);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}

// Filters a row by whichever of None, Sub, Up gives the smallest sum of magnitudes (the
// specification's heuristic); Average and Paeth cost more than they save on cut-outs.
function filterRow(row: Uint8Array, above: Uint8Array | null, channels: number, out: Uint8Array): void {
  const n = row.length;
  let none = 0,
    sub = 0,
    up = 0;
  for (let i = 0; i < n; ++i) {
    const value = row[i]!;
    const left = i >= channels ? row[i - channels]! : 0;
    const top = above ? above[i]! : 0;
    none += value < 128 ? value : 256 - value;
    const s = (value - left) & 255;
    sub += s < 128 ? s : 256 - s;
    const u = (value - top) & 255;
    up += u < 128 ? u : 256 - u;
  }
  if (none <= sub && none <= up) {
    out[0] = 0;
    out.set(row, 1);
  } else if (sub <= up || !above) {
    out[0] = 1;
    for (let i = 0; i < n; ++i) out[i + 1] = row[i]! - (i >= channels ? row[i - channels]! : 0);
  } else {
    out[0] = 2;
    for (let i = 0; i < n; ++i) out[i + 1] = row[i]! - above[i]!;
  }
}

/** Encodes; memory beside the result is a few rows. */
export async function encodePng(pixels: PngPixels, signal?: AbortSignal): Promise<Blob> {
  const {width, height, channels, rows} = pixels;
  const stride = width * channels;
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  header[9] = channels === 1 ? 0 : channels === 3 ? 2 : 6;

  const squeeze = new CompressionStream('deflate');
  const parts: Uint8Array<ArrayBuffer>[] = [kSignature.slice(), chunk('IHDR', header)];
  const collected = (async () => {
    const reader = squeeze.readable.getReader();
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      parts.push(chunk('IDAT', value));
    }
  })();
  const writer = squeeze.writable.getWriter();
  const feed = async (): Promise<void> => {
    let above: Uint8Array | null = null;
    for (let y = 0; y < height; y += kRowsAtOnce) {
      signal?.throwIfAborted();
      const count = Math.min(kRowsAtOnce, height - y);
      const some = rows(y, count);
      const filtered = new Uint8Array(count * (stride + 1));
      for (let r = 0; r < count; ++r) {
        const row = some.subarray(r * stride, (r + 1) * stride);
        filterRow(row, above, channels, filtered.subarray(r * (stride + 1), (r + 1) * (stride + 1)));
        above = row;
      }
      if (above) above = above.slice(); // the next call of rows() may reuse its buffer
      await writer.write(filtered);
    }
    await writer.close();
  };
  await Promise.all([
    feed().catch(async error => {
      await writer.abort(error).catch(() => undefined);
      throw error;
    }),
    collected,
  ]);
  parts.push(chunk('IEND', new Uint8Array(0)));
  return new Blob(parts, {type: 'image/png'});
}
