// The batch: waiting pictures are cut one after another, in order. While one is encoded (in the pixel
// worker) the next is cut; never more than these two are in memory. A bad picture is skipped.

import {SluiceError} from 'sluice-web';
import type {Cutout, Cutter} from 'sluice-web/cutout';

import {Estimate} from '../pure/estimate.js';
import {feather} from '../pure/feather.js';
import type {CutTimes} from '../pure/record.js';
import {settingsKey, tally, type JobState, type Picture, type Store} from '../state.js';
import {jobEnded, jobStarted} from './crash_flag.js';
import type {Engine} from './engine.js';
import type {Pixels} from './pixels.js';

export class Queue {
  private controller: AbortController | null = null;
  private saving: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: Store,
    private readonly engine: Engine,
    private readonly pixels: Pixels,
    /** The open picture's layers, before they are given away to be encoded. */
    private readonly onCut: (id: number, cutout: Cutout) => void,
    private readonly onEnd: (job: JobState) => void,
  ) {}

  get running(): boolean {
    return this.controller !== null;
  }

  /** Works until nothing waits. Does nothing while it runs already, or without a model. */
  async start(): Promise<void> {
    if (this.controller || !this.store.state.model || !this.next()) return;
    const controller = (this.controller = new AbortController());
    const {signal} = controller;
    this.store.update({caution: false});
    jobStarted();
    const estimate = new Estimate();
    let job: JobState = {
      total: 0,
      done: 0,
      failed: 0,
      currentId: null,
      phase: 'load',
      first: true,
      secondsLeft: null,
    };
    const tell = (change: Partial<JobState>): void => {
      const {waiting} = tally(this.store.state.pictures);
      job = {...job, ...change};
      job = {...job, total: job.done + job.failed + waiting + (job.currentId === null ? 0 : 1)};
      this.store.update({job});
    };
    // Shown for a single picture only: in a batch they would redraw the page for nothing.
    const tellPhase = (change: Pick<JobState, 'phase'> & Partial<Pick<JobState, 'first'>>): void => {
      if (job.total > 1) job = {...job, ...change};
      else tell(change);
    };
    tell({});
    try {
      for (let picture = this.next(); picture && !signal.aborted; picture = this.next()) {
        const {id} = picture;
        const begin = performance.now();
        this.store.updatePicture(id, {status: 'working'});
        tell({currentId: id, phase: 'load'});
        const {model} = this.store.state;
        if (!model) break;
        let cutter: Cutter;
        try {
          cutter = await this.engine.cutterFor(model, signal);
        } catch (thrown) {
          // No model: nothing else can be done either.
          this.giveUp(id, thrown, signal);
          tell({currentId: null, failed: job.failed + (signal.aborted ? 0 : 1)});
          break;
        }
        try {
          await this.cutOne(picture, cutter, signal, tellPhase);
          tell({done: job.done + 1, currentId: null});
        } catch (thrown) {
          this.fail(id, thrown, signal);
          tell({failed: job.failed + (signal.aborted ? 0 : 1), currentId: null});
        }
        estimate.add((performance.now() - begin) / 1000);
        tell({secondsLeft: estimate.left(tally(this.store.state.pictures).waiting)});
      }
      await this.saving;
    } finally {
      jobEnded();
      this.controller = null;
      this.store.update({job: null});
      this.onEnd(job);
    }
    void this.start(); // what was added in the last moment
  }

  /** Ends the job; what was not reached is marked, and can be retried. */
  cancel(): void {
    if (!this.controller) return;
    this.controller.abort(new DOMException('The job was cancelled', 'AbortError'));
    this.store.update({
      pictures: this.store.state.pictures.map(one =>
        one.status === 'waiting' || one.status === 'working' ? {...one, status: 'cancelled'} : one,
      ),
    });
  }

  retryFailed(): void {
    this.store.update({
      pictures: this.store.state.pictures.map(one =>
        one.status === 'failed' || one.status === 'cancelled' ? waitingAgain(one) : one,
      ),
    });
    void this.start();
  }

  /** Cuts pictures again (all of `ids`), with the present settings. */
  again(ids: ReadonlySet<number>): void {
    this.store.update({pictures: this.store.state.pictures.map(one => (ids.has(one.id) ? waitingAgain(one) : one))});
    void this.start();
  }

  private next(): Picture | undefined {
    const {pictures, openId} = this.store.state;
    return (
      pictures.find(one => one.id === openId && one.status === 'waiting' && one.result !== undefined) ??
      pictures.find(one => one.status === 'waiting')
    );
  }

  private async cutOne(
    picture: Picture,
    cutter: Cutter,
    signal: AbortSignal,
    tell: (change: {phase: JobState['phase']; first?: boolean}) => void,
  ): Promise<void> {
    const {state} = this.store;
    const key = settingsKey(state);
    const radius = state.feather;
    let cutout = await cutter.cut(picture.file, {
      signal,
      refine: state.refine,
      cleanEdges: state.cleanEdges,
      maxPixels: state.tier.maxPixels,
      onProgress: event => {
        tell({phase: event.phase, first: event.first});
      },
    });
    this.engine.noteBinding(cutout.binding);
    if (cutout.note) this.store.update({engine: {...this.store.state.engine, note: cutout.note}});
    const {width, height} = cutout;
    let shown: Uint8Array<ArrayBuffer> | null = null;
    if (radius > 0) {
      shown = feather(cutout.alpha, width, height, radius, {x: 0, y: 0, width, height});
      const {foreground} = await cutter.recolor(shown, {signal});
      cutout = {...cutout, foreground};
    }
    signal.throwIfAborted();
    this.onCut(picture.id, cutout);
    tell({phase: 'encode'});
    // Bounded: the picture before is finished before this one is handed over.
    await this.saving;
    const {alpha, foreground} = cutout;
    const times = cutout.times;
    const bound = cutout.binding.bound;
    const transfer = [alpha.buffer, foreground.buffer, ...(shown ? [shown.buffer] : [])];
    this.saving = this.pixels
      .call('finish', {width, height, alpha, shown, foreground}, transfer)
      .then(done => {
        const before = this.store.picture(picture.id);
        if (!before) {
          void this.pixels.call('drop', [done.cut, done.alpha]);
          return;
        }
        if (before.result) void this.pixels.call('drop', [before.result.cut, before.result.alpha]);
        this.store.updatePicture(picture.id, {
          status: 'done',
          thumb: done.thumb,
          result: {
            width,
            height,
            cut: done.cut,
            alpha: done.alpha,
            feather: radius,
            key,
            edited: false,
            bound,
            micros: inMicros({...times, encode: done.seconds}),
          },
        });
      })
      .catch((thrown: unknown) => {
        this.fail(picture.id, thrown, signal);
      });
  }

  private fail(id: number, thrown: unknown, signal: AbortSignal): void {
    if (signal.aborted) {
      // It may be waiting again already, for another model.
      if (this.store.picture(id)?.status === 'working') this.store.updatePicture(id, {status: 'cancelled'});
      return;
    }
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    const hint = thrown instanceof SluiceError ? thrown.hint : undefined;
    this.store.updatePicture(id, {status: 'failed', error, ...(hint ? {hint} : {})});
  }

  // The model is missing or broken: the pictures wait for another one.
  private giveUp(id: number, thrown: unknown, signal: AbortSignal): void {
    this.fail(id, thrown, signal);
    const failed = this.store.picture(id);
    if (signal.aborted || !failed) return;
    this.store.update({
      pictures: this.store.state.pictures.map(one =>
        one.status === 'waiting'
          ? {...one, status: 'failed', error: failed.error ?? '', ...(failed.hint ? {hint: failed.hint} : {})}
          : one,
      ),
    });
  }
}

function inMicros(seconds: CutTimes): CutTimes {
  const {decode, prepare, run, refine, encode} = seconds;
  const micros = (value: number): number => Math.round(value * 1e6);
  return {
    decode: micros(decode),
    prepare: micros(prepare),
    run: micros(run),
    refine: micros(refine),
    encode: micros(encode),
  };
}

function waitingAgain(picture: Picture): Picture {
  const {error: _error, hint: _hint, ...rest} = picture;
  return {...rest, status: 'waiting'};
}
