// Brush strokes on alpha. A stroke keeps, in tiles, what was there before it and how strongly each
// pixel is covered; overlapping dabs of one stroke don't add up, so a soft brush stays soft.

import {intersect, union, type Rect} from './feather.js';

export const kTile = 64;

export interface BrushShape {
  /** In pixels of the picture. */
  readonly radius: number;
  /** 0: soft from the centre on; 1: a hard disc with an edge of about one pixel. */
  readonly hardness: number;
  /** Alpha that full coverage gives: 255 restores, 0 erases. */
  readonly target: 0 | 255;
}

interface Tile {
  readonly before: Uint8Array;
  readonly coverage: Uint8Array;
}

/** Coverage, 0 to 1, at a distance from the stroke's line. */
export function falloff(distance: number, radius: number, hardness: number): number {
  const core = Math.min(radius * hardness, radius - 0.5);
  if (distance <= core) return 1;
  if (distance >= radius) return 0;
  const t = (distance - core) / (radius - core);
  return 1 - t * t * (3 - 2 * t);
}

export class Stroke {
  private readonly tiles = new Map<number, Tile>();
  private readonly columns: number;
  private lastX = 0;
  private lastY = 0;
  private begun = false;

  constructor(
    private readonly alpha: Uint8Array,
    private readonly width: number,
    private readonly height: number,
    private readonly shape: BrushShape,
  ) {
    this.columns = Math.ceil(width / kTile);
  }

  /** Draws on to a point; gives the rectangle that changed. */
  to(x: number, y: number): Rect {
    const fromX = this.begun ? this.lastX : x;
    const fromY = this.begun ? this.lastY : y;
    this.begun = true;
    this.lastX = x;
    this.lastY = y;
    const r = this.shape.radius + 1;
    const left = Math.floor(Math.min(fromX, x) - r);
    const top = Math.floor(Math.min(fromY, y) - r);
    const rect = intersect(
      {
        x: left,
        y: top,
        width: Math.ceil(Math.max(fromX, x) + r) - left,
        height: Math.ceil(Math.max(fromY, y) + r) - top,
      },
      {x: 0, y: 0, width: this.width, height: this.height},
    );
    if (rect.width === 0 || rect.height === 0) return rect;
    let changed: Rect | null = null;
    for (let ty = Math.floor(rect.y / kTile); ty * kTile < rect.y + rect.height; ++ty) {
      for (let tx = Math.floor(rect.x / kTile); tx * kTile < rect.x + rect.width; ++tx) {
        const part = intersect(rect, {x: tx * kTile, y: ty * kTile, width: kTile, height: kTile});
        if (this.paint(tx, ty, part, fromX, fromY, x, y)) changed = union(changed, part);
      }
    }
    return changed ?? {x: rect.x, y: rect.y, width: 0, height: 0};
  }

  /** What to put back to undo the stroke; empty when it changed nothing. */
  finish(): Map<number, Uint8Array> {
    const out = new Map<number, Uint8Array>();
    for (const [index, tile] of this.tiles) out.set(index, tile.before);
    return out;
  }

  private paint(tx: number, ty: number, part: Rect, ax: number, ay: number, bx: number, by: number): boolean {
    const {radius, hardness, target} = this.shape;
    const dx = bx - ax,
      dy = by - ay;
    const length2 = dx * dx + dy * dy;
    const index = ty * this.columns + tx;
    let tile = this.tiles.get(index);
    let touched = false;
    for (let y = part.y; y < part.y + part.height; ++y) {
      for (let x = part.x; x < part.x + part.width; ++x) {
        const px = x + 0.5 - ax,
          py = y + 0.5 - ay;
        const t = length2 === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length2));
        const ex = px - t * dx,
          ey = py - t * dy;
        const distance2 = ex * ex + ey * ey;
        if (distance2 >= radius * radius) continue;
        const cover = Math.round(255 * falloff(Math.sqrt(distance2), radius, hardness));
        if (cover === 0) continue;
        if (!tile) {
          tile = {
            before: readTile(this.alpha, this.width, this.height, index),
            coverage: new Uint8Array(kTile * kTile),
          };
          this.tiles.set(index, tile);
        }
        const local = (y - ty * kTile) * kTile + x - tx * kTile;
        if (cover <= tile.coverage[local]!) continue;
        tile.coverage[local] = cover;
        const before = tile.before[local]!;
        this.alpha[y * this.width + x] = Math.round(before + ((target - before) * cover) / 255);
        touched = true;
      }
    }
    return touched;
  }
}

/** Copies a tile out of a plane; outside the plane it is 0. */
export function readTile(plane: Uint8Array, width: number, height: number, index: number): Uint8Array {
  const out = new Uint8Array(kTile * kTile);
  const rect = tileRect(width, height, index);
  for (let y = 0; y < rect.height; ++y) {
    const from = (rect.y + y) * width + rect.x;
    out.set(plane.subarray(from, from + rect.width), y * kTile);
  }
  return out;
}

export function writeTile(plane: Uint8Array, width: number, height: number, index: number, tile: Uint8Array): void {
  const rect = tileRect(width, height, index);
  for (let y = 0; y < rect.height; ++y) {
    plane.set(tile.subarray(y * kTile, y * kTile + rect.width), (rect.y + y) * width + rect.x);
  }
}

export function tileRect(width: number, height: number, index: number): Rect {
  const columns = Math.ceil(width / kTile);
  const x = (index % columns) * kTile;
  const y = Math.floor(index / columns) * kTile;
  return {x, y, width: Math.min(kTile, width - x), height: Math.min(kTile, height - y)};
}
