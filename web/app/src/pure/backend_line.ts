// One quiet line on what really ran, from the Binding, and the rows behind it.

import type {Binding} from 'sluice-web';

import {bytesText, countText, secondsText} from './format.js';

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** The adapter's best name, with its software nature told. */
export function adapterName(binding: Binding): string {
  const adapter = object(binding['adapter']);
  const name =
    text(adapter['description']) ||
    text(adapter['device']) ||
    [text(adapter['vendor']), text(adapter['architecture'])].filter(Boolean).join(' ');
  const shown = name || 'an adapter that does not say its name';
  return adapter['software'] === true ? `${shown} (software)` : shown;
}

function lowerFirst(sentence: string): string {
  // Names and abbreviations keep their capitals.
  return /^[A-Z][a-z]/.test(sentence) && !/^(WebGPU|SwiftShader)/.test(sentence)
    ? sentence[0]!.toLowerCase() + sentence.slice(1)
    : sentence;
}

/** "GPU: Intel Arc", or "CPU, 4 threads: the GPU was refused because ...". */
export function backendLine(binding: Binding): string {
  if (binding.bound === 'webgpu') {
    const islands = binding.islands.length;
    return `GPU: ${adapterName(binding)}${islands ? ` · ${countText(islands, 'step', 'steps')} on the CPU` : ''}`;
  }
  const head = `CPU, ${countText(binding.threads, 'thread', 'threads')}`;
  const fault = binding.failovers[binding.failovers.length - 1];
  if (fault) return `${head}: the GPU failed (${lowerFirst(fault.error.replace(/\.$/, ''))})`;
  if (binding.requested === 'cpu') return `${head}: as asked`;
  const refusal = binding.gate.find(finding => !finding.passed);
  const why = (refusal?.sentence ?? binding.reason).replace(/\.$/, '');
  return why ? `${head}: the GPU was refused because ${lowerFirst(why)}` : head;
}

/** Sentences on how the model came that people may want to know: it is not kept, or what was kept was damaged. */
export function downloadNotes(binding: Binding): string[] {
  const notes = object(binding['download'])['notes'];
  return Array.isArray(notes) ? notes.map(text).filter(Boolean) : [];
}

export interface DetailRow {
  readonly label: string;
  readonly value: string;
}

const placeNames: Readonly<Record<string, string>> = {auto: 'GPU, then CPU', cpu: 'CPU', webgpu: 'GPU'};
const instructionNames: Readonly<Record<string, string>> = {relaxed: 'relaxed SIMD', simd128: 'SIMD'};

export function bindingRows(binding: Binding): DetailRow[] {
  const rows: DetailRow[] = [];
  const add = (label: string, value: string): void => {
    if (value) rows.push({label, value});
  };
  add('Asked for', placeNames[binding.requested] ?? binding.requested);
  add('Runs on', `${placeNames[binding.bound] ?? binding.bound} (${binding.evidence})`);
  const failed = binding.bound === 'cpu' && binding.failovers.length > 0;
  add('Because', failed ? `the GPU failed while it worked; before that, ${binding.reason}` : binding.reason);
  if (object(binding['adapter'])['present'] === true) add('Adapter', adapterName(binding));
  add('Threads', String(binding.threads));
  const instructions = text(binding['instruction_set']);
  add('Instructions', instructionNames[instructions] ?? instructions);
  add('Precision', text(binding['precision']));
  const plan = object(binding['plan']);
  if (number(plan['dispatches']) > 0) {
    add(
      'Plan',
      `${number(plan['dispatches'])} dispatches, ${number(plan['pipelines'])} pipelines, ` +
        `at most ${number(plan['most_storage_buffers'])} storage buffers, ${bytesText(number(plan['predicted_peak_bytes']))} at most`,
    );
  }
  const times: string[] = [];
  const time = (label: string, value: unknown): void => {
    if (number(value) > 0) times.push(`${label} ${secondsText(number(value))}`);
  };
  time('read', binding['read_seconds']);
  time('compile', binding['compile_seconds']);
  time('prepare', binding['prepare_seconds']);
  time('device and gate', binding['init_seconds']);
  time('first run', binding['first_run_seconds']);
  time('later runs (median)', object(binding['steady'])['median_seconds']);
  add('Times', times.join(', '));
  add('Runs', number(binding['runs']) ? String(number(binding['runs'])) : '');
  add(
    'Copies through the CPU',
    number(binding['host_copies'])
      ? `${number(binding['host_copies'])} (${bytesText(number(binding['host_copy_bytes']))})`
      : '',
  );
  add('Model file', text(binding['model_sha256']));
  return rows;
}
