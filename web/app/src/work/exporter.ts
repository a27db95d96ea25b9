// Results out of the page: one file, the clipboard, or all of them as a ZIP with their record.

import {planNames} from '../pure/names.js';
import {recordJson, type PictureRecord} from '../pure/record.js';
import {ZipWriter} from '../pure/zip.js';
import type {AppState, ExportFormat, Picture, PictureResult, Store} from '../state.js';
import type {Engine} from './engine.js';
import type {Opener} from './opener.js';
import type {Pixels} from './pixels.js';
import {gunzipPlane} from './plane.js';
import {feather} from '../pure/feather.js';

export function extensionOf(format: ExportFormat): string {
  return format === 'jpeg' ? '.jpg' : `.${format}`;
}

/** JPEG has no transparency. */
export function formatsFor(state: AppState): ExportFormat[] {
  return state.background.kind === 'transparent' ? ['png', 'webp'] : ['png', 'jpeg', 'webp'];
}

export class Exporter {
  private controller: AbortController | null = null;

  constructor(
    private readonly store: Store,
    private readonly engine: Engine,
    private readonly pixels: Pixels,
    private readonly opener: Opener,
  ) {}

  /** Ends saveAll(). */
  cancel(): void {
    this.controller?.abort(new DOMException('The export was cancelled', 'AbortError'));
  }

  /** The open picture as a file. */
  async saveOpen(): Promise<void> {
    await this.task('Preparing the picture', async () => {
      const {pictures, openId, format} = this.store.state;
      const blob = await this.openBlob(format);
      const names = planNames(
        pictures.map(one => one.name),
        extensionOf(format),
      );
      download(blob, names[pictures.findIndex(one => one.id === openId)] ?? `cutout${extensionOf(format)}`);
    });
  }

  /** The open picture to the clipboard, as PNG. The item is made at once: some browsers ask for the user's gesture. */
  async copyOpen(): Promise<void> {
    await this.task('Copying the picture', async () => {
      const blob = this.openBlob('png');
      await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
    });
  }

  /** All finished pictures, in order, and record.json. */
  async saveAll(): Promise<void> {
    if (this.store.state.exporting) return;
    this.controller = new AbortController();
    const {signal} = this.controller;
    const scratch: Blob[] = [];
    const drop = (): void => {
      void this.pixels.call('drop', scratch);
    };
    try {
      await this.task('Packing', tell => this.pack(tell, scratch, signal));
      setTimeout(drop, 600_000); // the download reads from the parts for a while
    } catch (thrown) {
      drop();
      throw thrown;
    } finally {
      this.controller = null;
    }
  }

  private async openBlob(format: ExportFormat): Promise<Blob> {
    await this.opener.commit();
    const {openId, background} = this.store.state;
    const picture = this.store.picture(openId);
    if (!picture?.result) throw new Error('This picture has no cut-out yet.');
    return this.pixels.call('compose', {cut: picture.result.cut, original: picture.file, background, format});
  }

  // `scratch`: gets what is made for this ZIP alone.
  private async pack(tell: (text: string) => void, scratch: Blob[], signal: AbortSignal): Promise<void> {
    await this.opener.commit();
    const {pictures, format, background, model, engine} = this.store.state;
    const names = planNames(
      pictures.map(one => one.name),
      extensionOf(format),
    );
    const zip = new ZipWriter();
    const records: PictureRecord[] = [];
    const total = pictures.filter(one => one.result).length;
    let count = 0;
    for (const [i, picture] of pictures.entries()) {
      signal.throwIfAborted();
      const name = names[i] ?? `${i + 1}${extensionOf(format)}`;
      const current = this.store.picture(picture.id)?.result ?? picture.result;
      if (!current) {
        records.push(recordOf(picture, null, name));
        continue;
      }
      tell(`Packing ${++count} of ${total}`);
      const result = await this.withFeather(picture, current, signal);
      const plain = background.kind === 'transparent' && format === 'png';
      let data = plain
        ? result.cut
        : await this.pixels.call('compose', {cut: result.cut, original: picture.file, background, format});
      if (!plain) {
        data = await this.pixels.call('keep', data);
        scratch.push(data);
      }
      await zip.add({name, data}, signal);
      records.push(recordOf(picture, result, name));
    }
    const facts = {
      model: model?.kind === 'catalogue' ? model.manifest.name : (model?.file.name ?? ''),
      file: model?.kind === 'catalogue' ? model.manifest.file : (model?.file.name ?? ''),
      licence: model?.kind === 'catalogue' ? model.manifest.licence : '',
      binding: engine.binding ?? null,
    };
    await zip.add({name: 'record.json', data: new Blob([recordJson(facts, records)], {type: 'application/json'})});
    signal.throwIfAborted();
    download(zip.finish(), 'cutouts.zip');
  }

  // A result that was made with another feather gets its edges and colours anew.
  private async withFeather(picture: Picture, result: PictureResult, signal: AbortSignal): Promise<PictureResult> {
    const {feather: radius, model, tier} = this.store.state;
    if (result.feather === radius || !model) return result;
    const {width, height} = result;
    const alpha = await gunzipPlane(result.alpha, width * height);
    const shown = feather(alpha, width, height, radius, {x: 0, y: 0, width, height});
    const cutter = await this.engine.cutterFor(model, signal);
    const {foreground} = await cutter.recolor(shown, {image: picture.file, maxPixels: tier.maxPixels, signal});
    const done = await this.pixels.call('finish', {width, height, alpha, shown, foreground}, [
      alpha.buffer,
      shown.buffer,
      foreground.buffer,
    ]);
    void this.pixels.call('drop', [result.cut, result.alpha]);
    const next = {...result, cut: done.cut, alpha: done.alpha, feather: radius};
    this.store.updatePicture(picture.id, {result: next});
    return next;
  }

  private async task(text: string, work: (tell: (text: string) => void) => Promise<void>): Promise<void> {
    if (this.store.state.exporting) return;
    this.store.update({exporting: text});
    try {
      await work(now => {
        this.store.update({exporting: now});
      });
    } finally {
      this.store.update({exporting: ''});
    }
  }
}

function recordOf(picture: Picture, result: PictureResult | null, output: string): PictureRecord {
  if (!result) {
    const status = picture.status === 'failed' ? ('failed' as const) : ('cancelled' as const);
    return {input: picture.name, status, ...(picture.error ? {error: picture.error} : {})};
  }
  const {width, height, bound, edited, micros} = result;
  return {input: picture.name, status: 'done', output, width, height, bound, ...(edited ? {edited} : {}), micros};
}

function download(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, 60_000);
}
