// The tools beside (on phones: below) the stage, as tabs, with the export always in reach.

import {h} from './dom.js';

export interface Tab {
  readonly id: string;
  readonly label: string;
  readonly content: HTMLElement;
  /** The tab is shown now. */
  readonly onShow?: () => void;
}

export function tabsView(tabs: readonly Tab[]): {element: HTMLElement; show(id: string): void} {
  const list = h('div', {class: 'tabs', attrs: {role: 'tablist', 'aria-label': 'Tools'}});
  const panels = h('div', {class: 'tab-panels'});
  const buttons = new Map<string, HTMLButtonElement>();
  const show = (id: string, focus = false): void => {
    for (const tab of tabs) {
      const chosen = tab.id === id;
      const control = buttons.get(tab.id);
      control?.setAttribute('aria-selected', String(chosen));
      if (control) control.tabIndex = chosen ? 0 : -1;
      tab.content.hidden = !chosen;
      if (chosen) {
        if (focus) control?.focus();
        tab.onShow?.();
      }
    }
  };
  for (const tab of tabs) {
    const control = h(
      'button',
      {
        class: 'tab',
        attrs: {type: 'button', role: 'tab', id: `tab-${tab.id}`, 'aria-controls': `panel-${tab.id}`},
        on: {
          click: () => {
            show(tab.id);
          },
        },
      },
      tab.label,
    );
    buttons.set(tab.id, control);
    list.append(control);
    tab.content.id = `panel-${tab.id}`;
    tab.content.setAttribute('role', 'tabpanel');
    tab.content.setAttribute('aria-labelledby', `tab-${tab.id}`);
    tab.content.classList.add('tab-panel');
    panels.append(tab.content);
  }
  list.addEventListener('keydown', event => {
    const at = tabs.findIndex(tab => buttons.get(tab.id) === document.activeElement);
    const to =
      event.key === 'ArrowRight'
        ? at + 1
        : event.key === 'ArrowLeft'
          ? at - 1
          : event.key === 'Home'
            ? 0
            : event.key === 'End'
              ? tabs.length - 1
              : -2;
    const next = to === -2 ? undefined : tabs[(to + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    show(next.id, true);
  });
  const [first] = tabs;
  if (first) show(first.id);
  return {
    element: h('div', {class: 'tools'}, list, panels),
    show: id => {
      show(id);
    },
  };
}
