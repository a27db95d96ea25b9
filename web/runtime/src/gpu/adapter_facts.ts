// What an adapter and its device say of themselves, as the core's "adapter" object. No judgement here: the
// gate is the core's (sluice_gpu_adapter).
import {features as featureRows, limits as limitRows} from '../generated/limits.js';

export interface AdapterFacts {
  readonly present: true;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly software: boolean;
  readonly limits: Readonly<Record<string, number>>;
  readonly features: Readonly<Record<string, boolean>>;
}

type LimitName = keyof Omit<GPUSupportedLimits, '__brand'>;

/** The limits under the core's names. */
export function limitsOf(from: GPUSupportedLimits): Record<string, number> {
  const out: Record<string, number> = {};
  for (const {field, name, guaranteed} of limitRows) out[field] = from[name as LimitName] ?? guaranteed;
  return out;
}

/**
 * What to ask the device for. Plans stay within what WebGPU guarantees where they can, so only the sizes
 * are asked for as the adapter has them; `all`: everything, for plans that are compiled for it.
 */
export function requiredLimits(adapter: GPUAdapter, all: boolean): Record<string, number> {
  const out: Record<string, number> = {};
  for (const {field, name} of limitRows) {
    const size = field === 'max_storage_binding_bytes' || field === 'max_buffer_bytes';
    if (all || size) out[name] = adapter.limits[name as LimitName];
  }
  return out;
}

/** Features to ask for: those that plans may use, float16 if `f16`. Timestamps only help whoever measures. */
export function wantedFeatures(adapter: GPUAdapter, f16: boolean): GPUFeatureName[] {
  return featureRows
    .filter(({field, language}) => !language && field !== 'timestamp_query')
    .map(({name}) => name as GPUFeatureName)
    .filter(name => adapter.features.has(name) && (f16 || name !== 'shader-f16'));
}

export function isFallback(adapter: GPUAdapter): boolean {
  const info = adapter.info as Partial<GPUAdapterInfo> | undefined;
  // Older browsers have it on the adapter itself.
  const older = (adapter as unknown as {isFallbackAdapter?: boolean}).isFallbackAdapter;
  return info?.isFallbackAdapter ?? older ?? false;
}

function featuresOf(device: GPUDevice): Record<string, boolean> {
  const words = (navigator.gpu.wgslLanguageFeatures ?? new Set()) as ReadonlySet<string>;
  const out: Record<string, boolean> = {};
  for (const {field, name, language} of featureRows) out[field] = (language ? words : device.features).has(name);
  return out;
}

export function factsOf(adapter: GPUAdapter, device: GPUDevice): AdapterFacts {
  // Empty names are normal (Firefox, Safari) and prove nothing.
  const info = adapter.info as Partial<GPUAdapterInfo> | undefined;
  return {
    present: true,
    vendor: info?.vendor ?? '',
    architecture: info?.architecture ?? '',
    device: info?.device ?? '',
    description: info?.description ?? '',
    software: isFallback(adapter),
    limits: limitsOf(device.limits),
    features: featuresOf(device),
  };
}
