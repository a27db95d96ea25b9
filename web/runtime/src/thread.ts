// A thread of the WebAssembly module (src/wasm/abi.h, "Threads"): runs its share of kernels until it is
// terminated, or hashes what it is given until it is told to end. Before that, a failure costs a thread and is an error event at whoever made the worker; in a kernel,
// the module is told, too: whoever waits for that share would wait for ever.
import {hostImports} from './core/imports.js';
import type {HashPiece} from './core/hash_thread.js';
import type {ThreadMessage} from './protocol.js';

interface ThreadExports {
  readonly __stack_pointer: WebAssembly.Global<'i32'>;
  __wasm_init_tls(block: number): void;
  sluice_thread_block_bytes(): number;
  sluice_thread_main(index: number): void;
  sluice_thread_failed(): void;
  sluice_hash(state: number, data: number, bytes: number): void;
}

function serveHashes(exports: ThreadExports, port: MessagePort): void {
  port.onmessage = ({data: piece}: MessageEvent<HashPiece>) => {
    if (!piece) return globalThis.close();
    let done = false;
    try {
      exports.sluice_hash(piece.state, piece.at, piece.bytes);
      done = true;
    } finally {
      port.postMessage(done);
    }
  };
  port.postMessage(true);
}

globalThis.onmessage = (event: MessageEvent<ThreadMessage>) => {
  const {module, memory, block, index, hashes} = event.data;
  const {env} = hostImports(memory);
  const instance = new WebAssembly.Instance(module, {env});
  const exports = instance.exports as unknown as ThreadExports;
  exports.__stack_pointer.value = (block + exports.sluice_thread_block_bytes()) | 0; // i32
  exports.__wasm_init_tls(block);
  if (hashes) return serveHashes(exports, hashes);
  try {
    exports.sluice_thread_main(index);
  } catch (trap) {
    exports.sluice_thread_failed();
    throw trap;
  }
};
