// The empty state: what the page does, and the ways in.

import {button, h} from './dom.js';
import {icon} from './icons.js';

export interface StartActions {
  readonly pick: () => void;
  readonly camera: () => void;
  readonly sample: () => void;
}

export function startView(actions: StartActions): HTMLElement {
  const art = h(
    'div',
    {class: 'start-art', attrs: {'aria-hidden': 'true'}},
    h('img', {attrs: {src: 'art.svg', alt: '', width: 220, height: 132}}),
  );
  return h(
    'section',
    {class: 'start', attrs: {'aria-labelledby': 'start-title'}},
    h(
      'div',
      {class: 'start-card'},
      art,
      h('h1', {attrs: {id: 'start-title'}}, 'Remove the background of a picture'),
      h('p', {class: 'lead by-mouse'}, 'Drop one picture or hundreds here, or paste one.'),
      h('p', {class: 'lead by-touch'}, 'One picture, or hundreds one after another.'),
      h(
        'div',
        {class: 'start-buttons'},
        button([icon('picture'), 'Choose pictures'], actions.pick, {class: 'button button-primary button-large'}),
        button([icon('camera'), 'Use the camera'], actions.camera, {class: 'button button-large'}),
      ),
      h(
        'p',
        {class: 'start-sample'},
        'No picture at hand? ',
        button(['Try it with a sample'], actions.sample, {class: 'link'}),
        '.',
      ),
    ),
    h(
      'p',
      {class: 'start-promise'},
      icon('lock'),
      'Pictures never leave this device: all the work is done here, also without a connection.',
    ),
  );
}
