// Runtime: the page's side of one worker. Sessions with the same assets and threads share one. When the
// worker dies or its module traps, every pending call is rejected, and the next session gets a new worker.
import {compileModule} from './core/compile.js';
import {SluiceError, abortedError, asSluiceError, fromWire, messageOf, throwIfAborted} from './errors.js';
import {MemoryView} from './core/memory.js';
import {bytesOf, numbersOf} from './core/values.js';
import {fits, isNumbers, nameWith, portPair} from './protocol.js';
import type {
  CallMessage,
  CallName,
  EventOf,
  FeedPlace,
  OpenResult,
  Params,
  Port,
  ResultOf,
  RunResult,
  ThreadMessage,
  ToPage,
  ToWorker,
  WireFeeds,
  WrittenFeed,
} from './protocol.js';
import {QuickCaller} from './quick_calls.js';
import type {KnownAnswer} from './quick_calls.js';
import type {Binding, Tensor} from './types.js';

export interface RuntimeOptions {
  /** Absolute, ends with a slash. null: beside this module, where a bundler finds the files. */
  readonly assets: string | null;
  readonly threads: number | null;
  /** false: no session that wants a GPU will come. */
  readonly drivesGpu: boolean;
  /** false: in this thread. */
  readonly worker: boolean;
}

export interface CallOptions<Event> {
  readonly transfer?: Transferable[];
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: Event) => void) | undefined;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: SluiceError): void;
  event(event: unknown): void;
}

// Memory can be shared between threads (Node has no such word and needs no leave).
function isIsolated(): boolean {
  return typeof crossOriginIsolated === 'boolean' && crossOriginIsolated;
}

// Whether the call can be written down, and holds nothing that is to stay between page and worker.
function isText({source, options}: Params<'session.open'>): boolean {
  return 'url' in source && !options.files && !options.otlp;
}

const shared = new Map<string, Runtime>();
let lastDeviceFailure: number | null = null;

export class Runtime {
  /** Gets each session's record when it changes outside of a call. */
  readonly bindings = new Map<number, (binding: Binding) => void>();
  /** What is posted is a copy from then on; else it must not change until it is answered. */
  readonly clones: boolean;
  private readonly pending = new Map<number, Pending>();
  /** Numbers of calls that the worker has not answered, aborted ones too, by session. */
  private readonly unanswered = new Map<number, Set<number>>();
  /** Where a session's next feeds may be written, by name. */
  private readonly places = new Map<number, Readonly<Record<string, FeedPlace>>>();
  /** Where that session's next results will lie. */
  private readonly known = new Map<number, KnownAnswer>();
  private memory: MemoryView | null = null;
  private quick: QuickCaller | null = null;
  /** Messages to the worker so far. */
  private posts = 0;
  private port: Port<ToWorker, ToPage> | null = null;
  /** Loads that were aborted here and may still succeed there. */
  private readonly abandoned = new Set<number>();
  private nextId = 1;
  /** Of the call that the worker may know before it is posted (protocol.ts, nameWith). */
  private readonly firstId: number;
  private users = 0;
  private dead: SluiceError | null = null;
  private stop: () => void = () => {};
  /** Of the module, made here at its worker's wish (core/threads.ts tells why), and ended with it. */
  private readonly threads: Worker[] = [];
  /** The first call is posted: others follow at once. */
  private started = false;
  /** There is somebody to post to. What is posted before the module is loaded waits there for it. */
  private readonly connected: Promise<void>;

