// The top bar: name, model choice, adding more pictures.

import {bytesText} from '../pure/format.js';
import {findModel} from '../pure/models.js';
import type {Store} from '../state.js';
import {button, h, replaceChildren} from './dom.js';
import {icon} from './icons.js';

export interface HeaderActions {
  readonly chooseModel: (name: string) => void;
  readonly otherModels: () => void;
  readonly pick: () => void;
}

export function headerView(store: Store, actions: HeaderActions): HTMLElement {
  const models = h('div', {class: 'segments', attrs: {role: 'radiogroup', 'aria-label': 'Model'}});
  const add = button([icon('plus'), h('span', {class: 'wide-only'}, 'Add pictures')], actions.pick, {
    class: 'button',
    label: 'Add pictures',
  });
  store.watch(
    state => [state.catalogue, state.model],
    (catalogue, model) => {
      if (!catalogue) return;
      const current = model?.kind === 'catalogue' ? model.manifest.name : '';
      const radio = (alias: 'fast' | 'best', label: string): HTMLElement | null => {
        const manifest = findModel(catalogue, alias);
        if (!manifest) return null;
        const input = h('input', {
          attrs: {type: 'radio', name: 'model', value: manifest.name},
          on: {
            change: () => {
              actions.chooseModel(manifest.name);
            },
          },
        });
        input.checked = manifest.name === current;
        const size = manifest.bytes ? `, ${bytesText(manifest.bytes)}` : '';
        return h(
          'label',
          {class: 'segment', attrs: {title: `${manifest.title}${size}. ${manifest.notes ?? ''}`}},
          input,
          h('span', {}, label),
        );
      };
      const isOther = model !== null && current !== catalogue.fast && current !== catalogue.best;
      const other = button(
        [isOther ? shortName(model.kind === 'own' ? model.file.name : model.manifest.title) : 'Other…'],
        actions.otherModels,
        {
          class: isOther ? 'segment segment-button segment-on' : 'segment segment-button',
          title: 'Other models, or a file of your own',
        },
      );
      const focused = models.contains(document.activeElement);
      replaceChildren(models, radio('fast', 'Fast'), radio('best', 'Best'), other);
      if (focused) models.querySelector<HTMLElement>('input:checked, .segment-on')?.focus();
    },
  );
  store.watch(
    state => [state.pictures.length > 0],
    some => {
      add.hidden = !some;
    },
  );
  return h(
    'header',
    {class: 'top'},
    h(
      'div',
      {class: 'brand'},
      h('img', {attrs: {src: 'icon.svg', alt: '', width: 28, height: 28}}),
      h('span', {class: 'brand-name'}, 'Sluice'),
      h('span', {class: 'brand-what wide-only'}, 'Background remover'),
    ),
    h('div', {class: 'top-actions'}, models, add),
  );
}

function shortName(name: string): string {
  return name.length <= 18 ? name : `${name.slice(0, 16)}…`;
}
