// DeviceKeeper: the device that the sessions of one worker share, and when another may be asked for. After a
// failure the GPU stays alone for two minutes: browsers refuse a site that crashes it repeatedly. The one
// exception is a device that was lost while nothing ran (screen locked, tab in the background): the next job
// may have another at once, if none was re-acquired in the last two minutes.
import { SluiceError, asSluiceError } from '../errors.js';
import { requestDevice } from './device.js';
import type { DeviceOptions, GpuDevice } from './device.js';

export const RETRY_MS = 120_000;

export type Occasion = 'load' | 'idle' | 'retry';

export class DeviceKeeper {
  private current: { readonly key: string; readonly gpu: GpuDevice } | null = null;
  private lastReacquired: number | null = null;

  /** `lastFailure`: of earlier workers of this page; times are Date.now(). */
  constructor(
    private lastFailure: number | null,
    private readonly onFailure: (at: number) => void,
    private readonly request: (options: DeviceOptions) => Promise<GpuDevice> = requestDevice,
    private readonly now: () => number = Date.now,
  ) {}

  /** The device of these options, shared while it works. Device errors, also when it is too early. */
  async acquire(options: DeviceOptions, occasion: Occasion): Promise<GpuDevice> {
    const key = JSON.stringify(options);
    const { current } = this;
    if (current && !current.gpu.failure && current.key === key) return current.gpu;
    this.checkTime(occasion);
    const after = this.lastFailure !== null || (current !== null && current.gpu.failure !== null);
    if (after) this.lastReacquired = this.now();
    const gpu = await this.request(options);
    // Two sets of options have a device each; the one that is kept is the latest.
    this.current = { key, gpu };
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
    gpu.fail(asSluiceError(thrown, 'device').message);
    if (this.current?.gpu === gpu) this.current = null;
    gpu.device.destroy();
  }

  destroy(): void {
    this.current?.gpu.destroy();
    this.current = null;
  }

  private checkTime(occasion: Occasion): void {
    const since = (time: number | null) => (time === null ? Infinity : this.now() - time);
    const passed = Math.min(since(this.lastFailure), occasion === 'load' ? Infinity : since(this.lastReacquired));
    if (passed >= RETRY_MS) return;
    throw new SluiceError(
      'device',
      `A device failed or was replaced ${Math.round(passed / 1000)} s ago (${RETRY_MS / 1000} s must pass)`,
      { hint: 'retryGpu() tries again later; until then the CPU computes.' },
    );
  }
}
