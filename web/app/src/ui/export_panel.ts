// Export: the open picture, the clipboard, or everything.

import type {AppState, ExportFormat, Store} from '../state.js';
import {button, h, replaceChildren} from './dom.js';
import {icon} from './icons.js';

export interface ExportActions {
  readonly formats: (state: AppState) => ExportFormat[];
  readonly setFormat: (format: ExportFormat) => void;
  readonly save: () => void;
  readonly copy: () => void;
  readonly saveAll: () => void;
  readonly cancelAll: () => void;
}

const names: Record<ExportFormat, string> = {png: 'PNG', webp: 'WebP', jpeg: 'JPEG'};

export function exportPanel(store: Store, actions: ExportActions): HTMLElement {
  const format = h('select', {
    attrs: {'aria-label': 'File format'},
    on: {
      change: () => {
        actions.setFormat(format.value as ExportFormat);
      },
    },
  });
  const save = button([icon('download'), 'Download'], actions.save, {class: 'button button-primary grow'});
  const copy = button([icon('copy')], actions.copy, {class: 'button', label: 'Copy the picture'});
  copy.hidden = typeof ClipboardItem === 'undefined';
  const allText = h('span', {class: 'wide-only'});
  const allShort = h('span', {class: 'narrow-only', attrs: {'aria-hidden': 'true'}});
  const packing = (): boolean => store.state.exporting.startsWith('Packing');
  const all = button(
    [icon('zip'), allText, allShort],
    () => {
      if (packing()) actions.cancelAll();
      else actions.saveAll();
    },
    {class: 'button grow'},
  );
  const allRow = h('div', {class: 'export-row'}, all);
  store.watch(
    state => [state.background.kind, state.format],
    (_kind, chosen) => {
      const {state} = store;
      replaceChildren(
        format,
        ...actions.formats(state).map(one => {
          const option = h('option', {attrs: {value: one}}, names[one]);
          option.selected = one === chosen;
          return option;
        }),
      );
    },
  );
  store.watch(
    state => [state.pictures, state.openId, state.exporting],
    (pictures, openId, exporting) => {
      const done = pictures.filter(one => one.result).length;
      const ready = pictures.some(one => one.id === openId && one.result !== undefined);
      save.disabled = copy.disabled = !ready || exporting !== '';
      allRow.hidden = pictures.length < 2;
      all.disabled = done === 0 || (exporting !== '' && !packing());
      allText.textContent = packing() ? `${exporting}: cancel` : `Download all ${done} (ZIP)`;
      allShort.textContent = packing() ? 'Stop' : 'ZIP';
      all.setAttribute('aria-label', allText.textContent);
    },
  );
  return h(
    'section',
    {class: 'export', attrs: {'aria-label': 'Export'}},
    h('div', {class: 'export-row'}, save, format, copy),
    allRow,
  );
}
