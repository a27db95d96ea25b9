// The background as the stage shows it: bitmaps are made when needed and closed when replaced.

import type {StageBackground} from '../ui/painter.js';
import type {Store} from '../state.js';
import type {Pixels} from './pixels.js';

const kPictureSide = 2048;

export class Backdrop {
  private key = '';
  private bitmap: ImageBitmap | null = null;
  private busy = false;

  constructor(
    private readonly store: Store,
    private readonly pixels: Pixels,
    private readonly show: (background: StageBackground) => void,
  ) {}

  /** After the background, the open picture or its result changed. */
  update(): void {
    const {background, openId} = this.store.state;
    if (background.kind === 'transparent' || background.kind === 'colour') {
      this.replace(null, '');
      this.show(background);
      return;
    }
    void this.make(openId);
  }

  // Slow: one at a time, the latest wish wins.
  private async make(openId: number | null): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      for (;;) {
        const {background} = this.store.state;
        const picture = this.store.picture(openId);
        if (background.kind === 'blur') {
          if (!picture?.result) return;
          const key = `blur ${picture.id} ${background.strength}`;
          if (key === this.key) break;
          this.replace(
            await this.pixels.call('backdrop', {
              original: picture.file,
              cut: picture.result.cut,
              strength: background.strength,
            }),
            key,
          );
        } else if (background.kind === 'image') {
          const key = `image ${background.name} ${background.file.size}`;
          if (key === this.key) break;
          this.replace(await small(background.file), key);
        } else {
          return;
        }
        openId = this.store.state.openId;
        this.tell(); // the next one may take a while, and what was shown until now is closed
      }
    } catch {
      this.replace(null, 'failed');
    } finally {
      this.busy = false;
    }
    this.tell();
  }

  private tell(): void {
    const {background} = this.store.state;
    if (background.kind === 'blur' || background.kind === 'image')
      this.show({kind: background.kind, bitmap: this.bitmap});
  }

  private replace(bitmap: ImageBitmap | null, key: string): void {
    this.bitmap?.close();
    this.bitmap = bitmap;
    this.key = key;
  }
}

async function small(file: Blob): Promise<ImageBitmap> {
  const whole = await createImageBitmap(file, {imageOrientation: 'from-image'});
  const scale = kPictureSide / Math.max(whole.width, whole.height);
  if (scale >= 1) return whole;
  const bitmap = await createImageBitmap(whole, {
    resizeWidth: Math.max(1, Math.round(whole.width * scale)),
    resizeHeight: Math.max(1, Math.round(whole.height * scale)),
    resizeQuality: 'high',
  });
  whole.close();
  return bitmap;
}
