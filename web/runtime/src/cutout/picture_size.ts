// Width and height out of a picture's first bytes, before anything is decoded: a small file may unfold
// into gigabytes. Null where the format or the place of its size is not known.

export interface PictureFacts {
  readonly type: 'png' | 'jpeg' | 'webp' | 'gif' | 'bmp' | 'heic' | 'avif' | 'tiff';
  readonly width?: number;
  readonly height?: number;
}

function ascii(bytes: Uint8Array, at: number, count: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + count));
}

/** `bytes`: the first 64 KiB or so; a JPEG with larger metadata gives its type alone. */
export function pictureFacts(bytes: Uint8Array): PictureFacts | null {
  if (bytes.length < 16) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) === 0x89504e47) {
    return bytes.length < 24 ? {type: 'png'} : {type: 'png', width: view.getUint32(16), height: view.getUint32(20)};
  }
  if (view.getUint16(0) === 0xffd8) return jpegFacts(view);
  const head = ascii(bytes, 0, 4);
  if (head === 'RIFF' && ascii(bytes, 8, 4) === 'WEBP') return webpFacts(bytes, view);
  if (head === 'GIF8') return {type: 'gif', width: view.getUint16(6, true), height: view.getUint16(8, true)};
  if (head.startsWith('BM') && bytes.length >= 26) {
    return {type: 'bmp', width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true))};
  }
  if (head === 'II*\0' || head === 'MM\0*') return {type: 'tiff'};
  if (ascii(bytes, 4, 4) === 'ftyp') {
    const brand = ascii(bytes, 8, 4);
    if (brand === 'avif' || brand === 'avis') return {type: 'avif'};
    if (['heic', 'heix', 'hevc', 'hevx', 'heim', 'heis', 'mif1', 'msf1'].includes(brand)) return {type: 'heic'};
  }
  return null;
}

// Walks the segments up to the frame header (SOF0 .. SOF15, without DHT, JPG and DAC).
function jpegFacts(view: DataView): PictureFacts {
  let at = 2;
  while (at + 9 < view.byteLength) {
    if (view.getUint8(at) !== 0xff) break;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      ++at;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return {type: 'jpeg', width: view.getUint16(at + 7), height: view.getUint16(at + 5)};
    }
    at += 2 + view.getUint16(at + 2);
  }
  return {type: 'jpeg'};
}

function webpFacts(bytes: Uint8Array, view: DataView): PictureFacts {
  if (bytes.length < 30) return {type: 'webp'};
  const u24 = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  switch (ascii(bytes, 12, 4)) {
    case 'VP8X':
      return {type: 'webp', width: u24(24) + 1, height: u24(27) + 1};
    case 'VP8L': {
      const bits = view.getUint32(21, true);
      return {type: 'webp', width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1};
    }
    case 'VP8 ':
      return {type: 'webp', width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff};
    default:
      return {type: 'webp'};
  }
}
