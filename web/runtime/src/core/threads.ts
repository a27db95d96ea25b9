// ThreadTeam: the workers that share the module's memory and run parts of kernels. They are started before
// the module is configured, and not waited for: one that comes late or never costs speed only.
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
  readonly size: number;
  stop(): void;
}

export interface TeamOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly exports: ModuleExports;
  readonly assets: string | null;
}

export function startThreads(count: number, {module, memory, exports, assets}: TeamOptions): ThreadTeam {
  const workers: Worker[] = [];
  for (let index = 1; index <= count; ++index) {
    const block = exports.sluice_thread_block() >>> 0;
    if (block === 0) break; // out of memory: fewer threads
    const worker = threadWorker(`sluice thread ${index}`, assets);
    worker.onerror = event => {
      event.preventDefault();
      console.warn(`sluice · thread ${index} can not be started (${event.message || 'thread.js is not to be had'})`);
    };
    worker.postMessage({module, memory, block, index} satisfies ThreadMessage);
    workers.push(worker);
  }
  return {
    size: workers.length,
    stop: () => {
      for (const worker of workers) worker.terminate();
    },
  };
}
