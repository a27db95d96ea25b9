// EarlyCollection: makes Chromium's engine collect what a page has dropped of its results before 64 MiB of them are
// garbage, which is when it would by itself. It looks at how much of arrays is young before it makes another one; so an
// array of 64 MiB, which nobody touches and nobody keeps, makes the next one a collection. For results up to 4 MiB a
// run that saves some 30 MB of a page's memory.
import {buffersOf} from './protocol.js';
import type {Results} from './types.js';

const YOUNG_BYTES = 64 << 20;
/** A collection of young objects takes 0.2 to 1 ms. */
const COLLECT_AFTER_BYTES = 16 << 20;
/** Results that live through two collections grow old, and stay until all memory is collected. */
const COLLECT_AFTER_RUNS = 4;

/** Null where another engine runs: each counts garbage in its own way. */
function provocation(): (() => void) | null {
  const {navigator} = globalThis as {navigator?: object};
  if (!navigator || !('userAgentData' in navigator)) return null;
  return () => {
    try {
      new ArrayBuffer(YOUNG_BYTES);
    } catch {
      // No room for it: then the engine has collected.
    }
  };
}

export class EarlyCollection {
  private bytes = 0;

  constructor(private readonly provoke = provocation()) {}

  /** A run has handed out results in memory of their own. */
  handed(results: Results): void {
    if (!this.provoke) return;
    const bytes = buffersOf(results).reduce((sum, {byteLength}) => sum + byteLength, 0);
    this.bytes += bytes;
    const enough = Math.max(COLLECT_AFTER_BYTES, COLLECT_AFTER_RUNS * bytes);
    if (this.bytes < enough || enough >= YOUNG_BYTES) return;
    this.bytes = 0;
    this.provoke();
  }
}