  private constructor(
    private readonly key: string,
    private readonly options: RuntimeOptions,
    private first: Params<'session.open'> | null,
  ) {
    const {assets, threads, drivesGpu} = options;
    this.clones = options.worker;
    const startId = this.nextId++;
    this.firstId = this.nextId++;
    // Beside the worker's start. Where it fails, the worker tries, and tells.
    const compiled =
      this.clones && typeof document !== 'undefined'
        ? compileModule({assets, threads, drivesGpu, share: isIsolated(), forWorker: true}).catch(() => null)
        : null;
    const sight = this.clones ? (isIsolated() ? 'shared' : 'none') : 'same-thread';
    const start = {assets, threads, drivesGpu, sight, compiling: compiled !== null, lastDeviceFailure} as const;
    this.connected = this.connect(options, [
      {type: 'call', id: startId, name: 'start', params: start},
      {type: 'call', id: this.firstId, name: 'session.open', params: first},
    ]);
    this.connected
      .then(() => {
        this.started = true;
        return this.post('start', start, {}, startId);
      })
      .then(({memory, quick}) => {
        if (memory) this.memory = new MemoryView(memory);
        if (quick) this.quick = new QuickCaller(quick, this.posts);
      })
      .catch((thrown: unknown) => {
        this.die(asSluiceError(thrown));
      });
    void compiled?.then(module => {
      try {
        this.port?.post({type: 'module', compiled: module}, []);
      } catch {
        this.port?.post({type: 'module', compiled: null}, []);
      }
    });
  }

  /** The runtime of these options, shared, to be called with `first` at once; release() it once for each acquire(). */
  static acquire(options: RuntimeOptions, first: Params<'session.open'>): Runtime {
    const keyOf = (drivesGpu: boolean) => JSON.stringify([options.assets, options.threads, options.worker, drivesGpu]);
    const key = keyOf(options.drivesGpu);
    // One that can drive a GPU does for the CPU, too.
    let runtime = shared.get(key) ?? shared.get(keyOf(true));
    if (!runtime || runtime.dead) {
      runtime = new Runtime(key, options, first);
      shared.set(key, runtime);
    }
    ++runtime.users;
    return runtime;
  }

  /** The last release ends the worker and gives its memory back. */
  release(): void {
    if (--this.users > 0) return;
    this.die(new SluiceError('usage', 'The session is disposed'));
  }

  /** Rejects at once when `signal` fires; the worker finishes what can't be interrupted and drops it. */
  async call<K extends CallName>(
    name: K,
    params: Params<K>,
    options: CallOptions<EventOf<K>> = {},
  ): Promise<ResultOf<K>> {
    throwIfAborted(options.signal, name);
    if (!this.started) {
      await this.connected.catch((thrown: unknown) => {
        this.die(asSluiceError(thrown));
      });
    }
    if (this.dead) throw this.dead;
    const isFirst = params === this.first;
    if (isFirst) this.first = null;
    return this.post(name, params, options, isFirst ? this.firstId : this.nextId++);
  }

  /** Where the session's first feeds may be written. */
  setPlaces(session: number, places: OpenResult['places']): void {
    if (places) this.places.set(session, places);
  }

  /**
   * Writes a feed for the session's next run where the worker keeps it, instead of posting it; null: it is to be
   * posted. The run must be called for before anything else is done.
   */
  writeFeed(session: number, name: string, tensor: Tensor): WrittenFeed | null {
    const place = this.places.get(session)?.[name];
    const {memory} = this;
    const {data} = tensor;
    // Nothing may be under way that reads the feed, or frees it.
    if (!place || !memory || this.unanswered.has(session) || !fits(tensor, place)) return null;
    // This thread may not have heard yet that the memory has grown.
    if (!isNumbers(data) || !memory.has(place.at, place.bytes)) return null;
    memory.bytes.set(bytesOf(data), place.at);
    return {at: place.at};
  }

