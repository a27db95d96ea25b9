// Where the module's files are. Each address is written out, so that bundlers find the files and may
// rename them. They lie beside worker.js, into which this is bundled; this source lies there, too.
import type {Flavour} from './core/features.js';

/**
 * The address of one flavour, of the module that can drive a GPU or of the smaller one for the CPU alone; `base`
 * (absolute, with a slash at its end) stands in for the default.
 */
export function wasmUrl(flavour: Flavour, drivesGpu: boolean, base: string | null): URL {
  const name = drivesGpu ? flavour : (`cpu-${flavour}` as const);
  if (base !== null) return new URL(`sluice-${name}.wasm`, base);
  switch (name) {
    case 'simd':
      return new URL('./sluice-simd.wasm', import.meta.url);
    case 'simd-threads':
      return new URL('./sluice-simd-threads.wasm', import.meta.url);
    case 'relaxed':
      return new URL('./sluice-relaxed.wasm', import.meta.url);
    case 'relaxed-threads':
      return new URL('./sluice-relaxed-threads.wasm', import.meta.url);
    case 'cpu-simd':
      return new URL('./sluice-cpu-simd.wasm', import.meta.url);
    case 'cpu-simd-threads':
      return new URL('./sluice-cpu-simd-threads.wasm', import.meta.url);
    case 'cpu-relaxed':
      return new URL('./sluice-cpu-relaxed.wasm', import.meta.url);
    case 'cpu-relaxed-threads':
      return new URL('./sluice-cpu-relaxed-threads.wasm', import.meta.url);
  }
}
