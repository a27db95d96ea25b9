// The cutout's calls between page and worker.
import type {Binding} from '../types.js';

/** A picture on its way to the worker. A Blob is decoded there. */
export type PictureSource =
  | {readonly blob: Blob; readonly name: string}
  | {readonly bitmap: ImageBitmap}
  | {readonly pixels: Uint8ClampedArray; readonly width: number; readonly height: number};

export type CutPhase = 'decode' | 'prepare' | 'run' | 'refine';

/** What is going on with a picture. `first`: the session's first run, which may still compile. */
export interface CutEvent {
  readonly phase: CutPhase;
  readonly first: boolean;
}

/** Seconds of each phase. */
export interface CutTimes {
  readonly decode: number;
  readonly prepare: number;
  readonly run: number;
  readonly refine: number;
}

export interface CutOptionsWire {
  readonly refine: boolean;
  readonly cleanEdges: boolean;
  readonly maxPixels: number;
}

export interface CutParams {
  readonly session: number;
  /** JSON text of a manifest, or {"guess": true}. */
  readonly manifest: string;
  readonly picture: PictureSource;
  readonly options: CutOptionsWire;
}

export interface Layers {
  readonly width: number;
  readonly height: number;
  /** One byte a pixel, 0 background to 255 foreground. */
  readonly alpha: Uint8Array<ArrayBuffer>;
  /** RGBA, opaque: the foreground's own colours, as if nothing had shone through. */
  readonly foreground: Uint8ClampedArray<ArrayBuffer>;
}

export interface CutWire extends Layers {
  readonly times: CutTimes;
  readonly binding: Binding;
  /** What had to be guessed or could not be done exactly; "" when nothing. */
  readonly note: string;
}

export interface RecolorParams {
  readonly session: number;
  readonly manifest: string;
  readonly alpha: Uint8Array;
  /** null: the picture of the last cut or recolor. */
  readonly picture: PictureSource | null;
  readonly maxPixels: number;
}

declare module '../protocol.js' {
  interface Calls {
    'cutout.cut': Call<CutParams, CutWire, CutEvent>;
    'cutout.recolor': Call<RecolorParams, Layers, CutEvent>;
  }
}
