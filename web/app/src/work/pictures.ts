// The list of pictures: adding, removing, cutting again when settings or model change.

import {findModel} from '../pure/models.js';
import {settingsKey, type ModelChoice, type Picture, type Store} from '../state.js';
import type {Engine} from './engine.js';
import type {Opener} from './opener.js';
import type {Pixels} from './pixels.js';
import type {Queue} from './queue.js';

export class Pictures {
  private nextId = 1;

  constructor(
    private readonly store: Store,
    private readonly engine: Engine,
    private readonly pixels: Pixels,
    private readonly opener: Opener,
    private readonly queue: Queue,
  ) {}

  /** Adds pictures behind the others and starts, unless the user is to be asked first. */
  add(files: readonly File[]): void {
    const added = files.map((file): Picture => ({
      id: this.nextId++,
      file,
      name: file.name || 'picture.png',
      status: 'waiting',
    }));
    const {pictures, openId, caution} = this.store.state;
    this.store.update({pictures: [...pictures, ...added]});
    const [first] = added;
    // A single new picture is what one wants to see; a batch leaves the open one alone.
    const opened = first && (openId === null || added.length === 1) ? this.opener.open(first.id) : Promise.resolve();
    if (!caution) void opened.then(() => this.queue.start());
  }

  remove(id: number): void {
    const picture = this.store.picture(id);
    const {pictures, openId} = this.store.state;
    if (!picture || picture.status === 'working') return;
    const at = pictures.indexOf(picture);
    const rest = pictures.filter(one => one !== picture);
    this.store.update({pictures: rest});
    if (openId === id) void this.opener.open((rest[at] ?? rest[at - 1])?.id ?? null);
    if (picture.result) void this.pixels.call('drop', [picture.result.cut, picture.result.alpha]);
  }

  /** `all`: every picture with older settings; else the open one alone, unless strokes would be lost. */
  cutStale(all: boolean): void {
    const {state} = this.store;
    const key = settingsKey(state);
    const stale = state.pictures.filter(one => one.status === 'done' && one.result && one.result.key !== key);
    const chosen = all
      ? stale
      : stale.filter(one => one.id === state.openId && !one.result?.edited && !this.opener.editor?.edited);
    if (chosen.length > 0) this.queue.again(new Set(chosen.map(one => one.id)));
  }

  /** By name, "fast" or "best". */
  chooseNamed(name: string): void {
    const {catalogue} = this.store.state;
    const manifest = catalogue ? findModel(catalogue, name) : undefined;
    if (manifest) void this.choose({kind: 'catalogue', manifest});
  }

  /** What waits, failed or is open is cut with the new model. */
  async choose(model: ModelChoice): Promise<void> {
    const had = this.queue.running;
    if (had) this.queue.cancel();
    const failed = this.store.state.engine.phase === 'failed';
    this.store.update({model, engine: {phase: 'none'}});
    await this.engine.close();
    if (had || failed) this.queue.retryFailed();
    else this.cutStale(false);
  }
}

/** Whether hardly anything of a picture is foreground (under two in a hundred of all there could be). */
export function nearlyEmpty(alpha: Uint8Array): boolean {
  const step = Math.max(1, Math.floor(alpha.length / 20_000));
  let sum = 0;
  for (let i = 0; i < alpha.length; i += step) sum += alpha[i] ?? 0;
  return (sum * step) / alpha.length < 255 * 0.02;
}
