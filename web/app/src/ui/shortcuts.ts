// Keys that work everywhere on the page, but where text is typed.

import type {Store} from '../state.js';

export interface ShortcutActions {
  readonly undo: () => void;
  readonly redo: () => void;
  readonly save: () => void;
}

export function listenToShortcuts(store: Store, actions: ShortcutActions): void {
  document.addEventListener('keydown', event => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.matches('input:not([type=range]):not([type=radio]):not([type=checkbox]), textarea, select')) return;
    if (document.querySelector('dialog[open]')) return;
    const run = actionOf(event, store, actions);
    if (!run) return;
    event.preventDefault();
    run();
  });
}

function actionOf(event: KeyboardEvent, store: Store, {undo, redo, save}: ShortcutActions): (() => void) | null {
  const key = event.key.toLowerCase();
  const {tool, brushSize, openId} = store.state;
  if (event.ctrlKey || event.metaKey) {
    if (key === 'z') return event.shiftKey ? redo : undo;
    if (key === 'y') return redo;
    if (key === 's' && store.picture(openId)?.result) return save;
    return null;
  }
  if ((key === '[' || key === ']') && tool !== 'compare') {
    const size = Math.round((brushSize * (key === ']' ? 1.2 : 1 / 1.2)) / 2) * 2;
    return () => store.update({brushSize: Math.min(200, Math.max(4, size))});
  }
  return null;
}
