// sluice-web/cutout: the background of pictures, removed, with the same manifests, pixels and edges as the
// command line's `sluice cutout`.
export type {CutEvent, CutPhase, CutTimes, Layers} from './calls.js';
export {Cutter} from './cutter.js';
export type {Cutout, CutOptions, CutterOptions, PictureInput, RecolorOptions} from './cutter.js';
export type {CutoutManifest} from './manifest.js';
