// The app's state, all of it, in one place. Views read it and subscribe; actions change it. Pixels of the
// open picture are not here (work/editor.ts), since nothing compares them.

import type {Binding, ProgressEvent} from 'sluice-web';
import type {CutoutManifest, CutPhase} from 'sluice-web/cutout';

import type {Catalogue} from './pure/models.js';
import type {CutTimes} from './pure/record.js';
import type {Tier} from './pure/tiers.js';

export type PictureStatus = 'waiting' | 'working' | 'done' | 'failed' | 'cancelled';

/** What is kept of a finished picture; Blobs lie on disk where the browser can. */
export interface PictureResult {
  readonly width: number;
  readonly height: number;
  /** PNG with straight alpha, feathered by `feather`. */
  readonly cut: Blob;
  /** Alpha before feathering, gzip of one byte a pixel. */
  readonly alpha: Blob;
  readonly feather: number;
  /** Settings it was cut with; differs from settingsKey() when they changed since. */
  readonly key: string;
  readonly edited: boolean;
  readonly bound: string;
  /** Whole microseconds: a batch keeps hundreds of these, and whole numbers take no room of their own. */
  readonly micros: CutTimes;
}

export interface Picture {
  readonly id: number;
  readonly file: Blob;
  readonly name: string;
  readonly status: PictureStatus;
  readonly error?: string;
  readonly hint?: string;
  /** A small picture. */
  readonly thumb?: Blob;
  readonly result?: PictureResult;
}

export type ModelChoice =
  | {readonly kind: 'catalogue'; readonly manifest: CutoutManifest}
  | {readonly kind: 'own'; readonly file: File; readonly manifest: CutoutManifest | null};

export interface EngineState {
  readonly phase: 'none' | 'loading' | 'ready' | 'failed';
  readonly progress?: ProgressEvent;
  readonly binding?: Binding;
  readonly note?: string;
  readonly error?: string;
  readonly hint?: string;
}

export interface JobState {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly currentId: number | null;
  readonly phase: CutPhase | 'load' | 'encode';
  readonly first: boolean;
  readonly secondsLeft: number | null;
}

export type Background =
  | {readonly kind: 'transparent'}
  | {readonly kind: 'colour'; readonly colour: string}
  | {readonly kind: 'blur'; readonly strength: number}
  | {readonly kind: 'image'; readonly file: Blob; readonly name: string};

export type ExportFormat = 'png' | 'webp' | 'jpeg';
export type Tool = 'compare' | 'restore' | 'erase';

export interface AppState {
  readonly tier: Tier;
  readonly catalogue: Catalogue | null;
  readonly model: ModelChoice | null;
  readonly engine: EngineState;
  readonly pictures: readonly Picture[];
  readonly openId: number | null;
  readonly job: JobState | null;
  /** After a job that never ended: ask before starting. */
  readonly caution: boolean;
  readonly refine: boolean;
  readonly cleanEdges: boolean;
  readonly feather: number;
  readonly background: Background;
  readonly format: ExportFormat;
  readonly tool: Tool;
  readonly brushSize: number;
  readonly brushHardness: number;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** What an export is doing; "" when none is. */
  readonly exporting: string;
  readonly isolation: string | null;
  readonly updateReady: boolean;
}

export function initialState(tier: Tier): AppState {
  return {
    tier,
    catalogue: null,
    model: null,
    engine: {phase: 'none'},
    pictures: [],
    openId: null,
    job: null,
    caution: false,
    refine: true,
    cleanEdges: true,
    feather: 0,
    background: {kind: 'transparent'},
    format: 'png',
    tool: 'compare',
    brushSize: 48,
    brushHardness: 0.6,
    canUndo: false,
    canRedo: false,
    exporting: '',
    isolation: null,
    updateReady: false,
  };
}

export type Listener = (state: AppState, before: AppState) => void;

export class Store {
  private readonly listeners = new Set<Listener>();
  private queued = false;
  private reported: AppState;

  constructor(private current: AppState) {
    this.reported = current;
  }

  get state(): AppState {
    return this.current;
  }

  /** Listeners hear of it once, after the running task. */
  update(change: Partial<AppState>): void {
    this.current = {...this.current, ...change};
    if (this.queued) return;
    this.queued = true;
    queueMicrotask(() => {
      this.queued = false;
      const before = this.reported;
      this.reported = this.current;
      for (const listener of this.listeners) listener(this.current, before);
    });
  }

  updatePicture(id: number, change: Partial<Picture>): void {
    const pictures = this.current.pictures.slice();
    const at = pictures.findIndex(one => one.id === id);
    const picture = pictures[at];
    if (!picture) return;
    pictures[at] = {...picture, ...change};
    this.update({pictures});
  }

  picture(id: number | null): Picture | undefined {
    return this.current.pictures.find(one => one.id === id);
  }

  /** Calls `effect` now, and after each change of what `select` gives (compared by identity, item by item). */
  watch<T extends unknown[]>(select: (state: AppState) => readonly [...T], effect: (...values: T) => void): void {
    let last = select(this.current);
    effect(...(last as T));
    this.listeners.add(state => {
      const now = select(state);
      if (now.every((value, i) => Object.is(value, last[i]))) return;
      last = now;
      effect(...(now as T));
    });
  }
}

export type Tally = Readonly<Record<PictureStatus, number>>;

let counted: readonly Picture[] = [];
let counts: Tally = {waiting: 0, working: 0, done: 0, failed: 0, cancelled: 0};

/** How many pictures have which status. Asked for at every change of anything: counted once for each list. */
export function tally(pictures: readonly Picture[]): Tally {
  if (pictures === counted) return counts;
  const now = {waiting: 0, working: 0, done: 0, failed: 0, cancelled: 0};
  for (const {status} of pictures) ++now[status];
  counted = pictures;
  counts = now;
  return now;
}

let latestKey = '';

/** What decides a picture's alpha before feathering. The same settings give the same string, not another like it. */
export function settingsKey(state: AppState): string {
  const {model} = state;
  const name = !model ? '' : model.kind === 'own' ? `own:${model.file.name}:${model.file.size}` : model.manifest.name;
  const key = `${name}|${state.refine}|${state.cleanEdges}`;
  if (key !== latestKey) latestKey = key;
  return latestKey;
}

export function modelTitle(model: ModelChoice | null): string {
  if (!model) return '';
  return model.kind === 'own' ? model.file.name : model.manifest.title;
}
