// What the module's functions take and answer (src/wasm/abi.h), as Core hands it on.
import type {Tensor, ValueInfo} from '../types.js';

export interface OpenOptions {
  readonly name: string;
  readonly requested: 'auto' | 'webgpu' | 'cpu';
  readonly outputs?: readonly string[];
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  readonly strict?: boolean;
  readonly allowSoftware?: boolean;
  readonly limits?: Readonly<Record<string, number>>;
  /** Of the model's bytes, where it is known already. */
  readonly modelSha256?: string;
  /** External data by the name that the model gives: pointer and bytes, handed over. */
  readonly files?: Readonly<Record<string, readonly [number, number]>>;
  /** The model can be handed over once more (reopen), so that weights that were packed need not be kept. */
  readonly canReopen?: boolean;
}

export interface OpenedModel {
  readonly session: number;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly modelSha256: string;
  readonly readSeconds: number;
  /** Members of the Binding, by path, that every run changes: in the order of Core.runFigures(). */
  readonly runFigures: readonly string[];
}

export interface Verdict {
  readonly passed: boolean;
  readonly refusal: string;
  readonly findings: readonly {readonly check: string; readonly passed: boolean; readonly sentence: string}[];
}

export interface AdapterVerdict extends Verdict {
  readonly parts: number;
  readonly rounds: number;
}

/** An encoded program (src/plan/opcodes.def), copied out of the module's memory. */
export interface EncodedProgram {
  readonly words: Uint32Array;
  readonly strings: readonly string[];
}

export interface Prepared {
  /** 0: only a run can tell. */
  readonly program: number;
  readonly fresh: boolean;
  readonly complete: boolean;
  readonly generation: number;
  readonly words: Uint32Array;
  /** Programs that may come again; what the host holds for others is to be freed. */
  readonly kept: readonly number[];
  /** Only when fresh. */
  readonly strings: readonly string[] | null;
}

export type Finished =
  | {readonly recheck: string}
  | {readonly recheck?: undefined; readonly outputs: Record<string, Tensor>; readonly nonfinite: boolean};

export interface FailureNote {
  readonly stage: string;
  readonly error: string;
  readonly deviceLost: boolean;
}

export interface CutoutPixels {
  /** One byte a pixel. */
  readonly alpha: Uint8Array<ArrayBuffer>;
  /** RGBA with alpha 255. */
  readonly foreground: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  readonly refineSeconds: number;
}
