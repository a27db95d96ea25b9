// ThreadTeam: the threads that share the module's memory and run parts of kernels. They are started when there is
// work for them, and not waited for: one that comes late or never costs speed only. Their workers are made by the
// page: `new Worker` inside a worker waits for the page's thread, and where Firefox has a debugger (or WebDriver)
// listening, it may miss the answer and wait for ever.
import type {ThreadMessage} from '../protocol.js';
import type {ModuleExports} from './exports.js';
import {HashThread} from './hash_thread.js';

export interface ThreadTeam {
  /** How many there are to be. */
  readonly size: number;
  /** Once; later calls do nothing. */
  start(): void;
  /** Another one, which hashes; null where there are to be no threads. `free` gives memory of the module back. */
  hashThread(free: (block: number) => void): HashThread | null;
}

export interface TeamOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly exports: ModuleExports;
  readonly startThread: (thread: ThreadMessage) => void;
}

export function threadTeam(size: number, {module, memory, exports, startThread}: TeamOptions): ThreadTeam {
  let started = false;
  return {
    size,
    start: () => {
      if (started) return;
      started = true;
      for (let index = 1; index <= size; ++index) {
        const block = exports.sluice_thread_block() >>> 0;
        if (block === 0) break; // out of memory: fewer threads
        startThread({module, memory, block, index});
      }
    },
    hashThread: free => {
      if (size === 0) return null;
      const block = exports.sluice_thread_block() >>> 0;
      if (block === 0) return null;
      const {port1, port2} = new MessageChannel();
      startThread({module, memory, block, index: 0, hashes: port2});
      return new HashThread(port1, () => {
        free(block);
      });
    },
  };
}
