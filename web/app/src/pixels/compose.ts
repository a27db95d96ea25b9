// The cut-out laid over a background, at full size, encoded.

import {blurredBackdrop} from '../pure/backdrop.js';
import {coverPart} from '../pure/composite.js';
import type {ComposeParams} from './messages.js';

const kBackdropSide = 384;
const kDecode: ImageBitmapOptions = {imageOrientation: 'from-image', colorSpaceConversion: 'none'};

function canvas2d(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (!context) throw new Error(`The browser gives no canvas of ${width} × ${height} pixels.`);
  context.imageSmoothingQuality = 'high';
  return context;
}

/** The picture's surroundings, blurred, at a small size: to be enlarged to the picture's. */
export async function backdrop(original: Blob, cut: Blob, strength: number): Promise<ImageBitmap> {
  const bitmap = await createImageBitmap(original, kDecode);
  const scale = Math.min(1, kBackdropSide / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas2d(width, height);
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width, height).data;
  const mask = await createImageBitmap(cut, kDecode);
  context.clearRect(0, 0, width, height);
  context.drawImage(mask, 0, 0, width, height);
  mask.close();
  const cutPixels = context.getImageData(0, 0, width, height).data;
  const alpha = new Uint8Array(width * height);
  for (let i = 0; i < alpha.length; ++i) alpha[i] = cutPixels[i * 4 + 3]!;
  const radius = Math.max(1, (strength / 100) * Math.max(width, height) * 0.12);
  const out = blurredBackdrop(pixels, alpha, width, height, radius);
  return createImageBitmap(new ImageData(out, width, height));
}

export async function compose({cut, original, background, format}: ComposeParams): Promise<Blob> {
  if (background.kind === 'transparent' && format === 'png') return cut;
  const bitmap = await createImageBitmap(cut, {colorSpaceConversion: 'none'});
  const {width, height} = bitmap;
  const context = canvas2d(width, height);
  switch (background.kind) {
    case 'transparent':
      break;
    case 'colour':
      context.fillStyle = background.colour;
      context.fillRect(0, 0, width, height);
      break;
    case 'blur': {
      const behind = await backdrop(original, cut, background.strength);
      context.drawImage(behind, 0, 0, width, height);
      behind.close();
      break;
    }
    case 'image': {
      const behind = await createImageBitmap(background.file, kDecode);
      const part = coverPart(behind, {width, height});
      context.fillStyle = '#fff';
      context.fillRect(0, 0, width, height);
      context.drawImage(behind, part.x, part.y, part.width, part.height, 0, 0, width, height);
      behind.close();
      break;
    }
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const type = `image/${format}`;
  const blob = await context.canvas.convertToBlob({type, quality: 0.92});
  if (blob.type !== type) throw new Error(`This browser cannot write ${format === 'webp' ? 'WebP' : format} files.`);
  return blob;
}
