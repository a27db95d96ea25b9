// Pixels with straight alpha out of an ImageBitmap. A 2D canvas premultiplies, which rounds the colours of
// see-through pixels. WebGL hands texels through untouched, and so does a VideoFrame, which needs no GPU but a secure
// address. Used only for pictures that need it.

/** Gets the pixels of a tile, rows without padding, at (x, y) of the picture. */
export type TileSink = (
  tile: Uint8Array | Uint8ClampedArray,
  x: number,
  y: number,
  width: number,
  height: number,
) => void;

const kTile = 1024;

type Reader = (bitmap: ImageBitmap, sink: TileSink) => Promise<boolean>;

// One pixel of 200, 100, 50 with an alpha of 3: rounded by whoever premultiplies it.
const kProbe = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGM4kWLEDAAEuAFih/+f6QAAAABJRU5ErkJggg==';
let tried: Promise<Reader[]> | null = null;

/** Writes all pixels with their colours unrounded. False when nothing here can: what was written is to be rewritten. */
export async function readStraight(bitmap: ImageBitmap, sink: TileSink): Promise<boolean> {
  tried ??= exactReaders().catch(() => []);
  for (const read of await tried) if (await read(bitmap, sink)) return true;
  return false;
}

/** The readers that this browser hands one see-through pixel to untouched. */
async function exactReaders(): Promise<Reader[]> {
  const bytes = Uint8Array.from(atob(kProbe), character => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], {type: 'image/png'}), {
    premultiplyAlpha: 'none',
    colorSpaceConversion: 'none',
  });
  const exact: Reader[] = [];
  for (const read of [readTexture, readFrame]) {
    let same = false;
    const done = await read(bitmap, tile => {
      same = tile[0] === 200 && tile[1] === 100 && tile[2] === 50 && tile[3] === 3;
    });
    if (done && same) exact.push(read);
  }
  bitmap.close();
  return exact;
}

async function readFrame(bitmap: ImageBitmap, sink: TileSink): Promise<boolean> {
  if (typeof VideoFrame === 'undefined') return false;
  let frame: VideoFrame | null = null;
  try {
    frame = new VideoFrame(bitmap, {timestamp: 0});
    const order = frame.format;
    const {width, height} = bitmap;
    if ((order !== 'RGBA' && order !== 'BGRA') || frame.codedWidth < width || frame.codedHeight < height) return false;
    const rows = Math.max(1, Math.min(height, Math.floor((kTile * kTile) / width)));
    for (let y = 0; y < height; y += rows) {
      const rect = {x: 0, y, width, height: Math.min(rows, height - y)};
      const pixels = new Uint8Array(width * rect.height * 4);
      await frame.copyTo(pixels, {rect, layout: [{offset: 0, stride: width * 4}]});
      if (order === 'BGRA') swapRedAndBlue(pixels);
      sink(pixels, 0, y, width, rect.height);
    }
    return true;
  } catch {
    return false;
  } finally {
    frame?.close();
  }
}

function swapRedAndBlue(pixels: Uint8Array<ArrayBuffer>): void {
  const words = new Uint32Array(pixels.buffer);
  for (let i = 0; i < words.length; ++i) {
    const word = words[i]!;
    words[i] = (word & 0xff00ff00) | ((word & 0xff) << 16) | ((word >>> 16) & 0xff);
  }
}

async function readTexture(bitmap: ImageBitmap, sink: TileSink): Promise<boolean> {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2', {antialias: false, depth: false});
  if (!gl) return false;
  const texture = gl.createTexture();
  const frame = gl.createFramebuffer();
  try {
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    const most = Number(gl.getParameter(gl.MAX_TEXTURE_SIZE));
    if (bitmap.width <= most && bitmap.height <= most) {
      // As a whole: some browsers premultiply when they cut a part out.
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
      const rows = Math.max(1, Math.floor((kTile * kTile) / bitmap.width));
      for (let y = 0; y < bitmap.height; y += rows) {
        const height = Math.min(rows, bitmap.height - y);
        const pixels = new Uint8Array(bitmap.width * height * 4);
        gl.readPixels(0, y, bitmap.width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
        if (gl.isContextLost() || gl.getError() !== gl.NO_ERROR) return false;
        sink(pixels, 0, y, bitmap.width, height);
      }
      return true;
    }
    for (let y = 0; y < bitmap.height; y += kTile) {
      for (let x = 0; x < bitmap.width; x += kTile) {
        const width = Math.min(kTile, bitmap.width - x);
        const height = Math.min(kTile, bitmap.height - y);
        const tile = await createImageBitmap(bitmap, x, y, width, height, {
          premultiplyAlpha: 'none',
          colorSpaceConversion: 'none',
        });
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, tile);
        tile.close();
        gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
        const pixels = new Uint8Array(width * height * 4);
        gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
        if (gl.isContextLost() || gl.getError() !== gl.NO_ERROR) return false;
        sink(pixels, x, y, width, height);
      }
    }
    return true;
  } catch {
    return false;
  } finally {
    gl.deleteFramebuffer(frame);
    gl.deleteTexture(texture);
    gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}
