// What is going on: download, load, first run, pictures left; with a way to stop.

import {bytesText, countText, leftText} from '../pure/format.js';
import {tally, type AppState, type Store} from '../state.js';
import type {Announcer} from './announce.js';
import {button, h} from './dom.js';
import {icon} from './icons.js';

export interface JobActions {
  readonly cancel: () => void;
  readonly retry: () => void;
  readonly start: () => void;
  readonly startOnCpu: () => void;
}

interface Shown {
  readonly text: string;
  /** 0 to 1; null: unknown. */
  readonly fraction: number | null;
}

const phases: Record<string, string> = {
  read: 'Reading the model',
  gate: 'Testing the GPU',
  compile: 'Preparing the model',
  upload: 'Moving the model to the GPU',
  'first-run': 'First run',
  ready: 'Ready',
};

/** The line for a state; null when nothing is going on. */
export function progressOf(state: AppState): Shown | null {
  const {engine, job} = state;
  if (engine.phase === 'loading') {
    const {progress} = engine;
    if (progress?.phase !== 'download')
      return {text: `${phases[progress?.phase ?? ''] ?? 'Loading the model'}…`, fraction: null};
    const {loadedBytes, totalBytes, fromCache} = progress;
    const verb = fromCache ? 'Loading the stored model' : 'Downloading the model';
    if (!totalBytes) return {text: `${verb}: ${bytesText(loadedBytes)}`, fraction: null};
    return {text: `${verb}: ${bytesText(loadedBytes)} of ${bytesText(totalBytes)}`, fraction: loadedBytes / totalBytes};
  }
  if (!job) return null;
  const name = state.pictures.find(one => one.id === job.currentId)?.name ?? '';
  const what =
    job.phase === 'decode'
      ? 'Opening'
      : job.phase === 'run' && job.first
        ? 'First run, which takes longer:'
        : job.phase === 'refine'
          ? 'Refining the edges of'
          : job.phase === 'encode'
            ? 'Saving'
            : 'Cutting';
  const over = job.done + job.failed;
  if (job.total <= 1) return {text: `${what} ${name}`.trim(), fraction: null};
  const left = job.secondsLeft !== null && over > 0 ? ` · ${leftText(job.secondsLeft)}` : '';
  return {
    text: `${over + (job.currentId === null ? 0 : 1)} of ${job.total} · ${countText(job.total - over, 'picture', 'pictures')} left${left}`,
    fraction: over / job.total,
  };
}

export function jobBar(store: Store, announcer: Announcer, actions: JobActions): HTMLElement {
  const text = h('span', {class: 'job-text'});
  const bar = h('progress', {class: 'job-progress', attrs: {max: 1, 'aria-label': 'Progress'}});
  const cancel = button(['Cancel'], actions.cancel, {class: 'button button-small'});
  const retry = button([icon('retry'), 'Retry'], actions.retry, {class: 'button button-small'});
  const start = button(['Start'], actions.start, {class: 'button button-small button-primary'});
  const startCpu = button(['Start on the CPU'], actions.startOnCpu, {class: 'button button-small'});
  const element = h(
    'section',
    {class: 'job', attrs: {'aria-label': 'Progress'}},
    h('div', {class: 'job-line'}, text, cancel, retry, start, startCpu),
    bar,
  );
  let spoken = '';
  let lastSpoken = 0;

  store.watch(
    state => [state],
    state => {
      const now = progressOf(state);
      const {failed: bad, cancelled: stopped, waiting} = tally(state.pictures);
      const asking = state.caution && waiting > 0 && !state.job;
      element.hidden = !now && !asking && bad + stopped === 0;
      bar.hidden = !now;
      cancel.hidden = !state.job;
      retry.hidden = now !== null || asking || bad + stopped === 0;
      start.hidden = startCpu.hidden = !asking;
      element.classList.toggle('job-bad', !now && bad > 0);
      if (now) {
        text.textContent = now.text;
        if (now.fraction === null) bar.removeAttribute('value');
        else bar.value = now.fraction;
        // A screen reader hears steps, not every byte.
        const key = now.text.replace(/[\d.,]+ (bytes|[KMGT]B)/g, '');
        if (key !== spoken && performance.now() - lastSpoken > 4000) {
          spoken = key;
          lastSpoken = performance.now();
          announcer.say(now.text);
        }
      } else if (asking) {
        text.textContent = 'The last job here ended without finishing; perhaps the page crashed. Start again?';
      } else if (bad + stopped > 0) {
        text.textContent = failureText(state, bad, stopped);
      }
    },
  );
  return element;
}

function failureText(state: AppState, bad: number, stopped: number): string {
  const failed = state.pictures.filter(one => one.status === 'failed');
  const open = failed.find(one => one.id === state.openId);
  const more = bad > 1 ? ` (${bad} pictures failed.)` : '';
  // Short while it lies over a picture that was cut: why is said where the failed one is opened.
  if (!open && bad === 1 && stopped === 0) return `${failed[0]?.name ?? 'A picture'} could not be cut.`;
  if (open && stopped === 0) {
    return `${[open.error ?? '', open.hint ?? ''].filter(Boolean).join(' ') || `${open.name} could not be cut.`}${more}`;
  }
  const same = bad > 0 && failed.every(one => one.error === failed[0]?.error) ? ` ${failed[0]?.error ?? ''}` : '';
  const parts = [
    bad > 0 ? `${countText(bad, 'picture', 'pictures')} failed.${same}` : '',
    stopped > 0 ? `${countText(stopped, 'picture was', 'pictures were')} cancelled.` : '',
  ];
  return parts.filter(Boolean).join(' ');
}
