// ThreadTeam: the workers that share the module's memory and run parts of kernels. They are started when there is
// work for them, and not waited for: one that comes late or never costs speed only.
import {threadWorker} from '../assets.js';
import type {ModuleExports} from './exports.js';

/** What a thread's worker is told (thread.ts). */
export interface ThreadMessage {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Its stack and thread-local data, in the shared memory. */
  readonly block: number;
  /** 1 .. number of workers. */
  readonly index: number;
}

export interface ThreadTeam {
  /** How many there are to be. */
  readonly size: number;
  /** Once; later calls do nothing. */
  start(): void;
  stop(): void;
}

export interface TeamOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly exports: ModuleExports;
  readonly assets: string | null;
}

export function threadTeam(size: number, {module, memory, exports, assets}: TeamOptions): ThreadTeam {
  const workers: Worker[] = [];
  let started = false;
  return {
    size,
    start: () => {
      if (started) return;
      started = true;
      for (let index = 1; index <= size; ++index) {
        const block = exports.sluice_thread_block() >>> 0;
        if (block === 0) break; // out of memory: fewer threads
        const worker = threadWorker(`sluice thread ${index}`, assets);
        worker.onerror = event => {
          event.preventDefault();
          const why = event.message || 'thread.js is not to be had';
          console.warn(`sluice · thread ${index} can not be started (${why})`);
        };
        worker.postMessage({module, memory, block, index} satisfies ThreadMessage);
        workers.push(worker);
      }
    },
    stop: () => {
      for (const worker of workers) worker.terminate();
    },
  };
}
