// All models of the catalogue with their licences, and a file of the user's own.

import type {CutoutManifest} from 'sluice-web/cutout';

import {bytesText} from '../pure/format.js';
import {modelKind, unpinnedSentence} from '../pure/models.js';
import type {ModelChoice, Store} from '../state.js';
import {makeDialog, type Dialog} from './dialog.js';
import {button, h, replaceChildren} from './dom.js';
import {icon} from './icons.js';

export class ModelsDialog {
  readonly element: HTMLDialogElement;
  private readonly dialog: Dialog = makeDialog('models', 'Models');
  private readonly message = h('p', {class: 'warn', attrs: {role: 'alert'}});
  private readonly files = h('input', {
    attrs: {type: 'file', accept: '.onnx,.tflite,.json', multiple: true, tabindex: -1, 'aria-hidden': 'true'},
    on: {
      change: () => {
        void this.own([...(this.files.files ?? [])]);
      },
    },
  });

  constructor(
    private readonly store: Store,
    private readonly choose: (choice: ModelChoice) => void,
  ) {
    this.element = this.dialog.element;
    this.files.hidden = true;
  }

  open(): void {
    this.message.textContent = '';
    const {catalogue, model} = this.store.state;
    const current = model?.kind === 'catalogue' ? model.manifest.name : '';
    // Those that have a button of their own come first, those that can't be used last.
    const rank = (manifest: CutoutManifest): number =>
      unpinnedSentence(manifest) ? 3 : [catalogue?.fast, catalogue?.best, manifest.name].indexOf(manifest.name);
    const models = [...(catalogue?.models ?? [])].sort((a, b) => rank(a) - rank(b));
    const list = h(
      'ul',
      {class: 'models'},
      ...models.map(manifest => {
        const tag = manifest.name === catalogue?.fast ? 'Fast' : manifest.name === catalogue?.best ? 'Best' : '';
        const refusal = unpinnedSentence(manifest);
        const use = button(
          [manifest.name === current ? 'In use' : 'Use'],
          () => {
            this.dialog.close();
            this.choose({kind: 'catalogue', manifest});
          },
          {class: 'button button-small', attrs: {'aria-label': `Use ${manifest.title}`}},
        );
        use.disabled = manifest.name === current;
        return h(
          'li',
          {},
          h(
            'div',
            {class: 'model-text'},
            h('strong', {}, manifest.title, tag ? h('span', {class: 'tag'}, tag) : null),
            h('span', {}, manifest.notes ?? ''),
            h(
              'small',
              {},
              [
                manifest.bytes ? bytesText(manifest.bytes) : '',
                `${manifest.input.width} × ${manifest.input.height}`,
                manifest.licence,
              ]
                .filter(Boolean)
                .join(' · '),
            ),
            refusal ? h('small', {}, refusal) : null,
          ),
          refusal ? null : use,
        );
      }),
    );
    replaceChildren(
      this.dialog.body,
      h(
        'section',
        {class: 'own-model'},
        h(
          'p',
          {},
          'A matting model of your own (.onnx or .tflite). Choose its manifest (.json) with it, if it has one; otherwise its meaning is guessed from its inputs and outputs.',
        ),
        button(
          [icon('plus'), 'Open a model file'],
          () => {
            this.files.click();
          },
          {class: 'button'},
        ),
        this.files,
        this.message,
      ),
      list,
    );
    this.dialog.open();
  }

  /** Files that were dropped or picked: one model, perhaps with its manifest. */
  async own(files: readonly File[]): Promise<void> {
    this.files.value = '';
    const model = files.find(file => modelKind(file.name) !== null);
    if (!model) {
      this.message.textContent = 'No .onnx or .tflite file is among these.';
      return;
    }
    const json = files.find(file => /\.json$/i.test(file.name));
    let manifest: CutoutManifest | null = null;
    if (json) {
      try {
        manifest = JSON.parse(await json.text()) as CutoutManifest;
      } catch {
        // Dropped on the page, nothing is open to read it in.
        this.open();
        this.message.textContent = `${json.name} is not JSON.`;
        return;
      }
    }
    this.dialog.close();
    this.choose({kind: 'own', file: model, manifest});
  }
}
