// GpuDevice: one WebGPU device until it fails. Every wait on it has a deadline, everything made on it
// stands under error scopes, and once it has failed it stays so: callbacks that come late find their own
// device's record, never a later one's.
import {SluiceError, messageOf} from '../errors.js';
import {factsOf, isFallback, requiredLimits, wantedFeatures} from './adapter_facts.js';
import type {AdapterFacts} from './adapter_facts.js';
import {FailureSignal, deadlineMs, within} from './deadline.js';
import {PipelineCache} from './pipelines.js';

export interface DeviceOptions {
  readonly limits: 'guaranteed' | 'adapter';
  /** Ask for shader-f16, where it is there. */
  readonly f16: boolean;
}

const FILTERS: readonly GPUErrorFilter[] = ['validation', 'out-of-memory', 'internal'];
let generations = 0;

export class GpuDevice {
  /** Unlike that of every other device of this worker. */
  readonly generation = ++generations;
  readonly queue: GPUQueue;
  readonly pipelines: PipelineCache;
  private readonly signal = new FailureSignal();
  private retired: GPUBuffer[] = [];
  private isLost = false;
  private heardAt = 0;

  constructor(
    readonly device: GPUDevice,
    readonly facts: AdapterFacts,
    readonly deadlineMs: number,
  ) {
    this.queue = device.queue;
    this.pipelines = new PipelineCache(this);
    void device.lost.then(info => {
      this.isLost = true;
      this.fail(`The device was lost (${info.reason || 'unknown'}${info.message ? `: ${info.message}` : ''})`);
    });
    device.addEventListener('uncapturederror', event => {
      event.preventDefault();
      this.fail(`The device reports an error outside of every scope (${event.error.message})`);
    });
  }

  /** Null while it may be used. */
  get failure(): SluiceError | null {
    return this.signal.failure;
  }
  get lost(): boolean {
    return this.isLost;
  }

  /** Not to be used from now on; waits under way end at once. */
  fail(sentence: string): void {
    this.signal.fail(new SluiceError('device', sentence));
  }

  check(): void {
    if (this.failure) throw this.failure;
  }

  /** It has answered something: every wait's deadline starts afresh. */
  heard(): void {
    this.heardAt = performance.now();
  }

  /**
   * `work` with a deadline, which is for a silence: a slow machine that compiles three hundred shaders takes its
   * time, and answers all along. `extraMs` is time that the work itself may rightly take.
   */
  wait<T>(work: Promise<T>, what: string, extraMs = 0): Promise<T> {
    work.then(
      () => {
        this.heard();
      },
      () => {}, // within() tells
    );
    return within(work, this.deadlineMs + extraMs, what, this.signal, () => this.heardAt);
  }

  /**
   * Runs `make`, which must not wait, under error scopes. The second value settles when the device has
   * judged: scopes are a stack, so they are opened and closed within one turn.
   */
  scoped<T>(what: string, make: () => T): [T, Promise<void>] {
    this.check();
    for (const filter of FILTERS) this.device.pushErrorScope(filter);
    let made: T;
    let verdicts: Promise<GPUError | null>[];
    try {
      made = make();
    } finally {
      verdicts = FILTERS.map(() => this.device.popErrorScope());
    }
    const judged = this.wait(Promise.all(verdicts), what).then(errors => {
      const error = errors.find(one => one !== null);
      if (!error) return;
      const kind =
        typeof GPUOutOfMemoryError !== 'undefined' && error instanceof GPUOutOfMemoryError
          ? 'has no memory left'
          : 'refuses';
      throw new SluiceError('device', `The device ${kind} (${what}: ${error.message})`);
    });
    judged.catch(() => {}); // whoever waits later still sees it
    return [made, judged];
  }

  async make<T>(what: string, make: () => T): Promise<T> {
    const [made, judged] = this.scoped(what, make);
    await judged;
    return made;
  }

  /** Destroyed when the queue has done everything that is submitted by now. */
  retire(buffer: GPUBuffer): void {
    this.retired.push(buffer);
    if (this.retired.length > 1) return;
    const destroy = () => {
      const done = this.retired;
      this.retired = [];
      for (const one of done) one.destroy();
    };
    // One turn later, so that a whole program's buffers go together.
    queueMicrotask(() => {
      this.queue.onSubmittedWorkDone().then(destroy, destroy);
    });
  }

  destroy(): void {
    this.fail('The device was given back');
    this.device.destroy();
  }
}

function gpuOf(): GPU {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (gpu) return gpu;
  const insecure = globalThis.isSecureContext === false;
  throw new SluiceError(
    'device',
    insecure
      ? 'WebGPU is only there on secure pages (https or localhost)'
      : 'This browser has no WebGPU (navigator.gpu is absent)',
  );
}

/** An adapter and a device on it, in that order; device errors say which of the two is not to be had. */
export async function requestDevice(options: DeviceOptions): Promise<GpuDevice> {
  const gpu = gpuOf();
  // Nothing is computed yet: software takes no longer.
  const ms = deadlineMs(false);
  const adapter = await within(gpu.requestAdapter({powerPreference: 'high-performance'}), ms, 'requestAdapter');
  if (!adapter) {
    throw new SluiceError('device', 'The browser offers no WebGPU adapter (requestAdapter gives null)', {
      hint: 'It may have none, or refuse them for a while after repeated crashes of its GPU process.',
    });
  }
  const request = adapter.requestDevice({
    label: 'sluice',
    requiredFeatures: wantedFeatures(adapter, options.f16),
    requiredLimits: requiredLimits(adapter, options.limits === 'adapter'),
  });
  const refused = (thrown: unknown): never => {
    throw new SluiceError('device', `The adapter gives no device (${messageOf(thrown)})`, {cause: thrown});
  };
  const device = await within(request.catch(refused), ms, 'requestDevice').catch((thrown: unknown) => {
    request.then(
      late => {
        late.destroy();
      },
      () => {},
    ); // nobody waits for it any more
    throw thrown;
  });
  return new GpuDevice(device, factsOf(adapter, device), deadlineMs(isFallback(adapter)));
}
