// DeviceKeeper: the device that the sessions of one worker share, and when another may be asked for. After a
// failure the GPU stays alone for two minutes: browsers refuse a site that crashes it repeatedly. The one
// exception is a device that was lost while nothing ran (screen locked, tab in the background): the next job
// may have another at once, if none was re-acquired in the last two minutes.
import {SluiceError, asSluiceError} from '../errors.js';
import {requestDevice} from './device.js';
import type {DeviceOptions, GpuDevice} from './device.js';

export const RETRY_MS = 120_000;

export class DeviceKeeper {
  /** By options. */
  private readonly devices = new Map<string, GpuDevice>();
  private lastReacquired: number | null = null;
  private lastError = '';
  /** A device was given up: the next one is a re-acquisition. */
  private replaced = false;

  /** `lastFailure`: of earlier workers of this page; times are Date.now(). */
  constructor(
    private lastFailure: number | null,
    private readonly onFailure: (at: number) => void,
    private readonly request: (options: DeviceOptions) => Promise<GpuDevice> = requestDevice,
    private readonly now: () => number = Date.now,
  ) {}

  /** The device of these options, shared while it works. Device errors, also when it is too early. */
  async acquire(options: DeviceOptions): Promise<GpuDevice> {
    const key = JSON.stringify(options);
    const there = this.devices.get(key);
    if (there && !there.failure) return there;
    this.checkTime();
    if (this.replaced || this.lastFailure !== null || there) this.lastReacquired = this.now();
    const gpu = await this.request(options);
    this.devices.set(key, gpu);
    return gpu;
  }

  /** A job failed on this device, or its gate refused it: it is given up. */
  failed(gpu: GpuDevice | null, thrown: unknown): void {
    this.lastFailure = this.now();
    this.onFailure(this.lastFailure);
    this.forget(gpu, thrown);
  }

  /** Given up without blame: lost while idle. */
  forget(gpu: GpuDevice | null, thrown: unknown): void {
    if (!gpu) return;
    this.replaced = true;
    this.lastError = asSluiceError(thrown, 'device').message;
    gpu.fail(this.lastError);
    gpu.device.destroy();
  }

  destroy(): void {
    for (const gpu of this.devices.values()) gpu.destroy();
    this.devices.clear();
  }

  private checkTime(): void {
    const since = (time: number | null) => (time === null ? Infinity : this.now() - time);
    const passed = Math.min(since(this.lastFailure), since(this.lastReacquired));
    if (passed >= RETRY_MS) return;
    const why = this.lastError ? ` (${this.lastError})` : '';
    throw new SluiceError(
      'device',
      `The last device failed ${Math.round(passed / 1000)} s ago${why}; another is asked for after ${RETRY_MS / 1000} s`,
      {hint: 'retryGpu() tries again later; until then the CPU computes.'},
    );
  }
}
