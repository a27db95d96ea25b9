// Mouse, touch, pen and keys on the stage, as what they mean there.

import type {Point} from '../pure/view.js';

/** What the stage can be told to do. Points are the stage's, in CSS pixels. */
export interface StageTarget {
  readonly brushing: () => boolean;
  readonly painting: () => boolean;
  readonly zoomBy: (factor: number, at?: Point) => void;
  readonly panBy: (dx: number, dy: number) => void;
  readonly fit: () => void;
  /** One pixel of the picture on one of the screen. */
  readonly oneToOne: (at?: Point) => void;
  readonly fitted: () => boolean;
  readonly beginStroke: (at: Point) => void;
  readonly strokeTo: (at: Point) => void;
  readonly endStroke: () => void;
  readonly cancelStroke: () => void;
  /** Where the brush is shown; null: nowhere. */
  readonly setCursor: (at: Point | null) => void;
  readonly moveCursor: (dx: number, dy: number) => Point;
}

const kPanStep = 48;
const kBrushStep = 6;
const kPinchMs = 300;
const arrows: Readonly<Record<string, Point>> = {
  ArrowLeft: {x: -1, y: 0},
  ArrowRight: {x: 1, y: 0},
  ArrowUp: {x: 0, y: -1},
  ArrowDown: {x: 0, y: 1},
};

export function listenToStage(canvas: HTMLCanvasElement, target: StageTarget): void {
  const pointers = new Map<number, Point>();
  let began = 0;
  const pointOf = (event: {clientX: number; clientY: number}): Point => {
    const box = canvas.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top};
  };
  canvas.addEventListener(
    'wheel',
    event => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      if (event.shiftKey) target.panBy(-event.deltaY * lines, 0);
      else target.zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018)), pointOf(event));
    },
    {passive: false},
  );
  canvas.addEventListener('dblclick', event => {
    if (target.brushing()) return;
    if (target.fitted()) target.oneToOne(pointOf(event));
    else target.fit();
  });
  canvas.addEventListener('pointerdown', event => {
    canvas.setPointerCapture(event.pointerId);
    const at = pointOf(event);
    pointers.set(event.pointerId, at);
    if (pointers.size > 1) {
      // The first finger of a pinch has just begun to paint: that was not meant.
      if (event.timeStamp - began < kPinchMs) target.cancelStroke();
      else target.endStroke();
    } else if (target.brushing() && event.button === 0) {
      began = event.timeStamp;
      target.beginStroke(at);
    }
    target.setCursor(event.pointerType === 'touch' ? null : at);
  });
  canvas.addEventListener('pointermove', event => {
    const at = pointOf(event);
    const before = pointers.get(event.pointerId);
    if (target.brushing() && event.pointerType !== 'touch') target.setCursor(at);
    if (!before) return;
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) pinch(target, before, at, other);
    } else if (target.painting()) {
      const steps = event.getCoalescedEvents?.() ?? [];
      for (const step of steps.length > 0 ? steps : [event]) target.strokeTo(pointOf(step));
    } else if (pointers.size === 1) {
      target.panBy(at.x - before.x, at.y - before.y);
    }
    pointers.set(event.pointerId, at);
  });
  for (const name of ['pointerup', 'pointercancel'] as const) {
    canvas.addEventListener(name, event => {
      pointers.delete(event.pointerId);
      target.endStroke();
    });
  }
  canvas.addEventListener('pointerleave', () => {
    if (!target.painting()) target.setCursor(null);
  });
  canvas.addEventListener('keydown', event => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && key(event, target)) event.preventDefault();
  });
  canvas.addEventListener('keyup', event => {
    if (event.key === ' ') target.endStroke();
  });
  canvas.addEventListener('blur', () => {
    target.endStroke();
  });
}

// One of two fingers moved from `before` to `at`; the other rests.
function pinch(target: StageTarget, before: Point, at: Point, other: Point): void {
  const was = Math.hypot(before.x - other.x, before.y - other.y);
  const now = Math.hypot(at.x - other.x, at.y - other.y);
  if (was > 1 && now > 1) target.zoomBy(now / was, {x: (at.x + other.x) / 2, y: (at.y + other.y) / 2});
  target.panBy((at.x - before.x) / 2, (at.y - before.y) / 2);
}

// Whether the key meant something here.
function key(event: KeyboardEvent, target: StageTarget): boolean {
  const way = arrows[event.key];
  if (way) {
    const step = (target.brushing() ? kBrushStep : -kPanStep) * (event.shiftKey ? 4 : 1);
    if (target.brushing()) {
      const at = target.moveCursor(way.x * step, way.y * step);
      if (target.painting()) target.strokeTo(at);
    } else {
      target.panBy(way.x * step, way.y * step);
    }
    return true;
  }
  switch (event.key) {
    case '+':
    case '=':
      target.zoomBy(1.25);
      return true;
    case '-':
    case '_':
      target.zoomBy(1 / 1.25);
      return true;
    case '0':
      target.fit();
      return true;
    case '1':
      target.oneToOne();
      return true;
    case ' ':
      if (!target.brushing()) return false;
      if (!event.repeat) target.beginStroke(target.moveCursor(0, 0));
      return true;
    default:
      return false;
  }
}
