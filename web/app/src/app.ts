// Puts the parts together: state, work, views, and the actions between them.

import {Announcer} from './ui/announce.js';
import {Camera} from './ui/camera.js';
import {statusView} from './ui/details.js';
import {append, h} from './ui/dom.js';
import {headerView} from './ui/header.js';
import {ModelsDialog} from './ui/models_dialog.js';
import {Stage, type StrokeSink} from './ui/stage.js';
import {listenToShortcuts} from './ui/shortcuts.js';
import {startView} from './ui/start.js';
import {workplaceView, type WorkActions} from './ui/workplace.js';
import {downloadNotes} from './pure/backend_line.js';
import {countText} from './pure/format.js';
import type {Background, ExportFormat, Store} from './state.js';
import {Backdrop} from './work/backdrop.js';
import {Engine, type Wishes} from './work/engine.js';
import {Exporter, formatsFor} from './work/exporter.js';
import {incoming, pickFiles, type Incoming} from './work/incoming.js';
import {Opener} from './work/opener.js';
import {nearlyEmpty, Pictures} from './work/pictures.js';
import {Pixels} from './work/pixels.js';
import {Queue} from './work/queue.js';

export class App {
  private readonly announcer = new Announcer();
  private readonly pixels = new Pixels();
  private readonly engine: Engine;
  private readonly opener: Opener;
  private readonly queue: Queue;
  private readonly exporter: Exporter;
  private readonly stage: Stage;
  private readonly backdrop: Backdrop;
  private readonly camera = new Camera(file => this.pictures.add([file]));
  private readonly models: ModelsDialog;
  private readonly pictures: Pictures;
  private hinted = false;
  private readonly told = new Set<string>();

  constructor(
    private readonly store: Store,
    wishes: Wishes,
  ) {
    this.engine = new Engine(store, wishes);
    this.opener = new Opener(store, this.engine, this.pixels, fresh => this.showOpen(fresh));
    this.queue = new Queue(
      store,
      this.engine,
      this.pixels,
      (id, cutout) => {
        this.opener.take(id, cutout);
        this.hintIfEmpty(cutout.alpha);
      },
      job => {
        if (job.total > 1) {
          this.announcer.say(
            `${countText(job.done, 'picture is', 'pictures are')} done${job.failed ? `, ${job.failed} failed` : ''}.`,
          );
        } else if (job.done === 1) {
          this.announcer.say('The background is removed.');
        }
      },
    );
    this.pictures = new Pictures(store, this.engine, this.pixels, this.opener, this.queue);
    this.exporter = new Exporter(store, this.engine, this.pixels, this.opener);
    this.stage = new Stage(store, this.strokes());
    this.backdrop = new Backdrop(store, this.pixels, background => {
      this.stage.background = background;
      this.stage.redraw();
    });
    this.models = new ModelsDialog(store, choice => void this.pictures.choose(choice));
    store.watch(
      ({engine}) => [engine.phase],
      phase => {
        const {binding} = store.state.engine;
        if (phase === 'ready' && binding) for (const note of downloadNotes(binding)) this.tellOnce(note);
      },
    );
  }

  mount(root: HTMLElement): void {
    const {store} = this;
    const pick = (): void => {
      void pickFiles().then(files => this.take(files));
    };
    const start = startView({
      pick,
      camera: () => this.camera.open(),
      sample: () => void this.sample(),
    });
    const work = workplaceView(store, this.announcer, this.stage.element, this.actions());
    const main = h('main', {attrs: {id: 'main'}}, start, work);
    store.watch(
      state => [state.pictures.length > 0],
      some => {
        // What had the focus is about to go: it stays with what takes its place.
        const gone = some ? start : work;
        const focused = gone.contains(document.activeElement);
        start.hidden = some;
        work.hidden = !some;
        if (!focused) return;
        if (some) this.stage.focus();
        else start.querySelector('button')?.focus();
      },
    );
    append(root, [
      headerView(store, {
        chooseModel: name => this.pictures.chooseNamed(name),
        otherModels: () => this.models.open(),
        pick,
      }),
      main,
      statusView(store, () => this.retryGpu()),
      this.camera.element,
      this.models.element,
      this.announcer.notes,
      this.announcer.region,
    ]);
    incoming(
      document,
      news => this.take(news),
      over => {
        document.body.classList.toggle('dropping', over);
      },
    );
    addEventListener('beforeunload', event => {
      if (store.state.job || store.state.exporting) event.preventDefault();
    });
    listenToShortcuts(store, {
      undo: () => this.opener.undo(),
      redo: () => this.opener.redo(),
      save: () => void this.guard(this.exporter.saveOpen()),
    });
    store.watch(
      state => [state.pictures, state.openId],
      (_pictures, openId) => {
        const open = store.picture(openId);
        if (open?.result) void this.opener.refresh();
        this.stage.element.classList.toggle('busy', open?.status === 'working');
        this.stage.element.classList.toggle('lost', open?.status === 'failed' && !open.result);
      },
    );
    store.watch(
      state => [state.model],
      model => {
        if (model && !store.state.caution) void this.queue.start();
      },
    );
    store.watch(
      state => [state.updateReady, state.job === null],
      (ready, idle) => {
        if (ready && idle) {
          this.announcer.note('A new version of this page is ready.', {
            action: {
              label: 'Reload',
              run: () => this.onReload(),
            },
          });
        }
      },
    );
  }

