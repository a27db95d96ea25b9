// All pictures as a row of thumbnails, in order, each with what became of it. Only those in sight and a few beside
// them are elements: what a batch of hundreds costs the page does not grow with it.

import {tally, type Picture, type PictureStatus, type Store} from '../state.js';
import {h, setAttribute} from './dom.js';
import {icon} from './icons.js';

export interface StripActions {
  readonly open: (id: number) => void;
  readonly remove: (id: number) => void;
}

const words: Record<PictureStatus, string> = {
  waiting: 'waiting',
  working: 'being cut',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
};
// Rows beyond each end of what is in sight.
const kBeside = 3;

interface Row {
  readonly element: HTMLLIElement;
  readonly open: HTMLButtonElement;
  readonly image: HTMLImageElement;
  readonly badge: HTMLElement;
  readonly remove: HTMLButtonElement;
  shown: Picture | null;
  /** Place, row count, and what mark() was told last. */
  at: number;
  total: number;
  current: boolean;
  stop: boolean;
}

export function stripView(store: Store, actions: StripActions): HTMLElement {
  return new Strip(store, actions).element;
}

class Strip {
  readonly element: HTMLElement;
  private readonly list = h('ul', {class: 'strip-list', attrs: {role: 'list'}});
  private readonly rows = new Map<number, Row>();
  private current: number | null = null;
  /** The picture that Tab reaches; the others are reached by the arrow keys. */
  private stop: number | null = null;
  /** What decides which rows there are, and where. */
  private layout = '';

  constructor(
    private readonly store: Store,
    private readonly actions: StripActions,
  ) {
    this.element = h('nav', {class: 'strip', attrs: {'aria-label': 'Pictures'}}, this.list);
    this.list.addEventListener('click', event => {
      this.clicked(event.target as Element);
    });
    this.list.addEventListener('keydown', event => {
      this.key(event);
    });
    this.list.addEventListener('focusin', event => {
      const id = idOf(event.target as Element);
      if (id === null || id === this.stop) return;
      this.stop = id;
      this.fill();
    });
    this.element.addEventListener('scroll', () => {
      this.fill();
    });
    new ResizeObserver(() => {
      this.fill();
    }).observe(this.element);
    store.watch(
      state => [state.pictures, state.openId],
      (pictures, openId) => {
        this.element.hidden = pictures.length < 2;
        // The whole row's, since its elements tell only of a part.
        const {waiting, working, ...over} = tally(pictures);
        Object.assign(this.element.dataset, {...over, busy: waiting + working, total: pictures.length});
        this.list.style.setProperty('--count', String(pictures.length));
        if (this.current !== openId) {
          this.current = this.stop = openId;
          this.scrollTo(this.placeOf(openId));
        }
        this.fill();
      },
    );
  }

