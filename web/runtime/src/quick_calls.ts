// Quick calls: runs so short that a message to the worker and one back would be most of a call. Each message wakes a
// thread, some 0.03 ms on an idle core. Where memory is shared, such runs that follow one another go through a few words
// of it instead, and none of their data is described twice:
//
//   - After a run that was short and whose feeds the page had written (Runtime.writeFeed), the worker tells with the
//     result where its parts lie (KnownAnswer), and then sleeps on the word STATE for at most LONGEST_WAIT_MS before it
//     goes back to its event loop. It does so only where nothing else is under way, and no message is (POSTED). After a
//     quick call it first looks at that word for LONGEST_GAP_MS.
//   - The page writes the next feeds and a call (CALL, SESSION), sets STATE to CALLED and wakes the worker, which runs.
//     The page looks at STATE until that has changed, then takes results from where they lie: the worker touches them no
//     more before the next call. ANSWERED tells that all of it lies where the page knows. Else (an error, a trap, another
//     output's size) the answer is a message, as for any call.
//   - A page that has looked for LONGEST_LOOK_MS sets STATE to GIVEN_UP, and the answer is a message, too. A worker that
//     has died is found out by that, and its error event.
//   - Whatever the page posts wakes the worker, so that no message waits for it.
//   - Calls that are answered at once leave neither thread its event loop: after LONGEST_ROW_MS without a message, one is
//     posted.
import type {DType} from './types.js';

/** A tensor of numbers that a run will make in the module's memory. */
export interface ResultPlace {
  readonly name: string;
  readonly dtype: Exclude<DType, 'string'>;
  readonly dims: readonly number[];
  readonly at: number;
  readonly bytes: number;
}

/** Where the parts of a session's next answer will lie, unless a message tells something else. */
export interface KnownAnswer {
  readonly outputs: readonly ResultPlace[];
  /** RunResult.figures. */
  readonly figures: {readonly at: number; readonly count: number};
}

/** What a worker's runs may take and hand out to be called quickly. */
export const LONGEST_RUN_MS = 0.25;
export const MOST_BYTES = 256 << 10;

const LONGEST_LOOK_MS = 0.5;
const LONGEST_GAP_MS = 0.05;
const LONGEST_WAIT_MS = 2;
const LONGEST_ROW_MS = 8;
const MOST_LOOKS_PER_MS = 40_000;
// Calls that are posted after one that was looked for in vain: both cores may be busy.
const MOST_SKIPPED = 256;

const STATE = 0;
const POSTED = 1; // messages to the worker so far
const CALL = 2;
const SESSION = 3;
const ANSWERED = 4; // the latest call whose answer lies where the page knows
const WORDS = 5;

const AWAY = 0; // the worker is, or will be, at its event loop
const WAITING = 1;
const CALLED = 2;
const GIVEN_UP = 3;

// While STATE is `old`, for so long.
function look(words: Int32Array, old: number, ms: number): void {
  const end = performance.now() + ms;
  // A browser's clock may stand still for longer.
  for (let looks = MOST_LOOKS_PER_MS * ms; looks > 0 && Atomics.load(words, STATE) === old; --looks) {
    if (performance.now() > end) return;
  }
}

/** The page's end. */
export class QuickCaller {
  /** This thread was at its event loop. */
  private heard = -Infinity;
  private toSkip = 0;
  private skipNext = 1;

  constructor(
    private readonly words: Int32Array,
    posts: number,
  ) {
    Atomics.store(words, POSTED, posts);
  }

  /** A message from the worker has come. */
  hear(): void {
    this.heard = performance.now();
  }

  /** A message to the worker is on its way, the last of so many. */
  post(posts: number): void {
    Atomics.store(this.words, POSTED, posts);
    if (Atomics.compareExchange(this.words, STATE, WAITING, AWAY) === WAITING) Atomics.notify(this.words, STATE);
  }

  /**
   * Nothing else may be under way. 'answered': all lies where it is known to lie; 'called': a message will come;
   * 'away': the worker must be posted to.
   */
  call(call: number, session: number): 'answered' | 'called' | 'away' {
    const {words} = this;
    const begin = performance.now();
    if (Atomics.load(words, STATE) !== WAITING || begin - this.heard > LONGEST_ROW_MS) return 'away';
    if (this.toSkip > 0) {
      --this.toSkip;
      return 'away';
    }
    Atomics.store(words, CALL, call);
    Atomics.store(words, SESSION, session);
    if (Atomics.compareExchange(words, STATE, WAITING, CALLED) !== WAITING) return 'away';
    Atomics.notify(words, STATE);
    look(words, CALLED, LONGEST_LOOK_MS);
    if (Atomics.compareExchange(words, STATE, CALLED, GIVEN_UP) === CALLED) {
      this.toSkip = this.skipNext;
      this.skipNext = Math.min(2 * this.skipNext, MOST_SKIPPED);
      return 'called';
    }
    this.skipNext = 1;
    return Atomics.load(words, ANSWERED) === call ? 'answered' : 'called';
  }
}

/** What the worker's end calls. */
export interface QuickRuns {
  /** true: the answer lies where the page knows. */
  run(session: number): boolean;
  /** Tells the latest run's answer by a message. */
  post(call: number, session: number): void;
  refuse(call: number, thrown: unknown): void;
}

/** The worker's end. */
export class QuickServer {
  readonly words = new Int32Array(new SharedArrayBuffer(4 * WORDS));

  /** Nothing is under way; `received`: messages from the page so far. Comes back when there is something else to do. */
  serve(received: number, runs: QuickRuns): void {
    const {words} = this;
    Atomics.store(words, STATE, WAITING);
    for (let row = false; ; row = true) {
      // One that is posted from here on finds the word and changes it.
      if (Atomics.load(words, POSTED) === received) {
        if (row) look(words, WAITING, LONGEST_GAP_MS); // else the page may want this core, to hear of the message
        Atomics.wait(words, STATE, WAITING, LONGEST_WAIT_MS);
      }
      const found = Atomics.compareExchange(words, STATE, WAITING, AWAY);
      if (found !== CALLED && found !== GIVEN_UP) return;
      const call = Atomics.load(words, CALL);
      const session = Atomics.load(words, SESSION);
      let known: boolean;
      try {
        known = runs.run(session);
      } catch (thrown) {
        Atomics.store(words, STATE, AWAY);
        return runs.refuse(call, thrown);
      }
      if (known) {
        Atomics.store(words, ANSWERED, call);
        if (Atomics.compareExchange(words, STATE, CALLED, WAITING) === CALLED) continue;
      }
      Atomics.store(words, STATE, AWAY);
      return runs.post(call, session);
    }
  }
}
