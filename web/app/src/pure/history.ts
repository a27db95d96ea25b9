// Undo and redo of strokes. An entry holds the other side's tiles: undoing swaps them with the
// plane's, which makes the same entry the redo. Memory is bounded; the oldest entries go first.

import {kTile, readTile, tileRect, writeTile} from './brush.js';
import {union, type Rect} from './feather.js';

type Entry = Map<number, Uint8Array>;

export class History {
  private readonly past: Entry[] = [];
  private future: Entry[] = [];
  private bytes = 0;

  constructor(
    private readonly plane: Uint8Array,
    private readonly width: number,
    private readonly height: number,
    private readonly maxBytes: number,
  ) {}

  get canUndo(): boolean {
    return this.past.length > 0;
  }
  get canRedo(): boolean {
    return this.future.length > 0;
  }

  /** After a stroke, with what Stroke.finish gave. */
  push(before: Entry): void {
    if (before.size === 0) return;
    for (const entry of this.future) this.bytes -= cost(entry);
    this.future = [];
    this.past.push(before);
    this.bytes += cost(before);
    while (this.bytes > this.maxBytes && this.past.length > 1) this.bytes -= cost(this.past.shift()!);
  }

  /** Takes the latest stroke back; the rectangle that changed, or null when there is none. */
  undo(): Rect | null {
    return this.move(this.past, this.future);
  }
  redo(): Rect | null {
    return this.move(this.future, this.past);
  }

  private move(from: Entry[], to: Entry[]): Rect | null {
    const entry = from.pop();
    if (!entry) return null;
    let changed: Rect | null = null;
    for (const [index, tile] of entry) {
      entry.set(index, readTile(this.plane, this.width, this.height, index));
      writeTile(this.plane, this.width, this.height, index, tile);
      changed = union(changed, tileRect(this.width, this.height, index));
    }
    to.push(entry);
    return changed;
  }
}

function cost(entry: Entry): number {
  return entry.size * kTile * kTile;
}