  // Makes, fills and removes rows, so that those in sight are there.
  private fill(): void {
    const {pictures} = this.store.state;
    const {first, end} = this.inSight(pictures.length);
    const focused = this.list.contains(document.activeElement) ? idOf(document.activeElement) : null;
    if (this.placeOf(this.stop) < 0) this.stop = this.current ?? pictures[first]?.id ?? null;
    // Ids only grow: the last one and the count tell whether the list is another.
    const layout = [pictures.length, pictures.at(-1)?.id, first, end, focused, this.stop, this.current].join();
    if (layout === this.layout) {
      this.refresh(pictures);
      return;
    }
    this.layout = layout;
    const places = new Set<number>();
    const add = (at: number): void => {
      if (at >= 0 && (at < first || at >= end)) places.add(at);
    };
    add(this.placeOf(focused));
    add(this.placeOf(this.stop));
    for (let at = first; at < end; ++at) places.add(at);
    const wanted = [...places].sort((a, b) => a - b).flatMap(at => pictures[at] ?? []);
    const kept = new Set(wanted.map(one => one.id));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      setThumb(row.image, undefined);
      row.element.remove();
      this.rows.delete(id);
    }
    let next = this.list.firstElementChild;
    for (const picture of wanted) {
      const {id} = picture;
      let row = this.rows.get(id);
      if (!row) this.rows.set(id, (row = makeRow(id)));
      if (row.element === next) next = next.nextElementSibling;
      else this.list.insertBefore(row.element, next);
      if (row.shown !== picture) fillRow(row, picture);
      place(row, pictures.indexOf(picture), pictures.length);
      mark(row, id === this.current, id === this.stop);
    }
  }

  // The same rows at the same places: what happens while a batch is cut.
  private refresh(pictures: readonly Picture[]): void {
    for (const row of this.rows.values()) {
      const picture = pictures[row.at];
      if (picture && picture !== row.shown) fillRow(row, picture);
    }
  }

  private placeOf(id: number | null): number {
    return id === null ? -1 : this.store.state.pictures.findIndex(one => one.id === id);
  }

  private inSight(count: number): {first: number; end: number} {
    const step = this.step(count);
    const {scrollLeft, clientWidth} = this.element;
    if (step === 0) return {first: 0, end: Math.min(count, kBeside)};
    const first = Math.max(0, Math.floor(scrollLeft / step) - kBeside);
    return {first, end: Math.min(count, Math.ceil((scrollLeft + clientWidth) / step) + kBeside)};
  }

  /** From one thumbnail to the next, in CSS pixels; 0 while the strip is hidden. */
  private step(count: number): number {
    return count === 0 ? 0 : this.list.offsetWidth / count;
  }

  private scrollTo(at: number): void {
    const step = this.step(this.store.state.pictures.length);
    if (at < 0 || step === 0) return;
    const {scrollLeft, clientWidth} = this.element;
    const to = Math.min(Math.max(scrollLeft, (at + 1.25) * step - clientWidth), Math.max(0, (at - 0.25) * step));
    if (to !== scrollLeft) this.element.scrollLeft = to;
  }

  private focus(at: number): void {
    const picture = this.store.state.pictures[at];
    if (!picture) return;
    this.stop = picture.id;
    this.scrollTo(at);
    this.fill();
    this.rows.get(picture.id)?.open.focus({preventScroll: true});
  }

  private clicked(target: Element): void {
    const id = idOf(target);
    if (id === null) return;
    if (target.closest('.thumb-remove')) this.remove(id);
    else if (target.closest('.thumb')) this.actions.open(id);
  }

  // The focus goes to what takes the picture's place.
  private remove(id: number): void {
    const {pictures} = this.store.state;
    const at = this.placeOf(id);
    const next = at + 1 < pictures.length ? at + 1 : at - 1;
    const had = this.list.contains(document.activeElement);
    this.actions.remove(id);
    if (had && next >= 0 && !this.store.picture(id)) this.focus(Math.min(next, at));
  }

  private key(event: KeyboardEvent): void {
    const id = idOf(event.target as Element);
    const {pictures} = this.store.state;
    const at = this.placeOf(id);
    if (id === null || at < 0) return;
    if (event.key === 'Delete') {
      event.preventDefault();
      this.remove(id);
      return;
    }
    const to: Record<string, number> = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: pictures.length - 1};
    const next = to[event.key];
    if (next === undefined || !pictures[next]) return;
    event.preventDefault();
    this.focus(next);
  }
}

function idOf(target: Element | null): number | null {
  const id = target?.closest<HTMLElement>('li')?.dataset['id'];
  return id === undefined ? null : Number(id);
}

function makeRow(id: number): Row {
  const image = h('img', {attrs: {alt: '', decoding: 'async', draggable: 'false'}});
  const badge = h('span', {class: 'badge', attrs: {'aria-hidden': 'true'}});
  // No listeners: the list has them.
  const open = h('button', {class: 'thumb', attrs: {type: 'button'}}, image, badge);
  const remove = h('button', {class: 'thumb-remove', attrs: {type: 'button'}}, icon('close'));
  const element = h('li', {attrs: {'data-id': id}}, open, remove);
  const row = {element, open, image, badge, remove, shown: null, at: -1, total: 0, current: true, stop: true};
  mark(row, false, false);
  return row;
}

function place(row: Row, at: number, total: number): void {
  if (row.at === at && row.total === total) return;
  row.at = at;
  row.total = total;
  row.element.style.setProperty('--at', String(at));
  setAttribute(row.element, 'aria-posinset', at + 1);
  setAttribute(row.element, 'aria-setsize', total);
}

/** `current`: its picture is open; `stop`: Tab reaches it. */
function mark(row: Row, current: boolean, stop: boolean): void {
  if (row.current === current && row.stop === stop) return;
  row.current = current;
  row.stop = stop;
  setAttribute(row.open, 'aria-current', current ? 'true' : undefined);
  row.open.tabIndex = row.remove.tabIndex = stop ? 0 : -1;
}

function fillRow(row: Row, picture: Picture): void {
  if (row.shown?.thumb !== picture.thumb) setThumb(row.image, picture.thumb);
  row.open.dataset['status'] = picture.status;
  const edited = picture.result?.edited ? ', edited' : '';
  const text = `${picture.name}, ${words[picture.status]}${edited}${picture.error ? `: ${picture.error}` : ''}`;
  row.open.setAttribute('aria-label', text);
  row.open.title = text;
  row.remove.title = `Remove ${picture.name}`;
  row.remove.setAttribute('aria-label', `Remove ${picture.name}`);
  row.badge.replaceChildren(
    ...(picture.status === 'failed'
      ? [icon('alert')]
      : picture.status === 'cancelled'
        ? [icon('minus')]
        : picture.status === 'waiting' || picture.status === 'working'
          ? [h('span', {class: 'dot'})]
          : []),
  );
  row.shown = picture;
}

function setThumb(image: HTMLImageElement, thumb: Blob | undefined): void {
  const old = image.src;
  image.hidden = !thumb;
  if (thumb) image.src = URL.createObjectURL(thumb);
  else image.removeAttribute('src');
  if (old) URL.revokeObjectURL(old);
}
