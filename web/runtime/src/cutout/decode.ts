// From a picture to RGBA pixels, 8 bits, straight alpha, upright, colours as the file has them. Decoding is
// the browser's; pixels arrive in tiles, so that no canvas is larger than a browser allows.
import {SluiceError, messageOf, throwIfAborted} from '../errors.js';
import type {PictureSource} from './calls.js';
import {pictureFacts, type PictureFacts} from './picture_size.js';
import {readStraight, type TileSink} from './straight_alpha.js';

/** A decoded picture whose pixels have not been read yet. */
export interface DecodedPicture {
  readonly width: number;
  readonly height: number;
  /** Writes all pixels through `sink`; a note when they are not exact, else "". */
  read(sink: TileSink, signal?: AbortSignal): Promise<string>;
  close(): void;
}

const kHeadBytes = 65536;
const kTileWidth = 4096;
const kTilePixels = 4_194_304; // 16 MiB of RGBA

function megapixels(pixels: number): string {
  return (pixels / 1e6).toFixed(pixels < 9.95e6 ? 1 : 0);
}

function checkSize(name: string, width: number, height: number, maxPixels: number): void {
  if (width * height <= maxPixels) return;
  throw new SluiceError(
    'resource',
    `${name} has ${megapixels(width * height)} megapixels, ${width} × ${height} (limit here ${megapixels(maxPixels)}).`,
    {hint: 'Make it smaller first, or use a device with more memory.'},
  );
}

function undecodable(name: string, facts: PictureFacts | null, thrown: unknown): SluiceError {
  if (facts?.type === 'heic') {
    return new SluiceError('unsupported', `${name} is a HEIC photo, which this browser cannot open.`, {
      hint: 'Save it as JPEG or PNG; on an iPhone, “Most Compatible” under Settings, Camera, Formats.',
    });
  }
  if (facts?.type === 'tiff') {
    return new SluiceError('unsupported', `${name} is a TIFF picture, which this browser cannot open.`, {
      hint: 'Save it as PNG.',
    });
  }
  if (facts?.width !== undefined && facts.height !== undefined && facts.width * facts.height > 60e6) {
    return new SluiceError(
      'resource',
      `${name} (${facts.width} × ${facts.height}) is damaged, or larger than this browser can decode.`,
    );
  }
  const why = messageOf(thrown).replace(/\.$/, '');
  return new SluiceError('unsupported', `${name} is not a picture that this browser can open (${why}).`);
}

/** Decodes a source; fails with a sentence. `maxPixels` is checked before decoding where the file says its size. */
export async function decodePicture(source: PictureSource, maxPixels: number): Promise<DecodedPicture> {
  if ('pixels' in source) return fromPixels(source.pixels, source.width, source.height, maxPixels);
  if ('bitmap' in source) {
    checkSize('The picture', source.bitmap.width, source.bitmap.height, maxPixels);
    return fromBitmap(source.bitmap);
  }
  const {blob, name} = source;
  let facts: PictureFacts | null = null;
  try {
    facts = pictureFacts(new Uint8Array(await blob.slice(0, kHeadBytes).arrayBuffer()));
  } catch (thrown) {
    throw new SluiceError('usage', `${name} can no longer be read (${messageOf(thrown).replace(/\.$/, '')}).`, {
      cause: thrown,
    });
  }
  if (facts?.width !== undefined && facts.height !== undefined) checkSize(name, facts.width, facts.height, maxPixels);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      imageOrientation: 'from-image',
      premultiplyAlpha: 'none',
      colorSpaceConversion: 'none',
    });
  } catch (thrown) {
    throw undecodable(name, facts, thrown);
  }
  try {
    checkSize(name, bitmap.width, bitmap.height, maxPixels);
  } catch (thrown) {
    bitmap.close();
    throw thrown;
  }
  return fromBitmap(bitmap, facts?.type === 'jpeg' || facts?.type === 'bmp');
}

function fromPixels(pixels: Uint8ClampedArray, width: number, height: number, maxPixels: number): DecodedPicture {
  if (!(width >= 1 && height >= 1) || pixels.length !== width * height * 4) {
    throw new SluiceError('usage', `The pixels are ${pixels.length} bytes (${width} × ${height} × 4 are wanted)`);
  }
  checkSize('The picture', width, height, maxPixels);
  return {
    width,
    height,
    read: sink => {
      sink(pixels, 0, 0, width, height);
      return Promise.resolve('');
    },
    close: () => undefined,
  };
}

function seeThrough(tile: Uint8ClampedArray): boolean {
  const words = new Uint32Array(tile.buffer, tile.byteOffset, tile.length / 4);
  for (const word of words) {
    const alpha = word >>> 24;
    if (alpha !== 255) return true;
  }
  return false;
}

function fromBitmap(bitmap: ImageBitmap, opaque = false): DecodedPicture {
  return {
    width: bitmap.width,
    height: bitmap.height,
    read: (sink, signal) => readBitmap(bitmap, opaque, sink, signal),
    close: () => {
      bitmap.close();
    },
  };
}

async function readBitmap(bitmap: ImageBitmap, opaque: boolean, sink: TileSink, signal?: AbortSignal): Promise<string> {
  const tileWidth = Math.min(bitmap.width, kTileWidth);
  const tileHeight = Math.min(bitmap.height, Math.max(1, Math.floor(kTilePixels / tileWidth)));
  const canvas = new OffscreenCanvas(tileWidth, tileHeight);
  const context = canvas.getContext('2d', {willReadFrequently: true});
  if (!context) throw new SluiceError('resource', 'The browser gives no canvas to read the picture with');
  context.globalCompositeOperation = 'copy';
  context.imageSmoothingEnabled = false;
  let straight = opaque; // nothing to keep straight in a picture without alpha
  for (let y = 0; y < bitmap.height; y += tileHeight) {
    for (let x = 0; x < bitmap.width; x += tileWidth) {
      throwIfAborted(signal, 'Reading the picture');
      const width = Math.min(tileWidth, bitmap.width - x);
      const height = Math.min(tileHeight, bitmap.height - y);
      context.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
      const tile = context.getImageData(0, 0, width, height).data;
      if (!straight && seeThrough(tile)) {
        if (await readStraight(bitmap, sink)) return '';
        straight = true;
      }
      sink(tile, x, y, width, height);
    }
  }
  return straight && !opaque
    ? 'Colours of see-through pixels are rounded: this browser hands them out premultiplied.'
    : '';
}
