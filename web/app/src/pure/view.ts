// Where the picture lies on the stage: a scale and an offset, in CSS pixels. Plain numbers in,
// plain numbers out.

export interface Size {
  readonly width: number;
  readonly height: number;
}
export interface Point {
  readonly x: number;
  readonly y: number;
}
/** A picture's point p is shown at (x + p.x * scale, y + p.y * scale). */
export interface View extends Point {
  readonly scale: number;
}

export const kMaxScale = 16;

/** The whole picture, centred, never enlarged beyond twice its size. */
export function fit(picture: Size, stage: Size, margin = 16): View {
  const room = {width: Math.max(1, stage.width - 2 * margin), height: Math.max(1, stage.height - 2 * margin)};
  const scale = Math.min(room.width / picture.width, room.height / picture.height, 2);
  return {scale, x: (stage.width - picture.width * scale) / 2, y: (stage.height - picture.height * scale) / 2};
}

/** Zooms by `factor` so that the picture's point under `at` stays there. */
export function zoomAt(view: View, factor: number, at: Point, picture: Size, stage: Size): View {
  const least = Math.min(fit(picture, stage).scale, 1);
  const scale = Math.min(Math.max(view.scale * factor, least), kMaxScale);
  const f = scale / view.scale;
  return clampView({scale, x: at.x - (at.x - view.x) * f, y: at.y - (at.y - view.y) * f}, picture, stage);
}

export function pan(view: View, dx: number, dy: number, picture: Size, stage: Size): View {
  return clampView({...view, x: view.x + dx, y: view.y + dy}, picture, stage);
}

/** Keeps a smaller picture centred, and a larger one covering the middle of the stage. */
export function clampView(view: View, picture: Size, stage: Size): View {
  const along = (offset: number, length: number, room: number): number =>
    length <= room ? (room - length) / 2 : Math.min(Math.max(offset, room / 2 - length), room / 2);
  return {
    scale: view.scale,
    x: along(view.x, picture.width * view.scale, stage.width),
    y: along(view.y, picture.height * view.scale, stage.height),
  };
}

export function toPicture(view: View, at: Point): Point {
  return {x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale};
}

/** The part of the stage that the picture covers: left and right edge, in CSS pixels. */
export function shownSpan(view: View, picture: Size, stage: Size): {left: number; right: number} {
  const left = Math.max(0, view.x);
  const right = Math.min(stage.width, view.x + picture.width * view.scale);
  return {left, right: Math.max(left, right)};
}
