// Loads the module: chooses a flavour, compiles it while it streams, gives it memory, and starts the
// thread workers of the threaded builds.
import { SluiceError, messageOf } from '../errors.js';
import { wasmUrl } from './assets.js';
import { chooseFlavour, detectFeatures } from './features.js';
import type { Features, Flavour } from './features.js';
import { startThreads } from './threads.js';
import type { ThreadTeam } from './threads.js';
import { importsOf } from './wasi.js';

const PAGE_BYTES = 65536;
const FIRST_PAGES = [512, 1024, 2048]; // 32 MiB; more only where the module's own data ask for it
const MOST_PAGES = [65536, 49152, 32768, 16384]; // 4 GiB down to 1 GiB: phones may not reserve more

export interface LoadOptions {
  readonly assets: string | null;
  /** null: as many as the machine has. */
  readonly threads: number | null;
}

export interface LoadedModule {
  readonly instance: WebAssembly.Instance;
  readonly memory: WebAssembly.Memory;
  readonly flavour: Flavour;
  /** The caller included. */
  readonly threads: number;
  readonly team: ThreadTeam;
}

/** How many threads to use: what is asked for, where the page may have them at all. */
export function threadCount(asked: number | null, features: Features): number {
  if (!features.threads) return 1;
  const there = globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.max(1, Math.min(asked ?? Math.min(there, 16), 64));
}

async function compile(url: URL): Promise<WebAssembly.Module> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'same-origin' });
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

function makeMemory(shared: boolean, initial: number): WebAssembly.Memory {
  let refusal: unknown;
  for (const maximum of MOST_PAGES) {
    try {
      return new WebAssembly.Memory({ initial, maximum, shared });
    } catch (thrown) {
      refusal = thrown;
    }
  }
  throw new SluiceError(
    'resource',
    `The browser gives no memory of ${(initial * PAGE_BYTES) >> 20} MiB (${messageOf(refusal)})`,
    { cause: refusal },
  );
}

async function instantiate(
  module: WebAssembly.Module,
  shared: boolean,
): Promise<{ instance: WebAssembly.Instance; memory: WebAssembly.Memory }> {
  let refusal: unknown;
  for (const initial of FIRST_PAGES) {
    const memory = makeMemory(shared, initial);
    try {
      return { instance: await WebAssembly.instantiate(module, importsOf(module, memory)), memory };
    } catch (thrown) {
      refusal = thrown;
      if (!(thrown instanceof WebAssembly.LinkError)) break;
    }
  }
  throw new SluiceError('internal', `The module can not be instantiated (${messageOf(refusal)})`, { cause: refusal });
}

/** Fetches, compiles and starts the module, with its threads. */
export async function loadModule(options: LoadOptions): Promise<LoadedModule> {
  const features = detectFeatures();
  const wanted = threadCount(options.threads, features);
  const flavour = chooseFlavour(features, wanted);
  if (!flavour) {
    throw new SluiceError('unsupported', "This browser's WebAssembly has no SIMD, which the module needs");
  }
  const shared = flavour.endsWith('-threads');
  const module = await compile(wasmUrl(flavour, options.assets));
  const { instance, memory } = await instantiate(module, shared);
  const { _initialize: initialize } = instance.exports;
  if (typeof initialize === 'function') initialize();
  const team = await startThreads(shared ? wanted - 1 : 0, { module, memory, instance, assets: options.assets });
  return { instance, memory, flavour, threads: team.size + 1, team };
}
