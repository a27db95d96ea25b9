// Cutter: the page's face of a matting model. A picture goes to the worker, alpha and foreground colours
// come back; decoding, the model and the edges are all done there.
import {SluiceError, throwIfAborted} from '../errors.js';
import {channelOf, Session} from '../session.js';
import type {Binding, ModelInput, SessionOptions} from '../types.js';
import type {CutEvent, CutWire, Layers, PictureSource} from './calls.js';
import {coreManifest, type CutoutManifest} from './manifest.js';

/** A picture that can be cut. A Blob (or File) is decoded in the worker, upright. */
export type PictureInput = Blob | ImageBitmap | ImageData | HTMLCanvasElement | OffscreenCanvas;

export interface CutterOptions extends SessionOptions {
  /** A manifest (its file is looked for below `modelBase`), or the model itself: address, File or bytes. */
  readonly model: CutoutManifest | ModelInput;
  /** What `model` means, when it is not a manifest itself. Default: guessed from its inputs and outputs. */
  readonly manifest?: CutoutManifest;
  /** Folder of catalogue models. Default: "models/" beside the page. */
  readonly modelBase?: string | URL;
}

export interface CutOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: CutEvent) => void;
  /** Fit the matte to the picture's edges (guided filter). Default true. */
  readonly refine?: boolean;
  /** Estimate the foreground's own colours on soft edges. Default true. */
  readonly cleanEdges?: boolean;
  /** Larger pictures are refused. Default 268,435,456, as on the command line. */
  readonly maxPixels?: number;
}

export interface RecolorOptions {
  readonly signal?: AbortSignal;
  /** The picture that `alpha` belongs to. Default: that of the latest call. */
  readonly image?: PictureInput;
  readonly maxPixels?: number;
}

/** A picture's alpha (one byte a pixel) and foreground colours (RGBA, opaque), at full size. */
export type Cutout = CutWire;

const kDefaultMaxPixels = 268_435_456;

function isManifest(model: CutterOptions['model']): model is CutoutManifest {
  return (
    typeof model === 'object' &&
    !(model instanceof URL) &&
    !(model instanceof Blob) &&
    !(model instanceof ArrayBuffer) &&
    !ArrayBuffer.isView(model) &&
    'input' in model
  );
}

function modelAddress(manifest: CutoutManifest, base: string | URL | undefined): URL {
  const page = typeof document === 'undefined' ? globalThis.location?.href : document.baseURI;
  const folder = new URL(base ?? 'models/', page);
  if (!folder.pathname.endsWith('/')) folder.pathname += '/';
  return new URL(encodeURIComponent(manifest.file), folder);
}

async function pictureSource(image: PictureInput, transfer: Transferable[]): Promise<PictureSource> {
  if (image instanceof Blob) return {blob: image, name: image instanceof File ? image.name : 'The picture'};
  if (typeof ImageBitmap !== 'undefined' && image instanceof ImageBitmap) return {bitmap: image};
  if (image instanceof ImageData) {
    return {pixels: new Uint8ClampedArray(image.data), width: image.width, height: image.height};
  }
  if (image.width === 0 || image.height === 0) throw new SluiceError('usage', 'The canvas has no pixels');
  const bitmap = await createImageBitmap(image, {premultiplyAlpha: 'none', colorSpaceConversion: 'none'});
  transfer.push(bitmap);
  return {bitmap};
}

/** Cuts pictures with one model. Pictures are done one after another; calls may overlap. */
export class Cutter {
  private constructor(
    private readonly session: Session,
    private readonly manifestText: string,
    /** The manifest in use; null when the meaning of the model was guessed. */
    readonly manifest: CutoutManifest | null,
  ) {}

  /** Loads the model (from the store when it has been here before) and binds it to the GPU or the CPU. */
  static async create(options: CutterOptions): Promise<Cutter> {
    const {model, manifest: given, modelBase, ...session} = options;
    throwIfAborted(options.signal, 'Loading the model');
    const manifest = isManifest(model) ? model : (given ?? null);
    const source: ModelInput = isManifest(model) ? modelAddress(model, modelBase) : model;
    const pinned = isManifest(model) && model.sha256 ? {sha256: model.sha256} : {};
    const base: SessionOptions = {...pinned, ...session};
    const wanted = manifest?.output?.name;
    let opened = await Session.create(source, wanted ? {...base, outputs: [wanted]} : base);
    // Only the output that is used is computed. Which one is first is known only now.
    const first = opened.outputs[0]?.name;
    if (!wanted && first !== undefined && opened.outputs.length > 1 && base.outputs === undefined) {
      await opened.dispose();
      opened = await Session.create(source, {...base, outputs: [first]});
    }
    return new Cutter(opened, manifest ? coreManifest(manifest) : '{"guess": true}', manifest);
  }

  /** Which backend really runs, and why. */
  get binding(): Binding {
    return this.session.binding;
  }

  /** Alpha and foreground colours of a picture, at its own size. */
  async cut(image: PictureInput, options: CutOptions = {}): Promise<Cutout> {
    throwIfAborted(options.signal, 'The cutout');
    const {runtime, session} = channelOf(this.session);
    const transfer: Transferable[] = [];
    const picture = await pictureSource(image, transfer);
    return runtime.call(
      'cutout.cut',
      {
        session,
        manifest: this.manifestText,
        picture,
        options: {
          refine: options.refine ?? true,
          cleanEdges: options.cleanEdges ?? true,
          maxPixels: options.maxPixels ?? kDefaultMaxPixels,
        },
      },
      {transfer, signal: options.signal, onEvent: options.onProgress},
    );
  }

  /** Foreground colours again, for an alpha that was edited. `alpha` is copied. */
  async recolor(alpha: Uint8Array, options: RecolorOptions = {}): Promise<Layers> {
    throwIfAborted(options.signal, 'Colouring');
    const {runtime, session} = channelOf(this.session);
    const sent = alpha.slice();
    const transfer: Transferable[] = [sent.buffer];
    const picture = options.image ? await pictureSource(options.image, transfer) : null;
    return runtime.call(
      'cutout.recolor',
      {
        session,
        manifest: this.manifestText,
        alpha: sent,
        picture,
        maxPixels: options.maxPixels ?? kDefaultMaxPixels,
      },
      {transfer, signal: options.signal},
    );
  }

  /** A run on zeros, so that the first picture meets no compilation. */
  warmup(): Promise<void> {
    return this.session.warmup();
  }

  /** After a failover: back to the GPU through the whole gate. */
  retryGpu(): Promise<void> {
    return this.session.retryGpu();
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }
}