  /** A run of a session all of whose feeds are written, called for as quick_calls.ts says; null: it is to be posted. */
  runQuickly(session: number, options: CallOptions<EventOf<'session.run'>>): RunResult | Promise<RunResult> | null {
    const {memory, quick} = this;
    const known = this.known.get(session);
    if (!quick || !memory || !known || this.pending.size > 0 || this.unanswered.size > 0) return null;
    const {outputs, figures} = known;
    if (!outputs.every(({at, bytes}) => memory.has(at, bytes))) return null;
    if (!memory.has(figures.at, figures.count * 8)) return null;
    const id = this.nextId++;
    const answer = quick.call(id, session);
    if (answer === 'away') return null;
    if (answer === 'called') {
      this.begin(session, id);
      return this.answer('session.run', id, options);
    }
    const results: Record<string, Tensor> = {};
    for (const {name, dtype, dims, at, bytes} of outputs) {
      results[name] = {dtype, dims: [...dims], data: numbersOf(dtype, memory.copy(at, bytes).buffer)};
    }
    return {results, figures: memory.doubles(figures.at, figures.count)};
  }

  private post<K extends CallName>(
    name: K,
    params: Params<K>,
    options: CallOptions<EventOf<K>>,
    id: number,
  ): Promise<ResultOf<K>> {
    if ('session' in params) {
      // Whatever is posted about a session may replace its feeds.
      const feeds = 'feeds' in params ? Object.values(params.feeds as WireFeeds) : null;
      if (!feeds?.every(feed => 'at' in feed)) this.forgetPlaces(params.session);
      this.begin(params.session, id);
    }
    return this.answer(name, id, options, port => {
      port.post({type: 'call', id, name, params}, options.transfer ?? []);
    });
  }

  /** The answer of a call, after it is posted where that is still to be done. */
  private answer<K extends CallName>(
    name: K,
    id: number,
    {signal, onEvent}: CallOptions<EventOf<K>>,
    post?: (port: Port<ToWorker, ToPage>) => void,
  ): Promise<ResultOf<K>> {
    return new Promise<ResultOf<K>>((resolve, reject) => {
      const port = this.port;
      if (!port) {
        reject(this.dead ?? new SluiceError('internal', 'The worker is not there'));
        return;
      }
      const settle = () => {
        this.pending.delete(id);
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        settle();
        if (name === 'session.open') this.abandoned.add(id);
        port.post({type: 'abort', id, reason: String(signal?.reason)}, []);
        if (signal) reject(abortedError(signal, name));
      };
      this.pending.set(id, {
        resolve: value => {
          settle();
          resolve(value as ResultOf<K>);
        },
        reject: error => {
          settle();
          reject(error);
        },
        event: event => {
          onEvent?.(event as EventOf<K>);
        },
      });
      signal?.addEventListener('abort', onAbort, {once: true});
      try {
        post?.(port);
      } catch (thrown) {
        // not cloneable: the caller's data
        settle();
        this.answered(id);
        reject(asSluiceError(thrown, 'usage'));
      }
      if (signal?.aborted) onAbort();
    });
  }

  private async connect(options: RuntimeOptions, calls: readonly CallMessage[]): Promise<void> {
    this.port = options.worker ? this.startWorker(options, calls) : await this.startHere();
    this.port.onMessage = message => {
      this.receive(message);
    };
  }

  private startWorker(options: RuntimeOptions, calls: readonly CallMessage[]): Port<ToWorker, ToPage> {
    if (options.assets === null && !import.meta.url) {
      throw new SluiceError('usage', 'The package does not know its own address: this bundle is a classic script', {
        hint: 'Bundle it as an ES module, or say where worker.js and the .wasm files lie: the option `assets`.',
      });
    }
    const name = nameWith(this.first && isText(this.first) ? calls : []);
    // Bundlers find the worker by exactly this expression.
    const worker =
      options.assets !== null
        ? new Worker(new URL('worker.js', options.assets), {type: 'module', name})
        : new Worker(new URL('./worker.js', import.meta.url), {type: 'module', name});
    const port: Port<ToWorker, ToPage> = {
      post: (message, transfer) => {
        worker.postMessage(message, transfer);
        ++this.posts;
        this.quick?.post(this.posts);
      },
      onMessage: null,
    };
    worker.onmessage = (event: MessageEvent<ToPage>) => {
      this.quick?.hear();
      port.onMessage?.(event.data);
    };
    worker.onerror = event => {
      event.preventDefault();
      const where = event.filename ? ` (${event.message || 'error'}, ${event.filename}:${event.lineno})` : '';
      this.die(
        new SluiceError('internal', `The worker crashed or could not be loaded${where}`, {
          hint: "worker.js must be served from the page's own origin as JavaScript, and worker-src must allow it.",
        }),
      );
    };
    worker.onmessageerror = () => {
      this.die(new SluiceError('internal', 'A message from the worker can not be read'));
    };
    this.stop = () => {
      worker.terminate();
    };
    return port;
  }

