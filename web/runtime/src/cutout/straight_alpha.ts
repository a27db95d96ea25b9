// Pixels with straight alpha out of an ImageBitmap. A 2D canvas premultiplies, which rounds the colours of
// see-through pixels; WebGL hands texels through untouched. Used only for pictures that need it.

/** Gets the pixels of a tile, rows without padding, at (x, y) of the picture. */
export type TileSink = (
  tile: Uint8Array | Uint8ClampedArray,
  x: number,
  y: number,
  width: number,
  height: number,
) => void;

const kTile = 1024;

/** False when the browser has no WebGL here: nothing was written. */
export async function readStraight(bitmap: ImageBitmap, sink: TileSink): Promise<boolean> {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2', {antialias: false, depth: false});
  if (!gl) return false;
  const texture = gl.createTexture();
  const frame = gl.createFramebuffer();
  try {
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
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
