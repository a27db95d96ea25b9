// Loads the module: chooses a flavour, compiles it while it streams, and gives it memory.
import {wasmUrl} from '../assets.js';
import {SluiceError, messageOf} from '../errors.js';
import type {ThreadMessage} from '../protocol.js';
import type {ModuleExports} from './exports.js';
import {chooseFlavour, detectFeatures} from './features.js';
import type {Features, Flavour} from './features.js';
import {hostImports} from './imports.js';
import {threadTeam} from './threads.js';
import type {ThreadTeam} from './threads.js';

const PAGE_BYTES = 65536;
const MOST_PAGES = [65536, 49152, 32768, 16384]; // 4 GiB down to 1 GiB: phones may not reserve more
const MOST_THREADS = 16; // by default: beyond, kernels gain little and memory is spent

export interface LoadOptions {
  readonly assets: string | null;
  /** null: as many as the machine has. */
  readonly threads: number | null;
  /** Makes the worker of one thread, sooner or later, on the page's side (see threads.ts). */
  readonly startThread: (thread: ThreadMessage) => void;
  /** Shared memory also for one thread, where it may be had. */
  readonly share: boolean;
}

export interface LoadedModule {
  readonly exports: ModuleExports;
  readonly memory: WebAssembly.Memory;
  readonly flavour: Flavour;
  /** The caller included. */
  readonly threads: number;
  readonly team: ThreadTeam;
  /** What the module said last. */
  readonly lines: readonly string[];
}

/** How many threads to use: what is asked for, where the page may have them at all. */
export function threadCount(asked: number | null, features: Features): number {
  if (!features.threads || typeof Worker === 'undefined') return 1; // Node has workers of another kind
  if (typeof document !== 'undefined') return 1; // a page's own thread may not wait for others
  const there = globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.max(1, asked ?? Math.min(there, MOST_THREADS));
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

// The module's allocator begins where its declared memory ends, so it gets exactly that. JavaScript can't
// see the number in an import; the build repeats it in a section of its own (tools/wasm_variants.mjs).
function initialPages(module: WebAssembly.Module): number {
  const [section] = WebAssembly.Module.customSections(module, 'sluice.pages');
  if (!section) throw new SluiceError('internal', 'The module does not say how much memory it begins with');
  return new DataView(section).getUint32(0, true);
}

function makeMemory(shared: boolean, initial: number): WebAssembly.Memory {
  let refusal: unknown;
  for (const maximum of MOST_PAGES) {
    try {
      return new WebAssembly.Memory({initial, maximum, shared});
    } catch (thrown) {
      refusal = thrown;
    }
  }
  throw new SluiceError(
    'resource',
    `The browser gives no memory of ${Math.ceil((initial * PAGE_BYTES) / 2 ** 20)} MiB (${messageOf(refusal)})`,
    {cause: refusal},
  );
}

/** Fetches, compiles and starts the module; its threads wait to be started (team). */
export async function loadModule(options: LoadOptions): Promise<LoadedModule> {
  const features = detectFeatures();
  const wanted = threadCount(options.threads, features);
  const flavour = chooseFlavour(features, wanted > 1 || options.share);
  if (!flavour) {
    throw new SluiceError('unsupported', "This browser's WebAssembly has no SIMD, which the module needs");
  }
  const shared = flavour.endsWith('-threads');
  const module = await compile(wasmUrl(flavour, options.assets));
  const memory = makeMemory(shared, initialPages(module));
  const {env, lines} = hostImports(memory);
  let exports: ModuleExports;
  try {
    const instance = await WebAssembly.instantiate(module, {env});
    exports = instance.exports as unknown as ModuleExports;
    exports.sluice_initialize();
  } catch (thrown) {
    throw new SluiceError('internal', `The module can not be started (${messageOf(thrown)})`, {cause: thrown});
  }
  const team = threadTeam(shared ? wanted - 1 : 0, {module, memory, exports, startThread: options.startThread});
  return {exports, memory, flavour, threads: team.size + 1, team, lines};
}
