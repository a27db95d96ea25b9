// The quiet line at the bottom, and what stands behind it: the Binding, the gate's findings, what went wrong.

import {backendLine, bindingRows, downloadNotes} from '../pure/backend_line.js';
import {modelTitle, type AppState, type Store} from '../state.js';
import {makeDialog} from './dialog.js';
import {button, h, replaceChildren} from './dom.js';
import {icon} from './icons.js';

/** `retryGpu` gives a sentence when the GPU is not back, else "". */
export function statusView(store: Store, retryGpu: () => Promise<string>): HTMLElement {
  const dialog = makeDialog('details', 'What ran, and why');
  const text = h('span', {class: 'status-text'});
  const line = button(
    [icon('chip'), text],
    () => {
      fill(dialog.body, store.state, retryGpu);
      dialog.open();
    },
    {class: 'status-line', attrs: {'aria-haspopup': 'dialog'}},
  );
  store.watch(
    state => [state.engine, state.isolation],
    (engine, isolation) => {
      line.hidden = false;
      line.classList.toggle('status-cpu', engine.binding?.bound === 'cpu');
      if (engine.phase === 'ready' && engine.binding) text.textContent = backendLine(engine.binding);
      else if (engine.phase === 'loading') text.textContent = 'Loading the model…';
      else if (engine.phase === 'failed') text.textContent = 'No model is loaded';
      else text.textContent = isolation ? 'Ready; one thread on the CPU' : 'Ready';
      if (dialog.element.open) fill(dialog.body, store.state, retryGpu);
    },
  );
  return h(
    'footer',
    {class: 'bottom'},
    line,
    h('span', {class: 'bottom-promise wide-only'}, icon('lock'), 'Nothing is uploaded'),
    dialog.element,
  );
}

function fill(body: HTMLElement, state: AppState, retryGpu: () => Promise<string>): void {
  const {engine, isolation, model} = state;
  const {binding} = engine;
  const rows = binding ? bindingRows(binding) : [];
  const table = h(
    'dl',
    {class: 'facts'},
    ...[{label: 'Model', value: modelTitle(model)}, ...rows].flatMap(row => [
      h('dt', {}, row.label),
      h('dd', {}, row.value || '–'),
    ]),
  );
  const list = (title: string, entries: readonly (readonly [boolean | null, string])[]): HTMLElement | null =>
    entries.length === 0
      ? null
      : h(
          'section',
          {},
          h('h3', {}, title),
          h(
            'ul',
            {class: 'findings'},
            ...entries.map(([good, text]) =>
              h(
                'li',
                {class: good === false ? 'bad' : good ? 'good' : ''},
                good === null ? null : icon(good ? 'check' : 'alert'),
                h('span', {}, text),
              ),
            ),
          ),
        );
  const sentences: HTMLElement[] = [];
  if (engine.error) sentences.push(h('p', {class: 'warn'}, engine.error, engine.hint ? ` ${engine.hint}` : ''));
  if (engine.note) sentences.push(h('p', {}, engine.note));
  if (isolation) sentences.push(h('p', {}, isolation));
  if (binding) sentences.push(...downloadNotes(binding).map(note => h('p', {}, note)));
  const failed = binding && binding.failovers.length > 0 && binding.bound === 'cpu';
  replaceChildren(
    body,
    ...sentences,
    table,
    failed ? retryView(retryGpu) : null,
    binding
      ? list(
          'What happened',
          binding.failovers.map(one => [false, `${one.stage}: ${one.error}`] as const),
        )
      : null,
    binding
      ? list(
          'Steps on the CPU',
          binding.islands.map(one => [null, `${one.node} (${one.op}): ${one.reason}`] as const),
        )
      : null,
    binding
      ? list(
          'Checks of the GPU',
          binding.gate.map(one => [one.passed, one.sentence || one.check] as const),
        )
      : null,
    binding ? h('pre', {class: 'console', attrs: {tabindex: 0, 'aria-label': 'Console line'}}, binding.console) : null,
  );
}

// The answer stands beside the button: notes on the page lie behind the dialog.
function retryView(retryGpu: () => Promise<string>): HTMLElement {
  const answer = h('p', {class: 'hint', attrs: {role: 'status'}});
  const again = button(
    [icon('retry'), 'Try the GPU again'],
    () => {
      again.disabled = true;
      answer.textContent = 'Testing the GPU…';
      void retryGpu().then(sentence => {
        again.disabled = false;
        answer.textContent = sentence;
      });
    },
    {class: 'button button-small'},
  );
  return h('div', {class: 'retry'}, again, answer);
}
