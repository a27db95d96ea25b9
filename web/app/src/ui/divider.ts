// The divider between before and after: dragged, or moved with the arrow keys.

import {h} from './dom.js';
import {icon} from './icons.js';

export class Divider {
  readonly element: HTMLElement;
  private fraction = 0.5;
  private span = {left: 0, right: 1};

  constructor(private readonly moved: () => void) {
    const grip = h('span', {class: 'divider-grip'}, icon('compare'));
    this.element = h(
      'div',
      {
        class: 'divider',
        attrs: {
          role: 'slider',
          tabindex: 0,
          'aria-label': 'Before and after',
          'aria-valuemin': 0,
          'aria-valuemax': 100,
          'aria-orientation': 'horizontal',
        },
      },
      h('span', {class: 'divider-line'}),
      grip,
    );
    this.element.hidden = true;
    this.element.addEventListener('keydown', event => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const to: Record<string, number> = {
        ArrowLeft: this.fraction - step,
        ArrowDown: this.fraction - step,
        ArrowRight: this.fraction + step,
        ArrowUp: this.fraction + step,
        PageDown: this.fraction - 0.2,
        PageUp: this.fraction + 0.2,
        Home: 0,
        End: 1,
      };
      const next = to[event.key];
      if (next === undefined) return;
      event.preventDefault();
      this.set(next);
    });
    this.element.addEventListener('pointerdown', event => {
      event.preventDefault();
      this.element.focus();
      this.element.setPointerCapture(event.pointerId);
    });
    this.element.addEventListener('pointermove', event => {
      if (!this.element.hasPointerCapture(event.pointerId)) return;
      const box = this.element.parentElement?.getBoundingClientRect();
      if (!box) return;
      this.set((event.clientX - box.left - this.span.left) / Math.max(1, this.span.right - this.span.left));
    });
    this.announce();
  }

  reset(): void {
    this.set(0.5);
  }

  /** Stage x. */
  x(span: {left: number; right: number}): number {
    return span.left + this.fraction * (span.right - span.left);
  }

  place(span: {left: number; right: number}, top: number, bottom: number): void {
    this.span = span;
    const {style} = this.element;
    this.element.hidden = false;
    style.left = `${this.x(span)}px`;
    style.top = `${Math.max(0, top)}px`;
    style.height = `${Math.max(0, bottom - Math.max(0, top))}px`;
  }

  hide(): void {
    this.element.hidden = true;
  }

  private set(fraction: number): void {
    this.fraction = Math.min(1, Math.max(0, fraction));
    this.announce();
    this.moved();
  }

  private announce(): void {
    const percent = Math.round(this.fraction * 100);
    this.element.setAttribute('aria-valuenow', String(percent));
    this.element.setAttribute('aria-valuetext', `${percent} % before, ${100 - percent} % after`);
  }
}
