// Opens a picture for looking and editing, keeps its feather and colours up to date, and brings edits back
// into its result.

import type {Cutout, Layers} from 'sluice-web/cutout';

import type {Picture, Store} from '../state.js';
import {Editor} from './editor.js';
import type {Engine} from './engine.js';
import type {Pixels} from './pixels.js';

const kColourDelay = 700;

export class Opener {
  /** Null: no picture is open, or it has no result yet. */
  editor: Editor | null = null;
  /** The original alone, while there is no result. */
  original: ImageBitmap | null = null;
  private originalId: number | null = null;
  private turn = 0;
  private colourTimer: ReturnType<typeof setTimeout> | undefined;
  private feathering: Promise<void> | null = null;
  private loading = false;

  constructor(
    private readonly store: Store,
    private readonly engine: Engine,
    private readonly pixels: Pixels,
    /** After anything that the stage shows changed; `fresh`: another picture. */
    private readonly changed: (fresh: boolean) => void,
  ) {}

  /** Opens a picture; the one before is brought up to date first. Null closes. */
  async open(id: number | null): Promise<void> {
    const turn = ++this.turn;
    await this.commit().catch(() => undefined);
    if (turn !== this.turn) return;
    this.store.update({openId: id});
    const picture = this.store.picture(id);
    if (!picture) {
      this.close();
      this.changed(true);
      return;
    }
    let original: ImageBitmap | null = null;
    try {
      original = await decode(picture.file);
    } catch {
      // The queue tells what is wrong with it.
    }
    if (turn !== this.turn) {
      original?.close();
      return;
    }
    this.close(); // shown until now, so that the stage is never empty in between
    this.original = original;
    this.originalId = picture.id;
    this.changed(true);
    if (picture.result) await this.load(picture, turn);
  }

  /** The open picture has a result that is not shown yet. */
  async refresh(): Promise<void> {
    const picture = this.store.picture(this.store.state.openId);
    if (this.editor || this.originalId !== picture?.id || !picture?.result || this.loading) return;
    this.loading = true;
    try {
      await this.load(picture, this.turn);
    } finally {
      this.loading = false;
    }
  }

  /** A picture was cut just now. Copies, since the layers are given away afterwards. */
  take(id: number, cutout: Cutout): void {
    if (this.store.state.openId !== id) return;
    const turn = ++this.turn;
    const layers = {...cutout, alpha: cutout.alpha.slice(), foreground: cutout.foreground.slice()};
    void (async () => {
      const picture = this.store.picture(id);
      if (!picture) return;
      const there =
        this.editor?.pictureId === id ? this.editor.original : this.originalId === id ? this.original : null;
      const original = there ?? (await decode(picture.file).catch(() => null));
      if (!original) return;
      if (turn !== this.turn) {
        if (!there) original.close();
        return;
      }
      this.show(id, original, layers);
    })();
  }

  /** Feather changed: the whole plane is made in the worker, the latest wish wins. Resolves when it is shown. */
  feather(): Promise<void> {
    this.feathering ??= this.featherNow().finally(() => {
      this.feathering = null;
    });
    return this.feathering;
  }

  undo(): void {
    if (this.editor?.undo()) this.colourSoon();
  }
  redo(): void {
    if (this.editor?.redo()) this.colourSoon();
  }
  /** After a stroke. */
  colourSoon(): void {
    clearTimeout(this.colourTimer);
    this.colourTimer = setTimeout(() => {
      void this.colour().catch(() => undefined);
    }, kColourDelay);
  }

  /** Brings the open picture's edits and feather into its result. */
  async commit(): Promise<void> {
    clearTimeout(this.colourTimer);
    await this.feather();
    const {editor} = this;
    const picture = editor ? this.store.picture(editor.pictureId) : undefined;
    if (!editor || !picture?.result) return;
    if (!editor.edited && picture.result.feather === editor.featherRadius) return;
    await this.colour();
    const {version, width, height} = editor;
    const edited = picture.result.edited || editor.edited;
    const feather = editor.featherRadius;
    const alpha = editor.alpha.slice();
    const shown = editor.shown.slice();
    const foreground = editor.foreground.slice();
    const done = await this.pixels.call('finish', {width, height, alpha, shown, foreground}, [
      alpha.buffer,
      shown.buffer,
      foreground.buffer,
    ]);
    const now = this.store.picture(picture.id);
    if (!now?.result) return;
    void this.pixels.call('drop', [now.result.cut, now.result.alpha]);
    this.store.updatePicture(picture.id, {
      thumb: done.thumb,
      result: {...now.result, cut: done.cut, alpha: done.alpha, feather, edited},
    });
    if (editor.version === version) editor.edited = false;
  }

  private async featherNow(): Promise<void> {
    for (;;) {
      const {editor} = this;
      const radius = this.store.state.feather;
      if (!editor || editor.featherRadius === radius) return;
      const {version, width, height} = editor;
      const alpha = editor.alpha.slice();
      const plane = await this.pixels.call('feather', {alpha, width, height, radius}, [alpha.buffer]);
      if (this.editor === editor && editor.version === version) {
        editor.setFeathered(plane, radius);
        this.colourSoon();
      }
    }
  }

  // The core estimates the foreground's colours for the shown alpha.
  private async colour(): Promise<void> {
    const {editor} = this;
    const picture = editor ? this.store.picture(editor.pictureId) : undefined;
    const {model, tier, cleanEdges} = this.store.state;
    if (!editor || !picture || !model || !cleanEdges) return;
    const {version} = editor;
    const cutter = await this.engine.cutterFor(model);
    const {foreground} = await cutter.recolor(editor.shown, {image: picture.file, maxPixels: tier.maxPixels});
    if (this.editor === editor && editor.version === version) editor.setForeground(foreground);
  }

  private async load(picture: Picture, turn: number): Promise<void> {
    const {result} = picture;
    const {original} = this;
    if (!result || !original) return;
    const {width, height} = result;
    const layers = await this.pixels.call('layers', {cut: result.cut, alpha: result.alpha, width, height});
    // Closed meanwhile: another picture is being opened, or has been.
    if (turn !== this.turn || this.original !== original) return;
    this.show(picture.id, original, {width, height, ...layers});
  }

  private show(id: number, original: ImageBitmap, layers: Layers): void {
    const old = this.editor;
    const same = old?.pictureId === id;
    // A frame in between can't see what is closed here: the stage gets the new content before it.
    old?.dispose(old.original === original);
    if (this.original !== original) this.original?.close();
    this.original = null;
    this.originalId = null;
    this.editor = null;
    this.editor = new Editor(id, original, layers, this.store.state.tier.undoBytes, () => {
      const {editor} = this;
      this.store.update({canUndo: editor?.canUndo ?? false, canRedo: editor?.canRedo ?? false});
      this.changed(false);
    });
    this.store.update({canUndo: false, canRedo: false});
    this.changed(!same);
    void this.feather();
  }

  private close(): void {
    clearTimeout(this.colourTimer);
    this.editor?.dispose(false);
    this.editor = null;
    this.original?.close();
    this.original = null;
    this.originalId = null;
    this.store.update({canUndo: false, canRedo: false});
  }
}

function decode(file: Blob): Promise<ImageBitmap> {
  return createImageBitmap(file, {imageOrientation: 'from-image', colorSpaceConversion: 'none'});
}
