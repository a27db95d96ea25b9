// What the cutout needs to know about a matting model beyond its graph: the JSON of models/*.json. The
// core reads and checks it (apps/cutout/manifest.h); this is its shape for TypeScript.

export interface CutoutManifest {
  readonly name: string;
  readonly title: string;
  /** Plain name of the model's file. */
  readonly file: string;
  readonly url?: string | null;
  /** Lower-case hexadecimal, of the file. */
  readonly sha256?: string | null;
  readonly bytes?: number | null;
  readonly licence: string;
  readonly source: string;
  readonly notes?: string;
  readonly input: {
    /** "": the model's only input. */
    readonly name: string;
    readonly layout: 'NCHW' | 'NHWC';
    readonly width: number;
    readonly height: number;
    readonly [more: string]: unknown;
  };
  readonly output?: {
    /** "": the model's first output. */
    readonly name: string;
    readonly [more: string]: unknown;
  };
}

const members = [
  'name',
  'title',
  'file',
  'url',
  'sha256',
  'bytes',
  'licence',
  'source',
  'input',
  'output',
  'notes',
] as const;

/** The manifest as the core reads it: `url` may be relative on a page, which the core refuses. */
export function coreManifest(manifest: CutoutManifest): string {
  const out: Record<string, unknown> = {};
  for (const member of members) {
    if (member !== 'url' && manifest[member] !== undefined) out[member] = manifest[member];
  }
  return JSON.stringify(out);
}
