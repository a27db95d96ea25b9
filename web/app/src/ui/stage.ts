// The stage: shows the open picture; zoom, pan, divider and brush by mouse, touch, pen and keyboard.

import {clampView, fit, pan, shownSpan, toPicture, zoomAt, type Point, type Size, type View} from '../pure/view.js';
import type {Store, Tool} from '../state.js';
import {icon} from './icons.js';
import {button, h} from './dom.js';
import {Divider} from './divider.js';
import {Painter, type StageBackground} from './painter.js';
import {listenToStage} from './stage_input.js';

/** What the stage shows; null parts are not there (yet). */
export interface StageContent {
  readonly picture: Size;
  readonly original: CanvasImageSource | null;
  readonly cut: CanvasImageSource | null;
}

/** Brush strokes, in the picture's pixels. */
export interface StrokeSink {
  begin(tool: Exclude<Tool, 'compare'>, radius: number): void;
  to(x: number, y: number): void;
  end(): void;
  /** As if it had not begun. */
  cancel(): void;
}

export class Stage {
  readonly element: HTMLElement;
  background: StageBackground = {kind: 'transparent'};
  private readonly canvas = h('canvas', {class: 'stage-canvas'});
  private readonly painter = new Painter(this.canvas);
  private readonly divider: Divider;
  private readonly zoom: HTMLElement;
  private readonly zoomText = h('output', {class: 'zoom-text'});
  private content: StageContent | null = null;
  private size: Size = {width: 1, height: 1};
  private view: View = {scale: 1, x: 0, y: 0};
  private fitted = true;
  private painting = false;
  private cursor: Point | null = null;
  private frame = 0;

