// A blurred background made of the picture itself, without the subject's colours bleeding into it:
// small, each pixel weighted by how much background it is, blurred, and divided by the blurred weight.

const kLeastWeight = 1 / 64;

/** `pixels` RGBA and `alpha` of the same small size; the result is opaque RGBA. `radius` in small pixels. */
export function blurredBackdrop(
  pixels: Uint8ClampedArray,
  alpha: Uint8Array,
  width: number,
  height: number,
  radius: number,
): Uint8ClampedArray<ArrayBuffer> {
  const count = width * height;
  const planes = [0, 1, 2, 3].map(() => new Float32Array(count)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  for (let i = 0; i < count; ++i) {
    const weight = 1 - alpha[i]! / 255 + 1e-4;
    planes[3][i] = weight;
    for (let c = 0; c < 3; ++c) planes[c]![i] = pixels[i * 4 + c]! * weight;
  }
  // A subject larger than the blur leaves holes: those take the mean of a far wider blur.
  const wide = planes.map(plane => blur(plane, width, height, Math.ceil(Math.max(width, height) / 3)));
  const near = planes.map(plane => blur(plane, width, height, radius));
  const out = new Uint8ClampedArray(count * 4);
  for (let i = 0; i < count; ++i) {
    const weight = near[3]![i]!;
    const fill = Math.max(0, kLeastWeight - weight) + 1e-6;
    const farWeight = Math.max(wide[3]![i]!, 1e-6);
    for (let c = 0; c < 3; ++c) {
      const far = wide[c]![i]! / farWeight;
      out[i * 4 + c] = (near[c]![i]! + far * fill) / (weight + fill);
    }
    out[i * 4 + 3] = 255;
  }
  return out;
}

function blur(plane: Float32Array, width: number, height: number, radius: number): Float32Array {
  const half = Math.max(1, Math.round(radius / 2));
  let now = plane.slice();
  const other = new Float32Array(plane.length);
  for (let pass = 0; pass < 3; ++pass) {
    for (let y = 0; y < height; ++y) line(now, other, y * width, width, 1, half);
    for (let x = 0; x < width; ++x) line(other, now, x, height, width, half);
  }
  return now;
}

function line(source: Float32Array, target: Float32Array, at: number, count: number, step: number, half: number): void {
  const last = at + (count - 1) * step;
  let sum = source[at]! * (half + 1);
  for (let i = 1; i <= half; ++i) sum += source[Math.min(at + i * step, last)]!;
  for (let i = 0; i < count; ++i) {
    target[at + i * step] = sum / (2 * half + 1);
    sum += source[Math.min(at + (i + half + 1) * step, last)]! - source[Math.max(at + (i - half) * step, at)]!;
  }
}
