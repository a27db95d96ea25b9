// earlyCollection makes Chromium's engine collect what a page has dropped of its results before 64 MiB of them are
// garbage, which is when it would by itself. It looks at how much of arrays is young before it makes another one; so an
// array of 64 MiB, which nobody touches and nobody keeps, makes the next one a collection. For results up to 4 MiB a
// run that saves some 30 MB of a page's memory.
import {buffersOf} from './protocol.js';
import type {Results} from './types.js';

const YOUNG_BYTES = 64 << 20;
// A collection of young objects takes 0.2 to 1 ms. Results that live through two of them grow old, and stay until all
// memory is collected: at least four runs go by in between.
const COLLECT_AFTER_BYTES = 16 << 20;
const COLLECT_AFTER_RUNS = 4;

// Every other engine counts garbage in its own way.
const collects = 'userAgentData' in ((globalThis as {navigator?: object}).navigator ?? {});

/** To be called with results that a run has handed out in memory of their own. */
export function earlyCollection(
  provoke = (bytes: number): unknown => collects && new ArrayBuffer(bytes),
): (results: Results) => void {
  let handed = 0;
  return results => {
    const bytes = buffersOf(results).reduce((sum, {byteLength}) => sum + byteLength, 0);
    handed += bytes;
    const enough = Math.max(COLLECT_AFTER_BYTES, COLLECT_AFTER_RUNS * bytes);
    if (handed < enough || enough >= YOUNG_BYTES) return;
    handed = 0;
    try {
      provoke(YOUNG_BYTES);
    } catch {
      // No room for it: then the engine has collected.
    }
  };
}
