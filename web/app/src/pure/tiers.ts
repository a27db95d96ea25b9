// What a device can bear. Browsers tell little: memory in coarse steps (and only some of them), and
// whether it is a phone. A phone's tab dies near 1.5 GB.

export interface DeviceFacts {
  /** navigator.deviceMemory, in GiB; capped at 8 by browsers, absent in some. */
  readonly memory?: number;
  readonly mobile: boolean;
}

export interface Tier {
  readonly name: 'small' | 'medium' | 'large';
  /** Of a picture: the page, the worker and the module each hold it while it is open. */
  readonly maxPixels: number;
  readonly undoBytes: number;
  /** Whether the larger model is a sensible default. */
  readonly canBest: boolean;
}

export function tierOf(facts: DeviceFacts): Tier {
  if (facts.mobile || (facts.memory !== undefined && facts.memory <= 2)) {
    return {name: 'small', maxPixels: 16e6, undoBytes: 16e6, canBest: false};
  }
  if (facts.memory !== undefined && facts.memory <= 4) {
    return {name: 'medium', maxPixels: 50e6, undoBytes: 48e6, canBest: true};
  }
  return {name: 'large', maxPixels: 100e6, undoBytes: 128e6, canBest: true};
}
