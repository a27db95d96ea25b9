// Elements out of plain calls. Text is always set as text; no markup is ever parsed.

type Child = Node | string | null | undefined | false;
type Listener = (event: Event) => void;

export interface Props {
  /** Class names. */
  readonly class?: string;
  /** Attributes: true sets an empty one, false and undefined none. */
  readonly attrs?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly on?: Readonly<Record<string, Listener>>;
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (props.class) element.className = props.class;
  for (const [name, value] of Object.entries(props.attrs ?? {})) setAttribute(element, name, value);
  for (const [name, listener] of Object.entries(props.on ?? {})) element.addEventListener(name, listener);
  append(element, children);
  return element;
}

export function setAttribute(element: Element, name: string, value: string | number | boolean | undefined): void {
  if (value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? '' : String(value));
}

export function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

export function replaceChildren(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  append(element, children);
}

export interface ButtonOptions {
  readonly class?: string;
  readonly label?: string;
  readonly title?: string;
  readonly attrs?: Props['attrs'];
}

/** A button with an icon, a text, or both; `label` names an icon alone. */
export function button(content: readonly Child[], onClick: () => void, options: ButtonOptions = {}): HTMLButtonElement {
  return h(
    'button',
    {
      class: options.class ?? 'button',
      attrs: {type: 'button', 'aria-label': options.label, title: options.title ?? options.label, ...options.attrs},
      on: {click: onClick},
    },
    ...content,
  );
}

/** A labelled range input that tells its value in words. */
export function slider(
  label: string,
  range: {min: number; max: number; step: number; value: number},
  text: (value: number) => string,
  onInput: (value: number) => void,
): {element: HTMLElement; set(value: number): void} {
  // No <output>: a label would name that instead of the input.
  const output = h('span', {class: 'slider-value', attrs: {'aria-hidden': 'true'}});
  const input = h('input', {attrs: {type: 'range', min: range.min, max: range.max, step: range.step}});
  const set = (value: number): void => {
    input.value = String(value);
    output.textContent = text(value);
    input.setAttribute('aria-valuetext', text(value));
    input.style.setProperty('--filled', `${((value - range.min) / (range.max - range.min)) * 100}%`);
  };
  input.addEventListener('input', () => {
    set(Number(input.value));
    onInput(Number(input.value));
  });
  set(range.value);
  const element = h('label', {class: 'slider'}, h('span', {class: 'slider-label'}, label), output, input);
  return {element, set};
}

/** A switch with a label and a sentence on what it does. */
export function toggle(
  label: string,
  hint: string,
  value: boolean,
  onChange: (value: boolean) => void,
): {element: HTMLElement; set(value: boolean): void} {
  const input = h('input', {
    attrs: {type: 'checkbox', role: 'switch'},
    on: {
      change: () => {
        onChange(input.checked);
      },
    },
  });
  input.checked = value;
  const element = h(
    'label',
    {class: 'toggle'},
    input,
    h('span', {class: 'toggle-text'}, h('span', {}, label), h('small', {}, hint)),
  );
  return {
    element,
    set: now => {
      input.checked = now;
    },
  };
}

let ids = 0;
export function freshId(prefix: string): string {
  return `${prefix}-${++ids}`;
}
