// Recorder: collects dispatches and copies and submits them in pieces whose estimated time stays within a
// budget, with two of them under way at most: no driver's watchdog ever sees a long one, and the desktop
// stays alive. The estimate learns from what it measures.
import type {GpuDevice} from './device.js';

const BUDGET_SECONDS = 0.2;
const MOST_UNDER_WAY = 2;
const MOST_DISPATCHES = 1000;
const DISPATCH_SECONDS = 5e-6;

interface Submitted {
  readonly raw: number;
  readonly at: number;
  /** When the queue was done with it and its scopes had no complaint; ms. */
  readonly done: Promise<number>;
}

export interface RecorderStats {
  dispatches: number;
  submits: number;
  longestSubmitSeconds: number;
}

export class Recorder {
  readonly stats: RecorderStats = {dispatches: 0, submits: 0, longestSubmitSeconds: 0};
  private encoder: GPUCommandEncoder | null = null;
  private pass: GPUComputePassEncoder | null = null;
  private recordedSeconds = 0; // raw estimate
  private recordedDispatches = 0;
  private scale = 1; // measured over estimated
  private underWay: Submitted[] = [];
  private lastDone = 0;
  private readonly flopsPerSecond: number;
  private readonly bytesPerSecond: number;

  constructor(private readonly gpu: GpuDevice) {
    // A slow adapter of its kind; the first submits show what this one does.
    this.flopsPerSecond = gpu.facts.software ? 1e9 : 2e11;
    this.bytesPerSecond = gpu.facts.software ? 2e9 : 2e10;
  }

  /** Submits what is recorded first, when this dispatch would make it too long. */
  async dispatch(
    pipeline: GPUComputePipeline,
    group: GPUBindGroup,
    grid: readonly [number, number, number],
    costFlop: number,
    costBytes: number,
  ): Promise<void> {
    const seconds = costFlop / this.flopsPerSecond + costBytes / this.bytesPerSecond + DISPATCH_SECONDS;
    const full =
      (this.recordedSeconds + seconds) * this.scale > BUDGET_SECONDS || this.recordedDispatches >= MOST_DISPATCHES;
    if (this.recordedDispatches > 0 && full) await this.submit();
    this.dispatchOne(pipeline, group, grid);
    this.recordedSeconds += seconds;
    ++this.recordedDispatches;
    ++this.stats.dispatches;
  }

  /** Never cut off from what is recorded already. */
  dispatchOne(pipeline: GPUComputePipeline, group: GPUBindGroup, grid: readonly [number, number, number]): void {
    this.pass ??= this.commands().beginComputePass();
    this.pass.setPipeline(pipeline);
    this.pass.setBindGroup(0, group);
    this.pass.dispatchWorkgroups(...grid);
  }

  copy(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    this.endPass();
    this.commands().copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
    this.recordedSeconds += bytes / this.bytesPerSecond;
  }

  get pending(): boolean {
    return this.encoder !== null;
  }

  /** Hands over what is recorded, and waits while more than two submits are under way. */
  async submit(): Promise<void> {
    this.submitNow();
    while (this.underWay.length > MOST_UNDER_WAY) await this.waitForOldest();
  }

  /** Hands over what is recorded; for callers that wait for a map right after. */
  submitNow(): void {
    const {encoder} = this;
    if (!encoder) return;
    this.endPass();
    this.encoder = null;
    const raw = this.recordedSeconds;
    this.recordedSeconds = 0;
    this.recordedDispatches = 0;
    const {gpu} = this;
    // Errors of recorded calls show at finish() and submit(), so these two stand under scopes.
    const [, judged] = gpu.scoped('running the plan', () => {
      gpu.queue.submit([encoder.finish()]);
    });
    const at = performance.now();
    const done = Promise.all([gpu.queue.onSubmittedWorkDone().then(() => performance.now()), judged]).then(
      ([when]) => when,
    );
    done.catch(() => {}); // seen by waitForOldest
    this.underWay.push({raw, at, done});
    ++this.stats.submits;
  }

  /** Everything submitted is done. */
  async finish(): Promise<void> {
    await this.submit();
    while (this.underWay.length > 0) await this.waitForOldest();
  }

  /** Milliseconds which the work under way may take, by the estimate, with room for its error. */
  get allowanceMs(): number {
    const raw = this.underWay.reduce((sum, one) => sum + one.raw, 0);
    return 20_000 * raw * Math.max(this.scale, 1);
  }

  /** Forgets what is recorded but not submitted: after an error. */
  drop(): void {
    this.endPass();
    this.encoder = null;
    this.underWay = [];
    this.recordedSeconds = 0;
    this.recordedDispatches = 0;
  }

  private commands(): GPUCommandEncoder {
    this.encoder ??= this.gpu.device.createCommandEncoder();
    return this.encoder;
  }

  private endPass(): void {
    this.pass?.end();
    this.pass = null;
  }

  private async waitForOldest(): Promise<void> {
    const oldest = this.underWay[0];
    if (!oldest) return;
    const when = await this.gpu.wait(oldest.done, 'submitted work', this.allowanceMs);
    this.underWay.shift();
    const seconds = (when - Math.max(this.lastDone, oldest.at)) / 1000;
    this.lastDone = when;
    this.stats.longestSubmitSeconds = Math.max(this.stats.longestSubmitSeconds, seconds);
    // Waiting itself is only good to a millisecond.
    if (oldest.raw > 0 && seconds > 2e-3) {
      const ratio = Math.min(1e3, Math.max(1e-3, seconds / oldest.raw));
      this.scale += (ratio - this.scale) * (ratio > this.scale ? 0.8 : 0.3);
    }
  }
}
