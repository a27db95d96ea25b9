// The few functions of WASI that the module's C library imports. There are no files, arguments or
// environment; what is written to standard output or error becomes a console line.
const SUCCESS = 0;
const BAD_FILE = 8;
const NOT_SUPPORTED = 52;

type Imports = Record<string, (...args: never[]) => number>;

export function wasiImports(memory: WebAssembly.Memory): Imports {
  const bytes = () => new Uint8Array(memory.buffer);
  const view = () => new DataView(memory.buffer);
  const lines = ['', '']; // of standard output and error, until their ends

  const known: Imports = {
    clock_time_get: (clock: number, _precision: bigint, at: number) => {
      const ms = clock === 0 ? performance.timeOrigin + performance.now() : performance.now();
      view().setBigUint64(at, BigInt(Math.round(ms * 1e6)), true);
      return SUCCESS;
    },
    clock_res_get: (_clock: number, at: number) => {
      view().setBigUint64(at, 1000n, true);
      return SUCCESS;
    },
    random_get: (at: number, count: number) => {
      for (let done = 0; done < count; done += 65536) {
        const piece = new Uint8Array(Math.min(65536, count - done)); // shared memory is refused
        bytes().set(crypto.getRandomValues(piece), at + done);
      }
      return SUCCESS;
    },
    fd_write: (file: number, vectors: number, count: number, written: number) => {
      if (file !== 1 && file !== 2) return BAD_FILE;
      let total = 0;
      for (let i = 0; i < count; ++i) {
        const at = view().getUint32(vectors + 8 * i, true);
        const size = view().getUint32(vectors + 8 * i + 4, true);
        lines[file - 1] += new TextDecoder().decode(bytes().slice(at, at + size));
        total += size;
      }
      const whole = (lines[file - 1] ?? '').split('\n');
      lines[file - 1] = whole.pop() ?? '';
      for (const line of whole) (file === 1 ? console.log : console.error)(line);
      view().setUint32(written, total, true);
      return SUCCESS;
    },
    environ_sizes_get: (count: number, size: number) => {
      view().setUint32(count, 0, true);
      view().setUint32(size, 0, true);
      return SUCCESS;
    },
    environ_get: () => SUCCESS,
    args_sizes_get: (count: number, size: number) => {
      view().setUint32(count, 0, true);
      view().setUint32(size, 0, true);
      return SUCCESS;
    },
    args_get: () => SUCCESS,
    sched_yield: () => SUCCESS,
    fd_close: () => BAD_FILE,
    fd_read: () => BAD_FILE,
    fd_seek: () => BAD_FILE,
    fd_fdstat_get: () => BAD_FILE,
    fd_prestat_get: () => BAD_FILE,
    fd_prestat_dir_name: () => BAD_FILE,
    proc_exit: (status: number) => {
      throw new WebAssembly.RuntimeError(`the module exits with status ${status}`);
    },
  };
  return known;
}

/** The import object of `module`: its memory, and for functions that are not known, a refusal. */
export function importsOf(module: WebAssembly.Module, memory: WebAssembly.Memory): WebAssembly.Imports {
  const wasi = wasiImports(memory);
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const {module: space, name, kind} of WebAssembly.Module.imports(module)) {
    const group = (imports[space] ??= {});
    if (kind === 'memory') group[name] = memory;
    else if (kind === 'function') group[name] = wasi[name] ?? (() => NOT_SUPPORTED);
  }
  return imports;
}
