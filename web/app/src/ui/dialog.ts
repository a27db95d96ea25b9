// A modal dialog with a title and a way out; the browser keeps the focus inside.

import {button, h} from './dom.js';
import {icon} from './icons.js';

export interface Dialog {
  readonly element: HTMLDialogElement;
  readonly body: HTMLElement;
  open(): void;
  close(): void;
}

export function makeDialog(id: string, title: string, onClose: () => void = () => undefined): Dialog {
  const body = h('div', {class: 'dialog-body'});
  const element = h('dialog', {class: 'dialog', attrs: {id, 'aria-labelledby': `${id}-title`}});
  const close = (): void => {
    element.close();
  };
  element.append(
    h(
      'div',
      {class: 'dialog-head'},
      h('h2', {attrs: {id: `${id}-title`}}, title),
      button([icon('close')], close, {class: 'icon-button', label: 'Close'}),
    ),
    body,
  );
  element.addEventListener('close', onClose);
  element.addEventListener('click', event => {
    if (event.target === element) close(); // beside the dialog
  });
  return {
    element,
    body,
    close,
    open: () => {
      if (!element.open) element.showModal();
    },
  };
}
