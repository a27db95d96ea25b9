// ResultMemory: memory for the next run's results, made while the page waits for this one's. The first touch of memory
// that is new to the process costs about 0.4 ms a megabyte; here it runs beside the worker, in pieces so short that
// the page doesn't notice. At most one set of results, only while short runs with large results follow one another,
// and freed when they stop. Of larger results one is made here, untouched, when the next run is called for: what the
// page has dropped is garbage of its own engine, which looks for garbage where memory is asked for, and not where it
// arrives from a worker.
import {buffersOf} from './protocol.js';
import type {Results} from './types.js';

// Smaller blocks come back from the browser's allocator without being new.
const LEAST_BYTES = 1 << 20;
const MOST_BYTES = 32 << 20;
// Chromium collects young garbage before it makes an array where 32 MiB of them (64 MiB in later versions) are young.
// The second such array would let the results that the page still has grow old, so there is one.
const COLLECTED_BYTES = 32 << 20;
// The first touch is a small part of longer runs.
const LONGEST_RUN_MS = 100;
const LONGEST_PAUSE_MS = 1000;
const PAGE_BYTES = 4096;
// Some 0.1 ms.
const PIECE_BYTES = 256 << 10;

/** The clock and what runs when the page has nothing better to do. */
export interface IdleTime {
  now(): number;
  whenIdle(task: () => void): void;
  after(ms: number, task: () => void): unknown;
  forget(timer: unknown): void;
}

interface Scheduler {
  postTask(task: () => void, options: {priority: 'background'}): Promise<void>;
}

/** null where nothing tells when a page is idle. */
function idleTime(): IdleTime | null {
  const {scheduler} = globalThis as {scheduler?: Partial<Scheduler>};
  if (typeof scheduler?.postTask !== 'function') return null;
  return {
    now: () => performance.now(),
    whenIdle: task => void scheduler.postTask?.(task, {priority: 'background'}).catch(() => {}),
    after: (ms, task) => setTimeout(task, ms),
    forget: timer => {
      clearTimeout(timer as number);
    },
  };
}

export class ResultMemory {
  /** Bytes of each large result of the latest run. */
  private sizes: readonly number[] = [];
  private begun = 0;
  private ended = -Infinity;
  /** The latest runs were short, followed one another, and made results of the same sizes. */
  private steady = false;
  private made: ArrayBuffer[] = [];
  private timer: unknown;

  constructor(private readonly idle = idleTime()) {}

  /** A run is about to be called for: what was made for its results. */
  take(): ArrayBuffer[] {
    const largest = Math.max(0, ...this.sizes);
    if (largest >= COLLECTED_BYTES) {
      try {
        return [new ArrayBuffer(largest)];
      } catch {
        return []; // the worker will find memory, or tell
      }
    }
    if (!this.idle) return [];
    this.begun = this.idle.now();
    if (this.begun - this.ended > LONGEST_PAUSE_MS) this.steady = false;
    const {made} = this;
    this.drop();
    return made;
  }

  /** The run has been called for, and the page waits. */
  wait(): void {
    if (!this.idle || !this.steady) return;
    this.made = this.sizes.map(bytes => new ArrayBuffer(bytes));
    this.touch(this.made, 0, 0);
    this.timer = this.idle.after(LONGEST_PAUSE_MS + LONGEST_RUN_MS, () => {
      this.drop();
    });
  }

  /** The run has ended; null: without results. */
  end(results: Results | null): void {
    this.ended = this.idle?.now() ?? 0;
    const sizes = results ? buffersOf(results).map(({byteLength}) => byteLength) : [];
    const large = sizes.filter(bytes => bytes >= LEAST_BYTES);
    const total = large.reduce((sum, bytes) => sum + bytes, 0);
    const same = large.length === this.sizes.length && large.every((bytes, i) => bytes === this.sizes[i]);
    this.steady = same && total > 0 && total <= MOST_BYTES && this.ended - this.begun <= LONGEST_RUN_MS;
    this.sizes = large;
    if (!this.steady) this.drop();
  }

  drop(): void {
    this.idle?.forget(this.timer);
    this.made = [];
  }

  private touch(buffers: ArrayBuffer[], index: number, from: number): void {
    this.idle?.whenIdle(() => {
      const buffer = buffers[index];
      if (this.made !== buffers || !buffer) return;
      const bytes = new Uint8Array(buffer);
      const to = Math.min(from + PIECE_BYTES, bytes.length);
      for (let at = from; at < to; at += PAGE_BYTES) bytes[at] = 0;
      if (to < bytes.length) this.touch(buffers, index, to);
      else this.touch(buffers, index + 1, 0);
    });
  }
}
