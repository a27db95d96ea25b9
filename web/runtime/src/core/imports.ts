// What the module imports from its host: memory, two clocks, and lines for the console.
export interface HostImports {
  readonly env: Record<string, WebAssembly.ImportValue>;
  /** The latest lines: before a trap they say what has failed. */
  readonly lines: readonly string[];
}

const KEPT_LINES = 20;

export function hostImports(memory: WebAssembly.Memory): HostImports {
  const decoder = new TextDecoder();
  const lines: string[] = [];
  const env = {
    memory,
    sluice_now: () => performance.now(),
    sluice_wall: () => Date.now(),
    sluice_message: (text: number, bytes: number) => {
      // Copied: TextDecoder refuses shared memory.
      const line = decoder.decode(new Uint8Array(memory.buffer, text >>> 0, bytes).slice());
      if (lines.push(line) > KEPT_LINES) lines.shift();
      console.warn(`sluice · ${line}`);
    },
  };
  return {env, lines};
}
