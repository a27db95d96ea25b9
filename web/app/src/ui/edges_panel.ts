// Edges: how alpha is fitted to the picture, and how soft it is.

import {settingsKey, type Store} from '../state.js';
import {button, h, slider, toggle} from './dom.js';

export interface EdgeActions {
  readonly setRefine: (on: boolean) => void;
  readonly setCleanEdges: (on: boolean) => void;
  readonly setFeather: (radius: number) => void;
  /** Cuts all pictures again whose settings are not the present ones. */
  readonly applyToAll: () => void;
}

export function edgesPanel(store: Store, actions: EdgeActions): HTMLElement {
  const refine = toggle(
    'Refine edges',
    'Fits the outline to the picture’s own edges: hair, fur, leaves.',
    true,
    actions.setRefine,
  );
  const clean = toggle(
    'Clean colours',
    'Takes the old background’s colour out of soft edges.',
    true,
    actions.setCleanEdges,
  );
  const soft = slider(
    'Feather',
    {min: 0, max: 40, step: 1, value: 0},
    value => (value === 0 ? 'off' : `${value} px`),
    actions.setFeather,
  );
  const stale = h('p', {class: 'hint'});
  const apply = button(['Cut again'], actions.applyToAll, {class: 'button button-small'});
  const staleRow = h('div', {class: 'stale'}, stale, apply);
  store.watch(
    state => [state.refine, state.cleanEdges, state.feather],
    (r, c, f) => {
      refine.set(r);
      clean.set(c);
      soft.set(f);
    },
  );
  store.watch(
    state => [state.pictures, settingsKey(state)],
    (pictures, key) => {
      const old = pictures.filter(one => one.status === 'done' && one.result && one.result.key !== key);
      const edited = old.filter(one => one.result?.edited).length;
      staleRow.hidden = old.length === 0;
      stale.textContent =
        `${old.length === 1 ? 'One picture was' : `${old.length} pictures were`} cut with other settings.` +
        (edited > 0 ? ' Brush strokes on them will be lost.' : '');
    },
  );
  return h('div', {}, refine.element, clean.element, soft.element, staleRow);
}
