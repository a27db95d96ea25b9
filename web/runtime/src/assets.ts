// Where the module's files are. Each address is written out, so that bundlers find the files and may
// rename them. They lie beside worker.js, into which this is bundled; this source lies there, too.
import type {Flavour} from './core/features.js';

/** The address of one flavour; `base` (absolute, with a slash at its end) stands in for the default. */
export function wasmUrl(flavour: Flavour, base: string | null): URL {
  if (base !== null) return new URL(`sluice-${flavour}.wasm`, base);
  switch (flavour) {
    case 'simd':
      return new URL('./sluice-simd.wasm', import.meta.url);
    case 'simd-threads':
      return new URL('./sluice-simd-threads.wasm', import.meta.url);
    case 'relaxed':
      return new URL('./sluice-relaxed.wasm', import.meta.url);
    case 'relaxed-threads':
      return new URL('./sluice-relaxed-threads.wasm', import.meta.url);
  }
}
