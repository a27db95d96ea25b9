// Draws the stage: background, cut-out, and the original left of the divider. Screen pixels only; the
// full-size canvases are the editor's.

import {coverPart} from '../pure/composite.js';
import type {Size, View} from '../pure/view.js';

export type StageBackground =
  | {readonly kind: 'transparent'}
  | {readonly kind: 'colour'; readonly colour: string}
  /** Already blurred, small; stretched over the picture. */
  | {readonly kind: 'blur'; readonly bitmap: ImageBitmap | null}
  | {readonly kind: 'image'; readonly bitmap: ImageBitmap | null};

export interface Scene {
  readonly picture: Size;
  readonly original: CanvasImageSource | null;
  readonly cut: CanvasImageSource | null;
  readonly view: View;
  readonly background: StageBackground;
  /** Stage x up to which the original shows. */
  readonly divider: number;
  /** The original faintly beneath: for brushing. */
  readonly ghost: boolean;
  readonly cursor: {readonly x: number; readonly y: number; readonly radius: number; readonly erase: boolean} | null;
}

const kSquare = 10;

export class Painter {
  private readonly context: CanvasRenderingContext2D;
  private pattern: CanvasPattern | null = null;
  private patternKey = '';

  constructor(readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d');
    if (!context) throw new Error('The browser gives no canvas.');
    this.context = context;
  }

  draw(scene: Scene, stage: Size, ratio: number): void {
    const {context, canvas} = this;
    const width = Math.max(1, Math.round(stage.width * ratio));
    const height = Math.max(1, Math.round(stage.height * ratio));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, stage.width, stage.height);
    const {view, picture} = scene;
    const w = picture.width * view.scale;
    const h = picture.height * view.scale;
    context.imageSmoothingEnabled = view.scale < 3;
    context.imageSmoothingQuality = 'high';

    context.save();
    context.beginPath();
    context.rect(view.x, view.y, w, h);
    context.clip();
    if (scene.cut) {
      this.behind(scene, w, h);
      if (scene.ghost && scene.original) {
        context.globalAlpha = 0.28;
        context.drawImage(scene.original, view.x, view.y, w, h);
        context.globalAlpha = 1;
      }
      context.drawImage(scene.cut, view.x, view.y, w, h);
    }
    if (scene.original && (!scene.cut || scene.divider > view.x)) {
      context.save();
      if (scene.cut) {
        context.beginPath();
        context.rect(view.x, view.y, scene.divider - view.x, h);
        context.clip();
      }
      context.drawImage(scene.original, view.x, view.y, w, h);
      context.restore();
    }
    context.restore();
    if (scene.cursor) this.cursor(scene.cursor);
  }

  private behind({background, view, picture}: Scene, w: number, h: number): void {
    const {context} = this;
    if (background.kind === 'colour') {
      context.fillStyle = background.colour;
      context.fillRect(view.x, view.y, w, h);
    } else if (background.kind === 'blur' && background.bitmap) {
      context.drawImage(background.bitmap, view.x, view.y, w, h);
    } else if (background.kind === 'image' && background.bitmap) {
      const part = coverPart(background.bitmap, picture);
      context.drawImage(background.bitmap, part.x, part.y, part.width, part.height, view.x, view.y, w, h);
    } else {
      const style = getComputedStyle(this.canvas);
      context.fillStyle =
        this.checker(style.getPropertyValue('--checker-a'), style.getPropertyValue('--checker-b')) ?? '#ccc';
      context.fillRect(view.x, view.y, w, h);
    }
  }

  private checker(a: string, b: string): CanvasPattern | null {
    if (this.pattern && this.patternKey === a + b) return this.pattern;
    const tile = document.createElement('canvas');
    tile.width = tile.height = 2 * kSquare;
    const context = tile.getContext('2d');
    if (!context) return null;
    context.fillStyle = a.trim() || '#ffffff';
    context.fillRect(0, 0, 2 * kSquare, 2 * kSquare);
    context.fillStyle = b.trim() || '#e3e6ea';
    context.fillRect(0, 0, kSquare, kSquare);
    context.fillRect(kSquare, kSquare, kSquare, kSquare);
    this.pattern = this.context.createPattern(tile, 'repeat');
    this.patternKey = a + b;
    return this.pattern;
  }

  private cursor({x, y, radius, erase}: NonNullable<Scene['cursor']>): void {
    const {context} = this;
    context.lineWidth = 1.5;
    for (const [style, grow] of [
      ['rgba(0,0,0,.65)', 1],
      ['#fff', 0],
    ] as const) {
      context.strokeStyle = style;
      context.beginPath();
      context.arc(x, y, Math.max(1, radius + grow), 0, 2 * Math.PI);
      context.stroke();
    }
    context.strokeStyle = erase ? '#ff5a4f' : '#3ddc84';
    context.beginPath();
    context.moveTo(x - 4, y);
    context.lineTo(x + 4, y);
    if (!erase) {
      context.moveTo(x, y - 4);
      context.lineTo(x, y + 4);
    }
    context.stroke();
  }
}
