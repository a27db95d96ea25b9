// ThreadTeam: the workers that share the module's memory and run parts of kernels. They are started
// before the module is configured; one that can't be started means fewer threads, not a failure.
export interface ThreadMessage {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** 1 .. number of workers. */
  readonly index: number;
  /** Top of this thread's stack and start of its thread-local block, in the shared memory. */
  readonly stack: number;
  readonly tls: number;
}

export interface ThreadTeam {
  readonly size: number;
  stop(): void;
}

export interface TeamOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly instance: WebAssembly.Instance;
  readonly assets: string | null;
}

export const NO_THREADS: ThreadTeam = { size: 0, stop() {} };

export async function startThreads(_count: number, _options: TeamOptions): Promise<ThreadTeam> {
  return NO_THREADS;
}
