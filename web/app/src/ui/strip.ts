// All pictures as a row of thumbnails, in order, each with what became of it.

import type {Picture, PictureStatus, Store} from '../state.js';
import {button, h, setAttribute} from './dom.js';
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

interface Item {
  readonly element: HTMLLIElement;
  readonly button: HTMLButtonElement;
  readonly image: HTMLImageElement;
  readonly badge: HTMLElement;
  shown: Picture | null;
}

export function stripView(store: Store, actions: StripActions): HTMLElement {
  const list = h('ul', {class: 'strip-list'});
  const nav = h('nav', {class: 'strip', attrs: {'aria-label': 'Pictures'}}, list);
  const items = new Map<number, Item>();
  list.addEventListener('keydown', event => {
    step(event, list);
  });

  store.watch(
    state => [state.pictures, state.openId],
    (pictures, openId) => {
      nav.hidden = pictures.length < 2;
      const alive = new Set(pictures.map(one => one.id));
      for (const [id, item] of items) {
        if (alive.has(id)) continue;
        item.element.remove();
        items.delete(id);
      }
      for (const picture of pictures) {
        let item = items.get(picture.id);
        if (!item) {
          item = makeItem(picture, actions);
          items.set(picture.id, item);
          list.append(item.element);
        }
        if (item.shown !== picture) fill(item, picture);
        const current = picture.id === openId;
        if (current && item.button.getAttribute('aria-current') !== 'true') {
          item.element.scrollIntoView({block: 'nearest', inline: 'nearest'});
        }
        setAttribute(item.button, 'aria-current', current ? 'true' : undefined);
      }
    },
  );
  return nav;
}

function makeItem(picture: Picture, actions: StripActions): Item {
  const image = h('img', {attrs: {alt: '', loading: 'lazy', decoding: 'async', draggable: 'false'}});
  const badge = h('span', {class: 'badge', attrs: {'aria-hidden': 'true'}});
  const open = button(
    [image, badge],
    () => {
      actions.open(picture.id);
    },
    {class: 'thumb'},
  );
  const remove = button(
    [icon('close')],
    () => {
      actions.remove(picture.id);
    },
    {class: 'thumb-remove', label: `Remove ${picture.name}`},
  );
  const element = h('li', {}, open, remove);
  return {element, button: open, image, badge, shown: null};
}

function fill(item: Item, picture: Picture): void {
  if (picture.thumb && item.image.getAttribute('src') !== picture.thumb) item.image.src = picture.thumb;
  item.image.hidden = !picture.thumb;
  item.button.dataset['status'] = picture.status;
  const edited = picture.result?.edited ? ', edited' : '';
  const text = `${picture.name}, ${words[picture.status]}${edited}${picture.error ? `: ${picture.error}` : ''}`;
  item.button.setAttribute('aria-label', text);
  item.button.title = text;
  item.badge.replaceChildren(
    ...(picture.status === 'failed'
      ? [icon('alert')]
      : picture.status === 'cancelled'
        ? [icon('minus')]
        : picture.status === 'waiting' || picture.status === 'working'
          ? [h('span', {class: 'dot'})]
          : []),
  );
  item.shown = picture;
}

// Left and right walk along the thumbnails.
function step(event: KeyboardEvent, list: HTMLElement): void {
  const way = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
  if (way === 0) return;
  const buttons = [...list.querySelectorAll<HTMLButtonElement>('.thumb')];
  const next = buttons[buttons.indexOf(document.activeElement as HTMLButtonElement) + way];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
