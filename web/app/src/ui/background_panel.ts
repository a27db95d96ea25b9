// Background: transparent, a colour, the picture's own blurred, or another picture.

import type {Background, Store} from '../state.js';
import {button, h, slider} from './dom.js';
import {icon} from './icons.js';

const swatches: readonly (readonly [string, string])[] = [
  ['#ffffff', 'White'],
  ['#f1f3f5', 'Light grey'],
  ['#1f2328', 'Near black'],
  ['#f8d7c4', 'Peach'],
  ['#cfe8ef', 'Pale blue'],
  ['#d8ead3', 'Pale green'],
  ['#1b6ca8', 'Blue'],
];

export function backgroundPanel(
  store: Store,
  set: (background: Background) => void,
  pickImage: () => void,
): HTMLElement {
  let colour = '#ffffff';
  let strength = 40;
  const kinds: readonly (readonly [Background['kind'], string])[] = [
    ['transparent', 'None'],
    ['colour', 'Colour'],
    ['blur', 'Blur'],
    ['image', 'Picture'],
  ];
  const inputs = new Map<string, HTMLInputElement>();
  const cards = kinds.map(([kind, label]) => {
    const input = h('input', {
      attrs: {type: 'radio', name: 'background', value: kind},
      on: {
        change: () => {
          choose(kind);
        },
      },
    });
    inputs.set(kind, input);
    return h(
      'label',
      {class: `choice choice-${kind}`},
      input,
      h('span', {class: 'choice-art', attrs: {'aria-hidden': 'true'}}),
      h('span', {}, label),
    );
  });
  const choose = (kind: Background['kind']): void => {
    if (kind === 'transparent') set({kind});
    else if (kind === 'colour') set({kind, colour});
    else if (kind === 'blur') set({kind, strength});
    else {
      const {background} = store.state;
      if (background.kind !== 'image') pickImage();
      // Until one is picked, the old choice stays.
      for (const [name, input] of inputs) input.checked = name === background.kind;
    }
  };
  const well = h('input', {
    attrs: {type: 'color', 'aria-label': 'Any colour'},
    on: {
      input: () => {
        colour = well.value;
        set({kind: 'colour', colour});
      },
    },
  });
  const colours = h(
    'div',
    {class: 'swatches', attrs: {role: 'group', 'aria-label': 'Colours'}},
    ...swatches.map(([value, name]) => {
      const swatch = button(
        [],
        () => {
          colour = value;
          set({kind: 'colour', colour});
        },
        {class: 'swatch', label: name, attrs: {'data-colour': value}},
      );
      swatch.style.setProperty('--swatch', value);
      return swatch;
    }),
    h('label', {class: 'swatch swatch-any', attrs: {title: 'Any colour'}}, well, icon('plus')),
  );
  const amount = slider(
    'Strength',
    {min: 5, max: 100, step: 5, value: strength},
    value => `${value} %`,
    value => {
      strength = value;
      set({kind: 'blur', strength});
    },
  );
  const imageName = h('span', {class: 'file-name'});
  const image = h('div', {class: 'row'}, imageName, button(['Change…'], pickImage, {class: 'button button-small'}));

  store.watch(
    state => [state.background],
    background => {
      for (const [kind, input] of inputs) input.checked = kind === background.kind;
      colours.hidden = background.kind !== 'colour';
      amount.element.hidden = background.kind !== 'blur';
      image.hidden = background.kind !== 'image';
      if (background.kind === 'colour') {
        colour = well.value = background.colour;
        for (const swatch of colours.querySelectorAll<HTMLElement>('[data-colour]')) {
          swatch.setAttribute('aria-pressed', String(swatch.dataset['colour'] === background.colour));
        }
      }
      if (background.kind === 'image') imageName.textContent = background.name;
    },
  );
  return h(
    'div',
    {},
    h('fieldset', {class: 'choices'}, h('legend', {class: 'visually-hidden'}, 'Background'), ...cards),
    h('div', {class: 'choice-detail'}, colours, amount.element, image),
  );
}
