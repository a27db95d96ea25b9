// The models to choose from: models.json is generated from the manifests that the command line has
// compiled in, with its aliases "fast" and "best".

import type {CutoutManifest} from 'sluice-web/cutout';

import {bytesText} from './format.js';

export interface Catalogue {
  readonly fast: string;
  readonly best: string;
  readonly models: readonly CutoutManifest[];
}

export function parseCatalogue(value: unknown): Catalogue {
  const root = value as Partial<Catalogue> | null;
  if (typeof root?.fast !== 'string' || typeof root.best !== 'string' || !Array.isArray(root.models)) {
    throw new TypeError('The file models.json is not a list of models.');
  }
  const names = new Set(root.models.map(model => (model as CutoutManifest).name));
  if (!names.has(root.fast) || !names.has(root.best)) {
    throw new TypeError('The file models.json names a default model that it does not list.');
  }
  return root as Catalogue;
}

export function findModel(catalogue: Catalogue, name: string): CutoutManifest | undefined {
  const wanted = name === 'fast' ? catalogue.fast : name === 'best' ? catalogue.best : name;
  return catalogue.models.find(model => model.name === wanted);
}

/** How to bring a model's file to a site that lacks it. */
export function missingModelSentence(manifest: CutoutManifest): string {
  const size = manifest.bytes ? ` (${bytesText(manifest.bytes)})` : '';
  return (
    `This site does not have the model ${manifest.title}. ` +
    `To add it, put the file ${manifest.file}${size} into the folder “models” beside this page; it comes from ${manifest.source}. ` +
    'You can also open a model file of your own.'
  );
}

/** Why a model of the catalogue is not used; "" for those whose file is known by its hash. As on the command line. */
export function unpinnedSentence(manifest: CutoutManifest): string {
  if (manifest.sha256) return '';
  return (
    `The model ${manifest.title} is not used, since the catalogue does not know the SHA-256 of its file. ` +
    `Fetch the file yourself (it comes from ${manifest.source}), and open it as a model file of your own.`
  );
}

export type ModelKind = 'onnx' | 'tflite';

/** What a file of the user's own seems to be, by its name. */
export function modelKind(name: string): ModelKind | null {
  if (/\.onnx$/i.test(name)) return 'onnx';
  if (/\.tflite$/i.test(name)) return 'tflite';
  return null;
}
