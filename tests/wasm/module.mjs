// Loads a module of build/wasm in Node, as a host: memory, imports, workers, calls with texts.
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

// Pages that a module's memory import asks for: the build repeats the number in a section of its own
// (tools/wasm_variants.mjs), since JavaScript can't see it in the import.
function initialPages(module) {
  const [section] = WebAssembly.Module.customSections(module, 'sluice.pages');
  return new DataView(section).getUint32(0, true);
}

export class SluiceError extends Error {}

// {file, threads = 1, maximumPages, onMessage}
export async function load(file, { threads = 1, maximumPages = 65536, onMessage = (line) => console.error(line) } = {}) {
  const bytes = readFileSync(file);
  const module = await WebAssembly.compile(bytes);
  const shared = file.endsWith('-threads.wasm');
  const memory = new WebAssembly.Memory({ initial: initialPages(module), maximum: maximumPages, shared });
  const messages = [];
  const env = {
    memory,
    sluice_now: () => performance.now(),
    sluice_wall: () => Date.now(),
    sluice_message: (text, length) => {
      messages.push(new TextDecoder().decode(new Uint8Array(memory.buffer, text, length).slice()));
      onMessage(messages.at(-1));
    },
  };
  const { exports: x } = await WebAssembly.instantiate(module, { env });
  x.sluice_initialize();
  const workers = [];
  for (let index = 1; index < threads; ++index) {
    const worker = new Worker(new URL('./thread.mjs', import.meta.url), {
      workerData: { module, memory, block: x.sluice_thread_block(), index },
    });
    worker.unref();
    workers.push(worker);
  }

  const host = {
    x, memory, messages,
    bytes: (at, length) => new Uint8Array(memory.buffer, at, length),
    // A copy of `data` in the module's memory, to be handed over.
    put(data) {
      const at = x.sluice_alloc(data.byteLength) >>> 0;
      if (at === 0) throw new SluiceError(`the module has no memory for ${data.byteLength} bytes`);
      host.bytes(at, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      return at;
    },
    // Calls an export; strings become (pointer, bytes). {status, text} with the text parsed.
    call(name, ...args) {
      const texts = [], flat = [];
      for (const arg of args) {
        if (typeof arg !== 'string') {
          flat.push(arg);
          continue;
        }
        const data = new TextEncoder().encode(arg);
        const at = host.put(data);
        texts.push(at);
        flat.push(at, data.length);
      }
      const status = x[name](...flat);
      for (const at of texts) x.sluice_free(at);
      const length = x.sluice_text_size();
      const text = length === 0 ? '' : new TextDecoder().decode(host.bytes(x.sluice_text_data() >>> 0, length).slice());
      const value = text === '' ? null : JSON.parse(text);
      if (status < 0) {
        const error = new SluiceError(value.message + (value.hint ? ` (${value.hint})` : ''));
        error.code = value.code;
        throw error;
      }
      return { status, value };
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
  host.about = host.call('sluice_configure', threads).value;
  return host;
}
