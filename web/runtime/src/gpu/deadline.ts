// Waits that end: a promise of a GPU that never settles must not hang a job.
import {SluiceError, messageOf} from '../errors.js';

/** Milliseconds that a wait on the device may last; fallback adapters are slow by definition. */
export function deadlineMs(fallback: boolean): number {
  return fallback ? 60_000 : 10_000;
}

/** Listeners to one failure. A long-lived promise in Promise.race would keep every loser's memory. */
export class FailureSignal {
  private error: SluiceError | null = null;
  private readonly listeners = new Set<(error: SluiceError) => void>();

  get failure(): SluiceError | null {
    return this.error;
  }

  /** The first failure counts. */
  fail(error: SluiceError): void {
    if (this.error) return;
    this.error = error;
    for (const listener of [...this.listeners]) listener(error);
    this.listeners.clear();
  }

  listen(listener: (error: SluiceError) => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }
}

/**
 * `work`, or a device error after `ms` or as soon as `signal` fails. Whatever it rejects with becomes one, too.
 * `heard`: when the other side last gave a sign of life (performance.now()); the time counts from there.
 */
export function within<T>(
  work: Promise<T>,
  ms: number,
  what: string,
  signal?: FailureSignal,
  heard: () => number = () => -Infinity,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal?.failure) {
      work.catch(() => {}); // nobody else listens
      reject(signal.failure);
      return;
    }
    const end = () => {
      clearTimeout(timer);
      forget?.();
    };
    let due = performance.now() + ms;
    const onTime = () => {
      const now = performance.now();
      // A machine that slept, or a page that was frozen, gets its whole time again.
      const since = now - due > ms / 2 ? now : heard();
      if (since + ms > now) {
        due = since + ms;
        timer = setTimeout(onTime, due - now);
        return;
      }
      end();
      reject(new SluiceError('device', `The device did not answer within ${(ms / 1000).toFixed(0)} s (${what})`));
    };
    let timer = setTimeout(onTime, ms);
    const forget = signal?.listen(error => {
      end();
      reject(error);
    });
    work.then(
      value => {
        end();
        resolve(value);
      },
      (thrown: unknown) => {
        end();
        reject(
          thrown instanceof SluiceError
            ? thrown
            : new SluiceError('device', `The device fails (${what}: ${messageOf(thrown)})`, {cause: thrown}),
        );
      },
    );
  });
}
