// LoadedSession: a model in the worker, and the promise that a job always ends: on the device, or, when that
// fails at whatever point, on the CPU from the same feeds. What happened is in the Binding, which the core
// keeps; nothing here decides what may run where.
import type {OpenedModel} from '../core/answers.js';
import type {CoreApi} from '../core/core.js';
import {SluiceError, asSluiceError, throwIfAborted} from '../errors.js';
import {checkFeed, numericType} from '../core/values.js';
import type {DeviceOptions} from '../gpu/device.js';
import type {DeviceKeeper} from '../gpu/device_keeper.js';
import {GpuSession} from '../gpu/gpu_session.js';
import {isNumbers} from '../protocol.js';
import type {FeedPlace, WireFeeds, WireOptions} from '../protocol.js';
import type {Binding, ProgressEvent, Tensor, ValueInfo} from '../types.js';
import {zeroFeeds} from './zero_feeds.js';

type Progress = (event: ProgressEvent) => void;

/** The device that a session with these options wants. */
export function deviceOptions(options: WireOptions): DeviceOptions {
  return {
    limits: options.limits ?? 'guaranteed',
    // Without the feature, the core compiles float16 models to compute in float32.
    f16: options.dtype !== 'float32',
  };
}

const LARGE_BYTES = 1 << 20;

// A feed was posted here, and the core has copied it. As garbage it would stay in memory for long, since this thread
// makes little other; older browsers have no word for it.
function letGo(feed: WireFeeds[string]): void {
  if (!('data' in feed) || !isNumbers(feed.data) || feed.data.byteLength < LARGE_BYTES) return;
  (feed.data.buffer as {transfer?: (bytes: number) => ArrayBuffer}).transfer?.(0);
}

export class LoadedSession {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly session: number;
  private gpu: GpuSession | null = null;
  private runs = 0;
  private closed = false;

  constructor(
    private readonly core: CoreApi,
    opened: OpenedModel,
    private readonly keeper: DeviceKeeper,
    private readonly options: WireOptions,
    /** Hands the model's bytes to the core once more. */
    private readonly reopen: () => Promise<void> = async () => {},
  ) {
    this.session = opened.session;
    this.inputs = opened.inputs;
    this.outputs = opened.outputs;
  }

  get binding(): Binding {
    return this.core.binding(this.session);
  }

  /** Binds to the first backend that will have it. Fails only where the options leave none. */
  async bind(progress: Progress, signal?: AbortSignal): Promise<void> {
    const [first = 'webgpu'] = this.options.backends ?? [];
    if (first === 'webgpu') {
      try {
        await this.bindGpu(progress, signal);
        return;
      } catch (thrown) {
        this.giveUp(thrown, '');
      }
    }
    progress({phase: 'compile'});
    this.core.cpuBind(this.session);
  }

  /** `feeds` by name. Resolves with the results of whichever backend finished the job. */
  async run(feeds: WireFeeds, signal?: AbortSignal, progress: Progress = () => {}): Promise<Record<string, Tensor>> {
    this.setFeeds(feeds);
    const first = this.runs === 0;
    if (first) progress({phase: 'first-run'});
    const results = await this.runSet(signal);
    if (first) progress({phase: 'ready'});
    return results;
  }

  /** A run on the CPU after the first one, on feeds that lie at feedPlaces(). Its results stay in the core. */
  runWritten(): void {
    if (this.gpu) throw new SluiceError('internal', 'The run of a device was called for as one of the CPU');
    ++this.runs;
    this.core.cpuRunAgain(this.session);
  }

  get onDevice(): boolean {
    return this.gpu !== null;
  }

  /** The feeds are set already (by run(), or by other calls of the core). */
  async runSet(signal?: AbortSignal): Promise<Record<string, Tensor>> {
    throwIfAborted(signal, 'The run');
    if (this.gpu?.gpu.failure) await this.replaceIdleDevice();
    const results = await this.runAnywhere(signal);
    ++this.runs;
    this.core.startThreads(); // for the next one
    return results;
  }

  private async runAnywhere(signal?: AbortSignal): Promise<Record<string, Tensor>> {
    const {gpu} = this;
    if (gpu) {
      try {
        return await gpu.run(signal);
      } catch (thrown) {
        this.giveUp(thrown, gpu.stageOf(this.runs + 1));
        throwIfAborted(signal, 'The run');
      }
    }
    return this.core.cpuRun(this.session);
  }

  /** A run on zeros. */
  async warmup(progress: Progress): Promise<void> {
    const shapes = this.options.inputShapes ?? {};
    try {
      await this.run(zeroFeeds(this.inputs, shapes), undefined, progress);
    } catch (thrown) {
      const open = this.inputs.filter(
        ({name, dims}) => !shapes[name] && !dims?.every(extent => typeof extent === 'number'),
      );
      const error = asSluiceError(thrown);
      if (open.length === 0 || error.code === 'device') throw error;
      const names = open.map(({name}) => `"${name}"`).join(', ');
      throw new SluiceError(error.code, error.message, {
        cause: thrown,
        hint: `The extents that the model leaves open were taken as 1: give inputShapes for ${names}.`,
      });
    }
  }

