// The model in use, as a Cutter that is made when first needed and kept until the choice changes.

import {SluiceError} from 'sluice-web';
import type {BackendName, Binding} from 'sluice-web';
import {Cutter} from 'sluice-web/cutout';

import {missingModelSentence, unpinnedSentence} from '../pure/models.js';
import type {ModelChoice, Store} from '../state.js';

/** What the page's address asks for: ?backend=cpu|webgpu, ?allow-software, ?threads=2; ?debug=ep is the runtime's. */
export interface Wishes {
  readonly backends?: readonly BackendName[];
  readonly allowSoftware: boolean;
  readonly threads?: number;
}

export function readWishes(search: string): Wishes {
  const params = new URLSearchParams(search);
  const backend = params.get('backend');
  const threads = Number(params.get('threads'));
  return {
    ...(backend === 'cpu' || backend === 'webgpu' ? {backends: [backend] as const} : {}),
    allowSoftware: params.has('allow-software'),
    ...(Number.isInteger(threads) && threads > 0 ? {threads} : {}),
  };
}

export class Engine {
  private cutter: Promise<Cutter> | null = null;
  private choice: ModelChoice | null = null;
  private forced: readonly BackendName[] | null = null;

  constructor(
    private readonly store: Store,
    private readonly wishes: Wishes,
  ) {}

  /** The next model runs on the CPU, whatever else was asked for. */
  async forceCpu(): Promise<void> {
    this.forced = ['cpu'];
    await this.close();
  }

  /** The cutter of the chosen model. Its failure is in the state, too. */
  async cutterFor(choice: ModelChoice, signal?: AbortSignal): Promise<Cutter> {
    if (this.cutter && this.choice === choice) return this.cutter;
    await this.close();
    this.choice = choice;
    const made = this.create(choice, signal);
    this.cutter = made;
    made.catch(() => {
      if (this.cutter === made) this.cutter = null;
    });
    return made;
  }

  async close(): Promise<void> {
    const old = this.cutter;
    this.cutter = null;
    this.choice = null;
    const cutter = await old?.catch(() => null);
    await cutter?.dispose();
  }

  /** After each picture: the record may have changed. */
  noteBinding(binding: Binding): void {
    const {engine} = this.store.state;
    if (engine.phase === 'ready') this.store.update({engine: {...engine, binding}});
  }

  private async create(choice: ModelChoice, signal?: AbortSignal): Promise<Cutter> {
    this.store.update({engine: {phase: 'loading'}});
    const backends = this.forced ?? this.wishes.backends;
    try {
      const refusal = choice.kind === 'catalogue' ? unpinnedSentence(choice.manifest) : '';
      if (refusal) throw new SluiceError('usage', refusal);
      const cutter = await Cutter.create({
        ...(choice.kind === 'catalogue'
          ? {model: choice.manifest}
          : {model: choice.file, ...(choice.manifest ? {manifest: choice.manifest} : {})}),
        assets: document.baseURI.replace(/[^/]*([?#].*)?$/, ''),
        allowSoftware: this.wishes.allowSoftware,
        cache: {persist: true},
        ...(backends ? {backends} : {}),
        ...(this.wishes.threads ? {threads: this.wishes.threads} : {}),
        ...(signal ? {signal} : {}),
        onProgress: progress => {
          if (this.store.state.engine.phase === 'loading') this.store.update({engine: {phase: 'loading', progress}});
        },
      });
      this.store.update({engine: {phase: 'ready', binding: cutter.binding}});
      return cutter;
    } catch (thrown) {
      if (signal?.aborted) {
        this.store.update({engine: {phase: 'none'}});
        throw thrown;
      }
      const said = explain(thrown, choice);
      this.store.update({engine: {phase: 'failed', error: said.message, ...(said.hint ? {hint: said.hint} : {})}});
      throw new SluiceError(
        thrown instanceof SluiceError ? thrown.code : 'internal',
        said.message,
        said.hint ? {hint: said.hint} : {},
      );
    }
  }
}

function explain(thrown: unknown, choice: ModelChoice): {message: string; hint?: string} {
  if (thrown instanceof SluiceError) {
    if (thrown.code === 'network' && choice.kind === 'catalogue' && /status 4\d\d/.test(thrown.message)) {
      return {message: missingModelSentence(choice.manifest)};
    }
    if (thrown.code === 'network' && navigator.onLine === false) {
      return {
        message: 'There is no connection, and this model is not stored on this device yet.',
        hint: thrown.message,
      };
    }
    return {message: thrown.message, ...(thrown.hint ? {hint: thrown.hint} : {})};
  }
  return {message: thrown instanceof Error ? thrown.message : String(thrown)};
}
