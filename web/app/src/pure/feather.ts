// Softens alpha: three box blurs in a row, close to a Gaussian (W3C Filter Effects, feGaussianBlur).
// Works on a rectangle, so that a brush stroke costs what it touches.

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function intersect(a: Rect, b: Rect): Rect {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const width = Math.max(0, Math.min(a.x + a.width, b.x + b.width) - x);
  const height = Math.max(0, Math.min(a.y + a.height, b.y + b.height) - y);
  return {x, y, width, height};
}

export function grown(rect: Rect, by: number): Rect {
  return {x: rect.x - by, y: rect.y - by, width: rect.width + 2 * by, height: rect.height + 2 * by};
}

export function union(a: Rect | null, b: Rect): Rect {
  if (!a || a.width === 0 || a.height === 0) return b;
  if (b.width === 0 || b.height === 0) return a;
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  };
}

/** How far an input pixel's influence reaches, in pixels. */
export function featherReach(radius: number): number {
  return 3 * Math.max(0, Math.round(radius / 2));
}

// One pass along lines of `count` elements that lie `step` apart; edges repeat.
function boxLine(source: Uint8Array, target: Uint8Array, at: number, count: number, step: number, half: number): void {
  const width = 2 * half + 1;
  const last = at + (count - 1) * step;
  let sum = source[at]! * (half + 1);
  for (let i = 1; i <= half; ++i) sum += source[Math.min(at + i * step, last)]!;
  for (let i = 0; i < count; ++i) {
    target[at + i * step] = (sum + half) / width;
    sum += source[Math.min(at + (i + half + 1) * step, last)]! - source[Math.max(at + (i - half) * step, at)]!;
  }
}

/**
 * Feathered alpha of `rect`, rows without padding. `radius` in pixels; 0 copies. The rectangle must
 * lie within the picture.
 */
export function feather(
  alpha: Uint8Array,
  width: number,
  height: number,
  radius: number,
  rect: Rect,
): Uint8Array<ArrayBuffer> {
  const half = Math.max(0, Math.round(radius / 2));
  const whole = {x: 0, y: 0, width, height};
  const area = intersect(grown(rect, featherReach(radius)), whole);
  let now = new Uint8Array(area.width * area.height);
  for (let y = 0; y < area.height; ++y) {
    const from = (area.y + y) * width + area.x;
    now.set(alpha.subarray(from, from + area.width), y * area.width);
  }
  if (half > 0) {
    let other = new Uint8Array(now.length);
    for (let pass = 0; pass < 3; ++pass) {
      for (let y = 0; y < area.height; ++y) boxLine(now, other, y * area.width, area.width, 1, half);
      for (let x = 0; x < area.width; ++x) boxLine(other, now, x, area.height, area.width, half);
    }
    other = now;
  }
  if (area.width === rect.width && area.height === rect.height) return now;
  const out = new Uint8Array(rect.width * rect.height);
  for (let y = 0; y < rect.height; ++y) {
    const from = (rect.y - area.y + y) * area.width + rect.x - area.x;
    out.set(now.subarray(from, from + rect.width), y * rect.width);
  }
  return out;
}