  /** Back to the device, through the whole gate. Refused within two minutes of the last failure. */
  async retryGpu(): Promise<void> {
    if (this.gpu) return;
    try {
      await this.bindGpu(() => {});
    } catch (thrown) {
      this.giveUp(thrown, 'retry');
      throw thrown;
    }
  }

  setFeeds(feeds: WireFeeds): void {
    for (const name of Object.keys(feeds)) {
      if (!this.inputs.some(input => input.name === name)) {
        const known = this.inputs.map(input => `"${input.name}"`).join(', ');
        throw new SluiceError('usage', `The model has no input "${name}" (it has ${known})`);
      }
    }
    this.inputs.forEach(({name}, i) => {
      const feed = feeds[name];
      if (!feed) throw new SluiceError('usage', `The input "${name}" is missing`);
      if ('at' in feed) {
        if (this.gpu || this.core.fed(this.session, i)?.at !== feed.at) {
          throw new SluiceError('internal', `The input "${name}" was written to a place that is no more`);
        }
        return;
      }
      checkFeed(name, feed);
      this.core.feed(this.session, i, feed, this.gpu === null);
    });
    for (const feed of Object.values(feeds)) letGo(feed);
  }

  /**
   * Sets room aside for large feeds that the CPU will read, where it is known how large: the page writes even the first
   * ones there, since a message's memory would wait for a collection. As feedPlaces().
   */
  reserveFeeds(): Record<string, FeedPlace> {
    const shapes = this.options.inputShapes ?? {};
    this.inputs.forEach(({name, dtype, dims}, i) => {
      const shape = shapes[name] ?? dims;
      if (this.gpu || !shape?.every(extent => typeof extent === 'number')) return;
      const extents = shape.map(Number);
      const type = numericType(dtype, extents);
      if (type && type.bytes >= LARGE_BYTES) this.core.reserveFeed(this.session, i, type.dtype, extents);
    });
    return this.feedPlaces();
  }

  /** Where the next feeds may be written: those that the CPU reads in place. */
  feedPlaces(): Record<string, FeedPlace> {
    const places: Record<string, FeedPlace> = {};
    if (this.gpu) return places;
    this.inputs.forEach(({name}, i) => {
      const place = this.core.fed(this.session, i);
      if (place) places[name] = place;
    });
    return places;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.gpu?.destroy();
    this.gpu = null;
    this.core.close(this.session);
  }

  private async bindGpu(progress: Progress, signal?: AbortSignal): Promise<void> {
    const begin = performance.now();
    progress({phase: 'gate'});
    const gpu = await this.keeper.acquire(deviceOptions(this.options));
    if (!this.core.modelHeld(this.session)) await this.reopen();
    const bound = new GpuSession(this.core, this.session, gpu);
    this.gpu = bound;
    await bound.pass();
    throwIfAborted(signal, 'Loading the model');
    const passed = performance.now();
    progress({phase: 'compile'});
    progress({phase: 'upload'});
    await bound.prepare();
    throwIfAborted(signal, 'Loading the model');
    this.core.note(this.session, {
      init_seconds: (passed - begin) / 1000,
      prepare_seconds: (performance.now() - passed) / 1000,
    });
  }

  // Ends this session's use of the device, or throws again what is no fault of it.
  private giveUp(thrown: unknown, stage: string): void {
    const error = asSluiceError(thrown, 'device');
    const {gpu} = this;
    const lost = gpu?.gpu.lost ?? false;
    const atLoad = stage === '' || stage === 'retry';
    // Before the first run, anything that the device's side says ends at the CPU; an abort never does.
    const devices = error.code === 'device' || error.code === 'resource';
    if (error.code === 'aborted' || (!devices && !atLoad)) {
      if (gpu && atLoad) this.leave();
      throw error;
    }
    if (gpu && (lost || gpu.gpu.failure || (error.code === 'device' && !atLoad))) {
      this.keeper.failed(gpu.gpu, error);
    }
    this.leave();
    this.core.gpuFailover(this.session, {
      stage: stage === 'retry' ? '' : stage,
      error: error.message,
      deviceLost: lost,
    });
  }

  private leave(): void {
    this.gpu?.destroy();
    this.gpu = null;
  }

  // The device went while nothing ran: another one, if there may be one, else the CPU.
  private async replaceIdleDevice(): Promise<void> {
    const {gpu} = this;
    if (!gpu?.gpu.failure) return;
    const {failure, lost} = gpu.gpu;
    this.keeper.forget(gpu.gpu, failure);
    this.leave();
    this.core.gpuFailover(this.session, {stage: 'idle', error: failure.message, deviceLost: lost});
    try {
      await this.bindGpu(() => {});
    } catch (thrown) {
      this.giveUp(thrown, '');
    }
  }
}
