// Tells, after a reload, that the last job of this tab never ended: the page crashed or was killed while
// it worked. Nothing starts by itself then.

const kKey = 'sluice.job-running';

export function jobStarted(): void {
  try {
    sessionStorage.setItem(kKey, '1');
  } catch {
    // Storage is off: then nothing can be remembered.
  }
}

export function jobEnded(): void {
  try {
    sessionStorage.removeItem(kKey);
  } catch {
    // As above.
  }
}

/** Whether the last job never ended. A page that is left or closed in the ordinary way is no crash. */
export function lastJobCrashed(): boolean {
  addEventListener('pagehide', event => {
    if (!event.persisted) jobEnded();
  });
  try {
    return sessionStorage.getItem(kKey) !== null;
  } catch {
    return false;
  }
}