  constructor(
    private readonly store: Store,
    private readonly strokes: StrokeSink,
  ) {
    this.divider = new Divider(() => {
      this.redraw();
    });
    this.zoom = h(
      'div',
      {class: 'zoom', attrs: {role: 'group', 'aria-label': 'Zoom'}},
      button(
        [icon('minus')],
        () => {
          this.zoomBy(1 / 1.4);
        },
        {class: 'icon-button', label: 'Zoom out'},
      ),
      this.zoomText,
      button(
        [icon('plus')],
        () => {
          this.zoomBy(1.4);
        },
        {class: 'icon-button', label: 'Zoom in'},
      ),
      button(
        [icon('fit')],
        () => {
          this.fitNow();
        },
        {class: 'icon-button', label: 'Fit to the window'},
      ),
    );
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'application');
    this.canvas.setAttribute('aria-label', 'Picture. Plus and minus zoom, arrow keys move, 0 fits.');
    this.element = h('div', {class: 'stage'}, this.canvas, this.divider.element, this.zoom);
    new ResizeObserver(() => {
      this.resize();
    }).observe(this.element);
    this.listen();
    store.watch(
      state => [state.tool, state.brushSize],
      (tool, _size) => {
        this.element.dataset['tool'] = tool;
        this.canvas.setAttribute(
          'aria-label',
          tool === 'compare'
            ? 'Picture. Plus and minus zoom, arrow keys move, 0 fits.'
            : 'Picture, brush. Arrow keys move the brush, space paints, square brackets change its size, plus and minus zoom.',
        );
        if (tool === 'compare') this.cursor = null;
        this.redraw();
      },
    );
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.redraw();
    });
  }

  /** Shows something else, or the same anew; `fresh` forgets zoom and divider. */
  show(content: StageContent | null, fresh: boolean): void {
    const resized =
      content?.picture.width !== this.content?.picture.width ||
      content?.picture.height !== this.content?.picture.height;
    this.content = content;
    this.zoom.hidden = content === null;
    if (fresh || resized) {
      this.fitted = true;
      if (fresh) this.divider.reset();
    }
    this.resize();
  }

  focus(): void {
    this.canvas.focus();
  }

  redraw(): void {
    if (this.frame === 0)
      this.frame = requestAnimationFrame(() => {
        this.draw();
      });
  }

  private draw(): void {
    this.frame = 0;
    const {content, view, size} = this;
    const {tool, brushSize} = this.store.state;
    const brushing = tool !== 'compare' && content?.cut !== null;
    const showDivider = content?.cut !== null && content !== null && content.original !== null && !brushing;
    if (!content) {
      this.divider.hide();
      this.canvas.width = this.canvas.width;
      return;
    }
    const span = shownSpan(view, content.picture, size);
    if (showDivider)
      this.divider.place(span, view.y, Math.min(size.height, view.y + content.picture.height * view.scale));
    else this.divider.hide();
    this.painter.draw(
      {
        ...content,
        view,
        background: this.background,
        divider: showDivider ? this.divider.x(span) : -1,
        ghost: brushing,
        cursor: brushing && this.cursor ? {...this.cursor, radius: brushSize / 2, erase: tool === 'erase'} : null,
      },
      size,
      devicePixelRatio || 1,
    );
    this.zoomText.textContent = `${Math.round(view.scale * (devicePixelRatio || 1) * 100)} %`;
  }

  private resize(): void {
    const {clientWidth, clientHeight} = this.element;
    this.size = {width: Math.max(1, clientWidth), height: Math.max(1, clientHeight)};
    if (this.content) {
      this.view = this.fitted
        ? fit(this.content.picture, this.size)
        : clampView(this.view, this.content.picture, this.size);
    }
    this.redraw();
  }

  private fitNow(): void {
    this.fitted = true;
    this.resize();
  }

  private zoomBy(factor: number, at: Point = {x: this.size.width / 2, y: this.size.height / 2}): void {
    if (!this.content) return;
    this.fitted = false;
    this.view = zoomAt(this.view, factor, at, this.content.picture, this.size);
    this.redraw();
  }

  private panBy(dx: number, dy: number): void {
    if (!this.content) return;
    this.fitted = false;
    this.view = pan(this.view, dx, dy, this.content.picture, this.size);
    this.redraw();
  }

  private brushing(): boolean {
    return this.store.state.tool !== 'compare' && this.content?.cut != null;
  }

  private beginStroke(at: Point): void {
    const {tool, brushSize} = this.store.state;
    if (tool === 'compare') return;
    this.painting = true;
    // The brush keeps its size on the screen: zooming in makes it finer.
    this.strokes.begin(tool, Math.max(0.5, brushSize / 2 / this.view.scale));
    this.strokeTo(at);
  }
  private strokeTo(at: Point): void {
    const point = toPicture(this.view, at);
    this.strokes.to(point.x, point.y);
  }
  private cancelStroke(): void {
    if (!this.painting) return;
    this.painting = false;
    this.strokes.cancel();
  }
  private endStroke(): void {
    if (!this.painting) return;
    this.painting = false;
    this.strokes.end();
  }

  private listen(): void {
    listenToStage(this.canvas, {
      brushing: () => this.brushing(),
      painting: () => this.painting,
      zoomBy: (factor, at) => this.zoomBy(factor, at),
      panBy: (dx, dy) => this.panBy(dx, dy),
      fit: () => this.fitNow(),
      oneToOne: at => this.zoomBy(1 / this.view.scale / (devicePixelRatio || 1), at),
      fitted: () => this.fitted,
      beginStroke: at => this.beginStroke(at),
      strokeTo: at => this.strokeTo(at),
      endStroke: () => this.endStroke(),
      cancelStroke: () => this.cancelStroke(),
      setCursor: at => {
        this.cursor = at;
        this.redraw();
      },
      moveCursor: (dx, dy) => this.moveCursor(dx, dy),
    });
  }

  private moveCursor(dx: number, dy: number): Point {
    const from = this.cursor ?? {x: this.size.width / 2, y: this.size.height / 2};
    this.cursor = {
      x: Math.min(Math.max(from.x + dx, 0), this.size.width),
      y: Math.min(Math.max(from.y + dy, 0), this.size.height),
    };
    this.redraw();
    return this.cursor;
  }
}
