// Foreground and alpha as one picture, and where a background lies, as src/apps/cutout/composite.cc does it.

/** RGBA rows with straight alpha; colours under full transparency are zero, which compresses well. */
export function transparentRows(
  foreground: Uint8ClampedArray,
  alpha: Uint8Array,
  first: number,
  count: number,
): Uint8Array {
  const out = new Uint8Array(count * 4);
  const words = new Uint32Array(out.buffer);
  const source = new Uint32Array(foreground.buffer, foreground.byteOffset + first * 4, count);
  for (let i = 0; i < count; ++i) {
    const a = alpha[first + i]!;
    words[i] = a === 0 ? 0 : (source[i]! & 0x00ffffff) | (a << 24);
  }
  return out;
}

export interface Cover {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The part of a background that covers a frame, centred, its overhang cut off. */
export function coverPart(background: {width: number; height: number}, frame: {width: number; height: number}): Cover {
  const scale = Math.max(frame.width / background.width, frame.height / background.height);
  const width = Math.min(Math.max(Math.round(frame.width / scale), 1), background.width);
  const height = Math.min(Math.max(Math.round(frame.height / scale), 1), background.height);
  return {
    x: Math.floor((background.width - width) / 2),
    y: Math.floor((background.height - height) / 2),
    width,
    height,
  };
}
