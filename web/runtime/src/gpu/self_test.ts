// The gate's self-test: known-answer computations that the core makes up and judges, run on the device.
import {asSluiceError} from '../errors.js';
import type {Verdict} from '../core/answers.js';
import type {CoreApi} from '../core/core.js';
import type {GpuDevice} from './device.js';
import {Resident} from './resident.js';
import {Walker} from './walker.js';
import type {ProgramData} from './walker.js';

/** What the core needs for it. */
export type SelfTestCore = Pick<
  CoreApi,
  'gpuCanary' | 'gpuCanaryData' | 'gpuCanaryJudge' | 'gpuCanaryFailed' | 'gpuCanaryVerdict'
>;

export interface Rounds {
  /** The Binding's word for the occasion. */
  readonly when: string;
  /** How often each part is run. */
  readonly rounds: readonly number[];
}

/** At load: part 0 `rounds` times, every other part (a big buffer) once. */
export function roundsAtLoad(parts: number, rounds: number): Rounds {
  return {when: 'at load', rounds: Array.from({length: parts}, (_, part) => (part === 0 ? rounds : 1))};
}

/** Again after warm-up and now and then: part 0 once. */
export function roundsAgain(when: string): Rounds {
  return {when, rounds: [1]};
}

/** A device that can't run a part fails the test; only defects of ours are thrown. */
export async function runSelfTest(
  core: SelfTestCore,
  session: number,
  gpu: GpuDevice,
  {when, rounds}: Rounds,
): Promise<Verdict> {
  const begin = performance.now();
  for (const [part, times] of rounds.entries()) {
    // Kept until the part's last round, which needs the same pipelines.
    const used: {destroy(): void}[] = [];
    try {
      for (let round = 0; round < times; ++round) {
        if (!(await runPart(core, session, gpu, part, used))) break;
      }
    } finally {
      for (const one of used) one.destroy();
    }
  }
  return core.gpuCanaryVerdict(session, {when, seconds: (performance.now() - begin) / 1000});
}

async function runPart(
  core: SelfTestCore,
  session: number,
  gpu: GpuDevice,
  part: number,
  used: {destroy(): void}[],
): Promise<boolean> {
  const {words, strings} = core.gpuCanary(session, part);
  const data: ProgramData = {
    input: index => core.gpuCanaryData(session, 1, index),
    output: (index, bytes) => {
      core.gpuCanaryJudge(session, index, bytes);
    },
    // The self-test runs on the device alone.
    islandInput: () => {},
    islandRun: () => {},
    islandOutput: () => new Uint8Array(0),
  };
  const resident = new Resident(gpu);
  const walker = new Walker(resident);
  used.push(walker, resident);
  try {
    await resident.load(words, strings, index => core.gpuCanaryData(session, 0, index));
    await walker.run(data);
    return true;
  } catch (thrown) {
    const error = asSluiceError(thrown, 'device');
    if (error.code !== 'device' && error.code !== 'resource') throw error;
    core.gpuCanaryFailed(session, part, error.message);
    return false;
  }
}