  private async startHere(): Promise<Port<ToWorker, ToPage>> {
    const {Engine, Host} = await import('./same_thread.js');
    const [page, inside] = portPair();
    const engine = new Engine(new Host(inside));
    this.stop = () => {
      engine.stop();
    };
    return page;
  }

  private forgetPlaces(session: number): void {
    this.places.delete(session);
    this.known.delete(session);
  }

  private begin(session: number, id: number): void {
    const ids = this.unanswered.get(session);
    if (ids) ids.add(id);
    else this.unanswered.set(session, new Set([id]));
  }

  private answered(id: number, result?: unknown): void {
    for (const [session, ids] of this.unanswered) {
      if (!ids.delete(id)) continue;
      if (ids.size > 0) return;
      this.unanswered.delete(session);
      const {places, known} = (result ?? {}) as Partial<RunResult>;
      if (places) this.places.set(session, places);
      else if (result === undefined) this.forgetPlaces(session);
      if (known) this.known.set(session, known);
      return;
    }
  }

  private receive(message: ToPage): void {
    switch (message.type) {
      case 'result':
        this.answered(message.id, message.value);
        this.pending.get(message.id)?.resolve(message.value);
        if (this.abandoned.delete(message.id)) this.disposeLate(message.value as ResultOf<'session.open'>);
        break;
      case 'error':
        this.answered(message.id);
        this.abandoned.delete(message.id);
        this.pending.get(message.id)?.reject(fromWire(message.error));
        break;
      case 'event':
        this.pending.get(message.id)?.event(message.event);
        break;
      case 'binding':
        this.bindings.get(message.session)?.(message.binding);
        break;
      case 'thread':
        if (!this.dead) this.startThread(message.thread);
        break;
      case 'device-failure':
        lastDeviceFailure = message.at;
        break;
      case 'poisoned':
        this.die(fromWire(message.error));
        break;
    }
  }

  // One that can't be made costs speed only.
  private startThread(thread: ThreadMessage): void {
    const complain = (why: string) => {
      console.warn(`sluice · thread ${thread.index} does not run (${why})`);
    };
    const {assets} = this.options;
    const name = thread.hashes ? 'sluice hashes' : `sluice thread ${thread.index}`;
    try {
      // Bundlers find this file, too, by exactly such an expression.
      const worker =
        assets !== null
          ? new Worker(new URL('thread.js', assets), {type: 'module', name})
          : new Worker(new URL('./thread.js', import.meta.url), {type: 'module', name});
      worker.onerror = event => {
        event.preventDefault();
        complain(event.message || 'thread.js is not to be had');
      };
      worker.postMessage(thread, thread.hashes ? [thread.hashes] : []);
      this.threads.push(worker);
    } catch (thrown) {
      complain(messageOf(thrown));
    }
  }

  // The session was made while the word that nobody wants it was on its way.
  private disposeLate({session}: ResultOf<'session.open'>): void {
    this.call('session.dispose', {session}).catch(() => {});
  }

  private die(error: SluiceError): void {
    if (this.dead) return;
    this.dead = error;
    if (shared.get(this.key) === this) shared.delete(this.key);
    for (const pending of [...this.pending.values()]) pending.reject(error);
    this.stop();
    for (const thread of this.threads.splice(0)) thread.terminate();
    this.port = null;
    this.memory = null;
    this.quick = null;
    this.places.clear();
    this.known.clear();
    this.unanswered.clear();
  }
}
