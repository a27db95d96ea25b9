// What this browser's WebAssembly can do, asked with modules of a few bytes that are only validated.
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const VECTOR_RESULT = [0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b]; // type 0: () -> v128
const NOTHING = [0x01, 0x04, 0x01, 0x60, 0x00, 0x00]; // type 0: () -> ()
const ONE_FUNCTION = [0x03, 0x02, 0x01, 0x00];

function validates(...parts: readonly number[][]): boolean {
  return WebAssembly.validate(new Uint8Array([...HEADER, ...parts.flat()]));
}

// i32.const 0, i8x16.splat
function hasSimd(): boolean {
  return validates(VECTOR_RESULT, ONE_FUNCTION, [0x0a, 0x08, 0x01, 0x06, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x0b]);
}

// The same twice, i8x16.relaxed_swizzle
function hasRelaxedSimd(): boolean {
  return validates(
    VECTOR_RESULT,
    ONE_FUNCTION,
    [0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b],
  );
}

// A shared memory, i32.atomic.load of it
function hasAtomics(): boolean {
  return validates(
    NOTHING,
    ONE_FUNCTION,
    [0x05, 0x04, 0x01, 0x03, 0x01, 0x01],
    [0x0a, 0x0b, 0x01, 0x09, 0x00, 0x41, 0x00, 0xfe, 0x10, 0x02, 0x00, 0x1a, 0x0b],
  );
}

export interface Features {
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  /** Shared memory is there and may be handed to workers: the page is cross-origin isolated. */
  readonly threads: boolean;
}

export function detectFeatures(): Features {
  // Node has no crossOriginIsolated and needs no leave.
  const isolated = typeof crossOriginIsolated === 'undefined' ? true : crossOriginIsolated;
  return {
    simd: hasSimd(),
    relaxedSimd: hasRelaxedSimd(),
    threads: isolated && typeof SharedArrayBuffer === 'function' && hasAtomics(),
  };
}

export type Flavour = 'simd' | 'simd-threads' | 'relaxed' | 'relaxed-threads';

/** The build of the module for these features, with shared memory if it is wanted and may be had; null: this browser is too old. */
export function chooseFlavour(features: Features, shared: boolean): Flavour | null {
  if (!features.simd) return null;
  const base = features.relaxedSimd ? 'relaxed' : 'simd';
  return shared && features.threads ? `${base}-threads` : base;
}