  private actions(): WorkActions {
    const {store} = this;
    return {
      background: {set: value => this.setBackground(value), pick: () => void this.pickBackground()},
      edges: {
        setRefine: refine => this.recut({refine}),
        setCleanEdges: cleanEdges => this.recut({cleanEdges}),
        setFeather: feather => {
          store.update({feather});
          void this.opener.feather();
        },
        applyToAll: () => this.pictures.cutStale(true),
      },
      brush: {
        setTool: tool => store.update({tool}),
        setSize: brushSize => store.update({brushSize}),
        setHardness: brushHardness => store.update({brushHardness}),
        undo: () => this.opener.undo(),
        redo: () => this.opener.redo(),
      },
      export: {
        formats: formatsFor,
        setFormat: format => store.update({format}),
        save: () => void this.guard(this.exporter.saveOpen()),
        copy: () => void this.guard(this.exporter.copyOpen(), 'The picture is on the clipboard.'),
        saveAll: () => void this.guard(this.exporter.saveAll()),
        cancelAll: () => this.exporter.cancel(),
      },
      job: {
        cancel: () => this.queue.cancel(),
        retry: () => this.queue.retryFailed(),
        start: () => void this.queue.start(),
        startOnCpu: () => void this.engine.forceCpu().then(() => this.queue.start()),
      },
      strip: {open: id => void this.opener.open(id), remove: id => this.pictures.remove(id)},
    };
  }

  /** Set by the one who knows about updates. */
  onReload: () => void = () => {
    location.reload();
  };

  note(text: string, error = false): void {
    this.announcer.note(text, {error});
  }

  private take(news: Incoming): void {
    if (news.models.length > 0) {
      void this.models.own(news.models);
      return;
    }
    if (news.pictures.length > 1) this.announcer.say(`${news.pictures.length} pictures are added.`);
    if (news.pictures.length > 0) this.pictures.add(news.pictures);
    for (const name of news.empty ?? []) this.announcer.note(`There is no picture in “${name}”.`, {error: true});
    if (news.refused.length > 0) {
      this.announcer.note(
        news.refused.length === 1
          ? `${news.refused[0]} is not a picture.`
          : `${news.refused.length} files are not pictures and were left out.`,
        {error: true},
      );
    }
  }

  private async sample(): Promise<void> {
    await this.guard(
      (async () => {
        const response = await fetch('sample.jpg');
        if (!response.ok) throw new Error('The sample could not be loaded.');
        this.pictures.add([new File([await response.blob()], 'sample.jpg', {type: 'image/jpeg'})]);
      })(),
    );
  }

  private showOpen(fresh: boolean): void {
    const {editor, original} = this.opener;
    this.stage.show(
      editor
        ? {picture: {width: editor.width, height: editor.height}, original: editor.original, cut: editor.canvas}
        : original
          ? {picture: {width: original.width, height: original.height}, original, cut: null}
          : null,
      fresh,
    );
    this.backdrop.update();
  }

  private strokes(): StrokeSink {
    return {
      begin: (tool, radius) => {
        const {editor} = this.opener;
        // Not on a picture that is about to be replaced.
        if (editor?.pictureId !== this.store.state.openId) return;
        editor?.beginStroke({
          radius,
          hardness: this.store.state.brushHardness,
          target: tool === 'restore' ? 255 : 0,
        });
      },
      to: (x, y) => this.opener.editor?.strokeTo(x, y),
      cancel: () => this.opener.editor?.cancelStroke(),
      end: () => {
        this.opener.editor?.endStroke();
        this.opener.colourSoon();
      },
    };
  }

  private setBackground(background: Background): void {
    const {format} = this.store.state;
    const safe: ExportFormat = background.kind === 'transparent' && format === 'jpeg' ? 'png' : format;
    this.store.update({background, format: safe});
    this.backdrop.update();
  }

  private async pickBackground(): Promise<void> {
    const [file] = (await pickFiles({multiple: false})).pictures;
    if (file) this.setBackground({kind: 'image', file, name: file.name});
  }

  private recut(change: {refine?: boolean; cleanEdges?: boolean}): void {
    this.store.update(change);
    this.pictures.cutStale(false);
  }

  // The fast model finds people; on other pictures nearly nothing is left, which deserves a word, once.
  private hintIfEmpty(alpha: Uint8Array): void {
    const {model, catalogue} = this.store.state;
    if (this.hinted || model?.kind !== 'catalogue' || model.manifest.name !== catalogue?.fast) return;
    if (!nearlyEmpty(alpha)) return;
    this.hinted = true;
    this.announcer.note('Hardly anything was found: the fast model knows people only.', {
      action: {label: 'Use Best', run: () => this.pictures.chooseNamed('best')},
    });
  }

  private tellOnce(sentence: string): void {
    if (this.told.has(sentence)) return;
    this.told.add(sentence);
    this.announcer.note(sentence);
  }

  private async retryGpu(): Promise<string> {
    const {model} = this.store.state;
    if (!model) return '';
    try {
      const cutter = await this.engine.cutterFor(model);
      await cutter.retryGpu();
      this.engine.noteBinding(cutter.binding);
      return '';
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : String(thrown);
    }
  }

  private async guard(work: Promise<void>, done = ''): Promise<void> {
    try {
      await work;
      if (done) this.announcer.note(done);
    } catch (thrown) {
      if (thrown instanceof DOMException && thrown.name === 'AbortError') return;
      this.announcer.note(thrown instanceof Error ? thrown.message : String(thrown), {error: true});
    }
  }
}
