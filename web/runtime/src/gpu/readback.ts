// Readback: brings ranges back to the host in one staging buffer, one submit and one map. What comes back
// counts only if the device itself wrote a number chosen for this readback (the sentinel) after all work
// before it: a lost or stale device can't pass old memory off as a result.
import {SluiceError} from '../errors.js';
import {BufferUsage, MAP_READ} from './constants.js';
import type {Range} from './program.js';
import type {Recorder} from './recorder.js';
import type {Resident} from './resident.js';

const SENTINEL_BYTES = 16;
let count = 0;

export class Readback {
  private staging: GPUBuffer | null = null;

  constructor(
    private readonly resident: Resident,
    private readonly recorder: Recorder,
  ) {}

  /** The ranges' bytes, one after another; views are good only inside `use`. */
  async read(ranges: readonly Range[], use: (index: number, bytes: Uint8Array) => void): Promise<void> {
    const most = this.resident.gpu.device.limits.maxBufferSize - SENTINEL_BYTES;
    for (let first = 0; first < ranges.length;) {
      let total = 0;
      let last = first;
      // One map, unless the device has no buffer that holds everything.
      while (last < ranges.length) {
        const padded = padded16(ranges[last]?.bytes ?? 0);
        if (last > first && total + padded > most) break;
        total += padded;
        ++last;
      }
      await this.fetch(ranges.slice(first, last), total, (i, bytes) => {
        use(first + i, bytes);
      });
      first = last;
    }
  }

  destroy(): void {
    if (this.staging) this.resident.gpu.retire(this.staging);
    this.staging = null;
  }

  private async fetch(
    ranges: readonly Range[],
    total: number,
    use: (index: number, bytes: Uint8Array) => void,
  ): Promise<void> {
    const {gpu} = this.resident;
    const size = total + SENTINEL_BYTES;
    const staging = await this.stagingOf(size);
    const sentinel = this.resident.sentinel;
    // Successive numbers differ in many bits, and from the zeros of fresh memory.
    const number = Math.imul(++count, 0x9e3779b1) >>> 0 || 1;
    await this.recorder.submit(); // writeBuffer overtakes what is not submitted
    gpu.queue.writeBuffer(this.resident.uniforms, sentinel.uniformOffset, new Uint32Array([number]));
    this.recorder.dispatchOne(sentinel.pipeline, sentinel.group, [1, 1, 1]);
    this.recorder.copy(sentinel.buffer, 0, staging, 0, SENTINEL_BYTES);
    let at = SENTINEL_BYTES;
    for (const {buffer, offset, bytes} of ranges) {
      const words = Math.ceil(bytes / 4) * 4;
      if (words > 0) this.recorder.copy(this.resident.buffer(buffer), offset, staging, at, words);
      at += padded16(bytes);
    }
    this.recorder.submitNow();
    const [mapping, judged] = gpu.scoped('mapping results', () => staging.mapAsync(MAP_READ, 0, size));
    try {
      await gpu.wait(mapping, 'reading results back', this.recorder.allowanceMs);
      await judged;
      await this.recorder.finish();
      gpu.check(); // maps may succeed on a device that is known to be lost
      const mapped = new Uint8Array(staging.getMappedRange(0, size));
      const found = new DataView(mapped.buffer).getUint32(0, true);
      if (found !== number) {
        throw new SluiceError(
          'device',
          `The device did not finish the work: its sentinel is ${found} (${number} is wanted)`,
        );
      }
      at = SENTINEL_BYTES;
      ranges.forEach(({bytes}, i) => {
        use(i, mapped.subarray(at, at + bytes));
        at += padded16(bytes);
      });
    } catch (thrown) {
      this.staging = null; // in whatever state it is
      gpu.retire(staging);
      throw thrown;
    }
    staging.unmap();
  }

  private async stagingOf(size: number): Promise<GPUBuffer> {
    if (this.staging && this.staging.size >= size) return this.staging;
    const {gpu} = this.resident;
    if (this.staging) gpu.retire(this.staging);
    this.staging = null;
    const usage = BufferUsage.mapRead | BufferUsage.copyTarget;
    const made = await gpu.make('a buffer for results', () =>
      gpu.device.createBuffer({label: 'readback', size, usage}),
    );
    this.staging = made;
    return made;
  }
}

function padded16(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
