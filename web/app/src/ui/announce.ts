// What happens, for screen readers (a polite live region) and as short notes on the page.

import {button, h} from './dom.js';
import {icon} from './icons.js';

const kNoteMs = 7000;

export interface NoteAction {
  readonly label: string;
  readonly run: () => void;
}

export class Announcer {
  readonly region = h('div', {class: 'visually-hidden', attrs: {role: 'status', 'aria-live': 'polite'}});
  readonly notes = h('div', {class: 'notes', attrs: {role: 'region', 'aria-label': 'Notices'}});

  /** Heard, not seen. */
  say(text: string): void {
    // The same text twice in a row would not be read again.
    this.region.textContent = this.region.textContent === text ? `${text}\u00a0` : text;
  }

  /** Seen and heard. Stays until dismissed when it carries an action or is an error. */
  note(text: string, options: {error?: boolean; action?: NoteAction} = {}): void {
    for (const old of [...this.notes.children]) {
      if (old.firstElementChild?.textContent === text) old.remove();
    }
    const element = h(
      'div',
      {class: options.error ? 'note note-error' : 'note', attrs: {role: options.error ? 'alert' : 'status'}},
      h('span', {class: 'note-text'}, text),
    );
    const {action} = options;
    if (action) {
      element.append(
        button(
          [action.label],
          () => {
            element.remove();
            action.run();
          },
          {class: 'button button-small'},
        ),
      );
    }
    element.append(
      button(
        [icon('close')],
        () => {
          element.remove();
        },
        {class: 'icon-button', label: 'Dismiss'},
      ),
    );
    this.notes.append(element);
    while (this.notes.children.length > 3) this.notes.firstElementChild?.remove();
    if (!options.error && !action)
      setTimeout(() => {
        element.remove();
      }, kNoteMs);
  }
}
