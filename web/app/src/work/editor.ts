// The open picture's pixels: original, alpha, foreground colours, and the canvas that shows the cut-out.
// Only one picture is open at a time; everything here goes when it closes.

import type {Layers} from 'sluice-web/cutout';
import {History} from '../pure/history.js';
import {Stroke, tileRect, writeTile, type BrushShape} from '../pure/brush.js';
import {feather, featherReach, grown, intersect, type Rect} from '../pure/feather.js';

/** Restored pixels have no foreground colour of their own until they are coloured again. */
export class Editor {
  readonly canvas: HTMLCanvasElement;
  /** Edited, before feathering. */
  readonly alpha: Uint8Array<ArrayBuffer>;
  /** As shown and exported. */
  shown: Uint8Array<ArrayBuffer>;
  /** RGBA, opaque. */
  foreground: Uint8ClampedArray<ArrayBuffer>;
  /** Strokes since the last commit. */
  edited = false;
  /** Counts changes, so that slow work on an older state is not taken for the present one. */
  version = 0;
  featherRadius = 0;
  private readonly context: CanvasRenderingContext2D;
  private readonly history: History;
  private readonly originalReader: CanvasRenderingContext2D;
  private stroke: Stroke | null = null;

  constructor(
    readonly pictureId: number,
    readonly original: ImageBitmap,
    layers: Layers,
    undoBytes: number,
    /** Called after every change that can be seen. */
    private readonly changed: () => void,
  ) {
    this.alpha = layers.alpha;
    this.shown = layers.alpha.slice();
    this.foreground = layers.foreground;
    this.canvas = document.createElement('canvas');
    this.canvas.width = layers.width;
    this.canvas.height = layers.height;
    this.context = context2d(this.canvas);
    this.originalReader = context2d(document.createElement('canvas'), true);
    this.history = new History(this.alpha, layers.width, layers.height, undoBytes);
    this.paintAll(false, false);
  }

  get width(): number {
    return this.canvas.width;
  }
  get height(): number {
    return this.canvas.height;
  }
  get canUndo(): boolean {
    return this.history.canUndo;
  }
  get canRedo(): boolean {
    return this.history.canRedo;
  }

  beginStroke(shape: BrushShape): void {
    this.stroke = new Stroke(this.alpha, this.width, this.height, shape);
  }

  strokeTo(x: number, y: number): void {
    const rect = this.stroke?.to(x, y);
    if (rect && rect.width > 0) this.refresh(rect);
  }

  endStroke(): void {
    const before = this.stroke?.finish();
    this.stroke = null;
    if (!before || before.size === 0) return;
    this.history.push(before);
    this.edited = true;
    ++this.version;
    this.changed();
  }

  /** Takes the running stroke back as if it had not begun. */
  cancelStroke(): void {
    const before = this.stroke?.finish();
    this.stroke = null;
    for (const [index, tile] of before ?? []) {
      writeTile(this.alpha, this.width, this.height, index, tile);
      this.refresh(tileRect(this.width, this.height, index));
    }
  }

  undo(): boolean {
    return this.travel(this.history.undo());
  }
  redo(): boolean {
    return this.travel(this.history.redo());
  }

  /** Takes a whole feathered plane, made elsewhere out of `alpha` at `version`. */
  setFeathered(plane: Uint8Array<ArrayBuffer>, radius: number): void {
    this.featherRadius = radius;
    this.shown = plane;
    this.paintAll();
  }

  /** Takes foreground colours that were estimated for the shown alpha. */
  setForeground(foreground: Uint8ClampedArray<ArrayBuffer>): void {
    this.foreground = foreground;
    this.paintAll(false);
  }

  dispose(keepOriginal: boolean): void {
    if (!keepOriginal) this.original.close();
    this.canvas.width = this.canvas.height = 0;
    this.originalReader.canvas.width = 0;
  }

  private travel(rect: Rect | null): boolean {
    if (!rect) return false;
    this.edited = true;
    ++this.version;
    this.refresh(rect);
    return true;
  }

  // Alpha changed within `rect`: feathers and paints what it reaches.
  private refresh(rect: Rect): void {
    const whole = {x: 0, y: 0, width: this.width, height: this.height};
    const area = intersect(grown(rect, featherReach(this.featherRadius)), whole);
    const part = feather(this.alpha, this.width, this.height, this.featherRadius, area);
    for (let y = 0; y < area.height; ++y) {
      this.shown.set(part.subarray(y * area.width, (y + 1) * area.width), (area.y + y) * this.width + area.x);
    }
    this.fillColours(area);
    this.paint(area);
    this.changed();
  }

  // Black under alpha means that no colour was estimated there: the picture's own stands in.
  private fillColours(rect: Rect): void {
    let own: Uint8ClampedArray | null = null;
    for (let y = 0; y < rect.height; ++y) {
      for (let x = 0; x < rect.width; ++x) {
        const at = (rect.y + y) * this.width + rect.x + x;
        const p = at * 4;
        const f = this.foreground;
        if (this.shown[at] === 0 || f[p]! + f[p + 1]! + f[p + 2]! > 0) continue;
        own ??= this.originalPixels(rect);
        const q = (y * rect.width + x) * 4;
        f[p] = own[q]!;
        f[p + 1] = own[q + 1]!;
        f[p + 2] = own[q + 2]!;
      }
    }
  }

  private originalPixels(rect: Rect): Uint8ClampedArray {
    const {canvas} = this.originalReader;
    if (canvas.width < rect.width || canvas.height < rect.height) {
      canvas.width = Math.max(canvas.width, rect.width);
      canvas.height = Math.max(canvas.height, rect.height);
    }
    this.originalReader.clearRect(0, 0, rect.width, rect.height);
    this.originalReader.drawImage(
      this.original,
      rect.x,
      rect.y,
      rect.width,
      rect.height,
      0,
      0,
      rect.width,
      rect.height,
    );
    return this.originalReader.getImageData(0, 0, rect.width, rect.height).data;
  }

  // `fill`: alpha may have spread to where no colour was estimated.
  private paintAll(fill = true, tell = true): void {
    const rows = Math.max(1, Math.floor(2e6 / this.width));
    for (let y = 0; y < this.height; y += rows) {
      const rect = {x: 0, y, width: this.width, height: Math.min(rows, this.height - y)};
      if (fill) this.fillColours(rect);
      this.paint(rect);
    }
    if (tell) this.changed();
  }

  private paint(rect: Rect): void {
    const image = this.context.createImageData(rect.width, rect.height);
    const target = new Uint32Array(image.data.buffer);
    const source = new Uint32Array(this.foreground.buffer, this.foreground.byteOffset, this.foreground.length / 4);
    for (let y = 0; y < rect.height; ++y) {
      let at = (rect.y + y) * this.width + rect.x;
      let to = y * rect.width;
      for (let x = 0; x < rect.width; ++x, ++at, ++to)
        target[to] = (source[at]! & 0x00ffffff) | (this.shown[at]! << 24);
    }
    this.context.putImageData(image, rect.x, rect.y);
  }
}

function context2d(canvas: HTMLCanvasElement, willReadFrequently = false): CanvasRenderingContext2D {
  const context = canvas.getContext('2d', {willReadFrequently});
  if (!context) throw new Error('The browser gives no canvas for a picture of this size.');
  return context;
}
