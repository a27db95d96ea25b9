// Fetches the module's file and compiles it while it streams. A page begins with that while its worker is still being
// started, and hands the compiled module over; a worker that gets none does it itself.
import {wasmUrl} from '../assets.js';
import {SluiceError, messageOf} from '../errors.js';
import {chooseFlavour, detectFeatures} from './features.js';
import type {Features, Flavour} from './features.js';

const MOST_THREADS = 16; // by default: beyond, kernels gain little and memory is spent

export interface CompileOptions {
  readonly assets: string | null;
  /** null: as many as the machine has. */
  readonly threads: number | null;
  /** false: a smaller module, which can compute on the CPU only. */
  readonly drivesGpu: boolean;
  /** Shared memory also for one thread, where it may be had. */
  readonly share: boolean;
  /** The module will run in a worker, not here. */
  readonly forWorker?: boolean;
}

export interface CompiledModule {
  readonly module: WebAssembly.Module;
  readonly flavour: Flavour;
  /** As many as it may have, the caller included. */
  readonly threads: number;
}

/** How many threads to use: what is asked for, where the page may have them at all. */
export function threadCount(asked: number | null, features: Features, forWorker: boolean): number {
  if (!features.threads || typeof Worker === 'undefined') return 1; // Node has workers of another kind
  if (!forWorker && typeof document !== 'undefined') return 1; // a page's own thread may not wait for others
  const there = globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.max(1, asked ?? Math.min(there, MOST_THREADS));
}

/** The build for this browser. */
export async function compileModule({
  assets,
  threads: asked,
  drivesGpu,
  share,
  forWorker = false,
}: CompileOptions): Promise<CompiledModule> {
  const features = detectFeatures();
  const threads = threadCount(asked, features, forWorker);
  const flavour = chooseFlavour(features, threads > 1 || share);
  if (!flavour) {
    throw new SluiceError('unsupported', "This browser's WebAssembly has no SIMD, which the module needs");
  }
  return {module: await compile(wasmUrl(flavour, drivesGpu, assets)), flavour, threads};
}

async function compile(url: URL): Promise<WebAssembly.Module> {
  let response: Response;
  try {
    response = await fetch(url, {credentials: 'same-origin'});
  } catch (thrown) {
    throw new SluiceError('network', `The module ${url.href} can not be fetched (${messageOf(thrown)})`, {
      cause: thrown,
    });
  }
  if (!response.ok) {
    throw new SluiceError('network', `The module ${url.href} can not be fetched (status ${response.status})`, {
      hint: "The package's .wasm files must lie beside worker.js, or at the address that the option `assets` gives.",
    });
  }
  try {
    // Streaming wants the MIME type application/wasm; a server that has another costs only time.
    const type = response.headers.get('content-type')?.split(';')[0]?.trim();
    if (type === 'application/wasm' && typeof WebAssembly.compileStreaming === 'function') {
      return await WebAssembly.compileStreaming(response);
    }
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (thrown) {
    throw new SluiceError('unsupported', `The module ${url.href} does not compile (${messageOf(thrown)})`, {
      cause: thrown,
      hint: "A content security policy must allow 'wasm-unsafe-eval' in script-src.",
    });
  }
}
