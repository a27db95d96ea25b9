// Work on full-size pixels that must not block the page: encoding, feathering, composing, storing. Each
// call has parameters and one result; the worker does them in order.

import type {Background, ExportFormat} from '../state.js';

export interface FinishParams {
  readonly width: number;
  readonly height: number;
  /** Before feathering; kept for later edits. */
  readonly alpha: Uint8Array<ArrayBuffer>;
  /** As exported; null: the same as `alpha`. */
  readonly shown: Uint8Array<ArrayBuffer> | null;
  readonly foreground: Uint8ClampedArray<ArrayBuffer>;
}
export interface FinishResult {
  readonly cut: Blob;
  readonly alpha: Blob;
  readonly thumb: Blob;
  readonly seconds: number;
}
export interface LayersParams {
  readonly cut: Blob;
  readonly alpha: Blob;
  readonly width: number;
  readonly height: number;
}
export interface LayersResult {
  readonly alpha: Uint8Array<ArrayBuffer>;
  /** RGBA; colours of nearly transparent pixels are rounded. */
  readonly foreground: Uint8ClampedArray<ArrayBuffer>;
}
export interface FeatherParams {
  readonly alpha: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  readonly radius: number;
}
export interface ComposeParams {
  readonly cut: Blob;
  readonly original: Blob;
  readonly background: Background;
  readonly format: ExportFormat;
}
export interface BackdropParams {
  readonly original: Blob;
  readonly cut: Blob;
  readonly strength: number;
}

export interface PixelCalls {
  finish: {params: FinishParams; result: FinishResult};
  layers: {params: LayersParams; result: LayersResult};
  feather: {params: FeatherParams; result: Uint8Array<ArrayBuffer>};
  compose: {params: ComposeParams; result: Blob};
  backdrop: {params: BackdropParams; result: ImageBitmap};
  keep: {params: Blob; result: Blob};
  /** Only Blobs that 'finish' or 'keep' gave. */
  drop: {params: readonly Blob[]; result: null};
}
export type PixelCall = keyof PixelCalls;

export interface ToPixelWorker {
  readonly id: number;
  readonly name: PixelCall;
  readonly params: unknown;
}
export type FromPixelWorker =
  {readonly id: number; readonly value: unknown} | {readonly id: number; readonly error: string};
