// Loads the module: compiled here or by the page, it gets memory, and its threads can be started.
import {SluiceError, messageOf} from '../errors.js';
import type {ThreadMessage} from '../protocol.js';
import {compileModule} from './compile.js';
import type {CompileOptions, CompiledModule} from './compile.js';
import type {ModuleExports} from './exports.js';
import type {Flavour} from './features.js';
import {hostImports} from './imports.js';
import {threadTeam} from './threads.js';
import type {ThreadTeam} from './threads.js';

const PAGE_BYTES = 65536;
const MOST_PAGES = [65536, 49152, 32768, 16384]; // 4 GiB down to 1 GiB: phones may not reserve more

export interface LoadOptions extends CompileOptions {
  /** Makes the worker of one thread, sooner or later, on the page's side (see threads.ts). */
  readonly startThread: (thread: ThreadMessage) => void;
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

/** Starts the module, which somebody may have compiled already; its threads wait to be started (team). */
export async function loadModule(
  options: LoadOptions,
  compiled: Promise<CompiledModule | null> = Promise.resolve(null),
): Promise<LoadedModule> {
  const {module, flavour, threads} = (await compiled) ?? (await compileModule(options));
  const shared = flavour.endsWith('-threads');
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
  const team = threadTeam(shared ? threads - 1 : 0, {module, memory, exports, startThread: options.startThread});
  return {exports, memory, flavour, threads: team.size + 1, team, lines};
}
