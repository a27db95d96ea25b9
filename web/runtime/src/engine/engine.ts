// Engine: what one worker holds: the core (WebAssembly module), the GPU device, the sessions. Jobs of all
// sessions are done one after another, since the core is not re-entrant and a device has one queue.
import {Core} from '../core/core.js';
import type {OpenOptions} from '../core/answers.js';
import {loadModule} from '../core/load.js';
import {placesOf} from '../core/values.js';
import type {WireValue} from '../core/values.js';
import {SluiceError, throwIfAborted, toWire} from '../errors.js';
import {DeviceKeeper} from '../gpu/device_keeper.js';
import {buffersOf} from '../protocol.js';
import type {OpenResult, RunResult, StartParams, WireOptions} from '../protocol.js';
import {LONGEST_RUN_MS, MOST_BYTES, QuickServer} from '../quick_calls.js';
import type {KnownAnswer} from '../quick_calls.js';
import {ConsoleSink} from '../telemetry/console.js';
import {OtlpSink} from '../telemetry/otlp.js';
import type {Binding} from '../types.js';
import {extensions} from './extensions.js';
import type {Host} from './host.js';
import {LoadedSession, deviceOptions} from './loaded_session.js';
import {freePlaced, placeModel} from './model_source.js';
import type {PlacedModel} from './model_source.js';
import {Mutex} from './mutex.js';

// A model of so many bytes has work for threads from its first run on; of a smaller one, a first result comes sooner
// without them, and they are started then.
const LARGE_MODEL_BYTES = 8 << 20;

// Between the pieces of what can wait: runs come first.
const IDLE_MS = 50;

interface Entry {
  readonly loaded: LoadedSession;
  readonly console: ConsoleSink | null;
  readonly otlp: OtlpSink | null;
  /** How many figures a run changes. */
  readonly figures: number;
  /** Runs and failovers that telemetry has told of. */
  told: string;
}

export class Engine {
  private ready: Promise<Core> | null = null;
  private theCore: Core | null = null;
  private keeper: DeviceKeeper | null = null;
  /** The page sees the module's memory. */
  private seen = false;
  private quick: QuickServer | null = null;
  /** The latest call was a run that may be called for quickly from now on. */
  private wasQuick = false;
  private readonly entries = new Map<number, Entry>();
  /** What the page knows of the next answers, by session. */
  private readonly knownAnswers = new Map<number, {values: readonly WireValue[]; answer: KnownAnswer}>();
  private readonly jobs = new Mutex();
  private idle: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly host: Host) {
    host.on('start', async params => {
      this.ready = this.start(params);
      const {version, flavour, threads, memory} = await this.ready;
      const {sight} = params;
      this.seen = sight === 'same-thread' || (sight === 'shared' && memory.shared);
      if (sight === 'shared' && memory.shared) this.serveQuickly();
      const quick = this.quick?.words ?? null;
      return {version, flavour, threads, memory: this.seen ? memory.memory : null, quick};
    });
    host.on('session.open', async ({source, options}, {signal, event}) => {
      const {ready} = this;
      if (!ready) throw new SluiceError('internal', 'The worker is not started');
      const placed = await placeModel(ready, source, options, signal, event);
      const core = await ready;
      return this.exclusive(async () => {
        let how: OpenOptions;
        try {
          throwIfAborted(signal, 'Loading the model');
          how = {...(await this.openOptions(options)), ...handedOver(placed), canReopen: !('bytes' in source)};
        } catch (thrown) {
          freePlaced(core, placed);
          throw thrown;
        }
        if (placed.bytes >= LARGE_MODEL_BYTES) core.startThreads();
        event({phase: 'read'});
        const opened = core.open(placed.pointer, placed.bytes, how);
        core.note(opened.session, {download: placed.download});
        const reopen = async () => {
          const again = await placeModel(core, source, options, undefined, () => {});
          core.reopen(opened.session, again.pointer, again.bytes, handedOver(again));
        };
        const loaded = new LoadedSession(core, opened, this.devices, options, reopen);
        const entry = this.add(loaded, opened.runFigures.length, options);
        try {
          await entry.loaded.bind(event, signal);
          throwIfAborted(signal, 'Loading the model');
        } catch (thrown) {
          this.remove(opened.session);
          throw thrown;
        }
        event({phase: 'ready'});
        this.workIdly(opened.session);
        const {inputs, outputs, session} = opened;
        const {runFigures} = opened;
        const places = this.seen ? entry.loaded.reserveFeeds() : {};
        return {session, inputs, outputs, binding: this.tell(session), runFigures, places} satisfies OpenResult;
      });
    });
    host.on('session.run', ({session, feeds, recycle}, {signal, transfer, event}) =>
      this.exclusive(async () => {
        const loaded = this.session(session);
        this.core.recycle(recycle ?? []);
        const begin = performance.now();
        const results = await loaded.run(feeds, signal, event);
        const short = performance.now() - begin <= LONGEST_RUN_MS;
        transfer.push(...buffersOf(results));
        const posted = Object.values(feeds).some(feed => !('at' in feed));
        const told = this.tellRun(session);
        if (posted) {
          this.knownAnswers.delete(session);
          return {results, ...told, ...(this.seen ? {places: loaded.feedPlaces()} : {})};
        }
        const before = this.knownAnswers.get(session)?.answer;
        const known = short ? this.knownAnswer(session) : undefined;
        this.wasQuick = known !== undefined;
        return {results, ...told, ...(known && known !== before ? {known} : {})};
      }),
    );
    host.on('session.warmup', ({session}, {event}) =>
      this.exclusive(async () => {
        await this.session(session).warmup(event);
        return {binding: this.tell(session)};
      }),
    );
    host.on('session.retryGpu', ({session}) =>
      this.exclusive(async () => {
        try {
          await this.session(session).retryGpu();
        } finally {
          const binding = this.tell(session);
          host.tell({type: 'binding', session, binding});
        }
        return {binding: this.session(session).binding};
      }),
    );
    host.on('session.dispose', ({session}) =>
      this.exclusive(async () => {
        await this.entries.get(session)?.otlp?.send();
        this.remove(session);
        return {done: true} as const;
      }),
    );
    for (const extend of extensions) extend(host, this);
  }

  /** The module; an error before the worker has started. */
  get core(): Core {
    if (!this.theCore) throw new SluiceError('internal', 'The module is not loaded');
    return this.theCore;
  }

  /** A session by its number; an error when it is disposed. */
  session(number: number): LoadedSession {
    const entry = this.entries.get(number);
    if (!entry) throw new SluiceError('usage', 'The session is disposed');
    return entry.loaded;
  }

  /** A job that uses the core across waits: no other runs meanwhile. Not to be nested. */
  exclusive<T>(job: () => Promise<T> | T): Promise<T> {
    return this.jobs.run(job);
  }

  /** Gives a session's record to telemetry after something was done with it, and returns it. */
  tell(session: number): Binding {
    const binding = this.session(session).binding;
    const entry = this.entries.get(session);
    entry?.console?.update(binding);
    const runs = typeof binding['runs'] === 'number' ? binding['runs'] : 0;
    // News for the collector: loaded, the first run, each failover. The rest goes with dispose().
    const told = `${Math.min(runs, 1)} ${binding.failovers.length}`;
    if (entry && entry.otlp && entry.told !== told) void entry.otlp.send();
    if (entry) entry.told = told;
    return binding;
  }

  /** The same after a run: only what it has changed, where nobody here wants the whole record. */
  private tellRun(session: number): Pick<RunResult, 'binding' | 'figures'> {
    const entry = this.entries.get(session);
    const figures = entry && !entry.console && !entry.otlp ? this.core.runFigures(session, entry.figures) : null;
    return figures ? {figures} : {binding: this.tell(session)};
  }

  /** Where later answers will lie, as the latest one does; undefined: too large, or others want the whole record. */
  private knownAnswer(session: number): KnownAnswer | undefined {
    const entry = this.entries.get(session);
    if (!this.quick || !entry || entry.loaded.onDevice || entry.console || entry.otlp) return undefined;
    const values = this.core.cpuOutputs(session);
    const at = this.core.runFiguresAt(session);
    const before = this.knownAnswers.get(session);
    if (before?.values === values && before.answer.figures.at === at) return before.answer;
    const outputs = placesOf(values);
    if (!outputs || at === 0 || outputs.reduce((sum, {bytes}) => sum + bytes, 0) > MOST_BYTES) return undefined;
    const answer = {outputs, figures: {at, count: entry.figures}};
    this.knownAnswers.set(session, {values, answer});
    return answer;
  }

  private serveQuickly(): void {
    const quick = (this.quick = new QuickServer());
    this.host.whenIdle = received => {
      const {wasQuick} = this;
      this.wasQuick = false;
      // A device has news of its own.
      if (!wasQuick || [...this.entries.values()].some(({loaded}) => loaded.onDevice)) return;
      quick.serve(received, {
        run: session => this.runQuickly(session),
        post: (call, session) => {
          this.host.answer(call, transfer => {
            const results = this.core.cpuResults(session);
            transfer.push(...buffersOf(results));
            return {results, ...this.tellRun(session)} satisfies RunResult;
          });
        },
        refuse: (call, thrown) => {
          this.host.answer(call, () => {
            throw thrown;
          });
        },
      });
    };
  }

  /** Whether the answer lies where the page knows. */
  private runQuickly(session: number): boolean {
    this.session(session).runWritten();
    const known = this.knownAnswers.get(session);
    if (known?.values !== this.core.cpuOutputs(session)) return false;
    return this.core.runFiguresAt(session) === known.answer.figures.at;
  }

  // What the record lacks and nobody waits for: a piece at a time, when there has been time for a first run.
  private workIdly(session: number): void {
    this.idle = setTimeout(() => {
      void this.exclusive(() => {
        if (!this.entries.has(session)) return;
        if (this.core.workIdly(session)) this.workIdly(session);
        else this.host.tell({type: 'binding', session, binding: this.tell(session)});
      }).catch(() => {}); // the module has trapped, and said so
    }, IDLE_MS);
  }

  /** Ends everything: for an engine in the caller's own thread. */
  stop(): void {
    clearTimeout(this.idle);
    this.keeper?.destroy();
    this.entries.clear();
  }

  private get devices(): DeviceKeeper {
    if (!this.keeper) throw new SluiceError('internal', 'The worker is not started');
    return this.keeper;
  }

  private async start({assets, threads, drivesGpu, sight, compiling, lastDeviceFailure}: StartParams): Promise<Core> {
    this.keeper = new DeviceKeeper(lastDeviceFailure, at => {
      this.host.tell({type: 'device-failure', at});
    });
    const compiled = compiling ? this.host.compiled : undefined;
    const loaded = await loadModule(
      {
        assets,
        threads,
        drivesGpu,
        share: sight === 'shared',
        startThread: thread => {
          this.host.tell({type: 'thread', thread});
        },
      },
      compiled,
    );
    this.theCore = new Core(loaded, error => {
      this.host.tell({type: 'poisoned', error: toWire(error)});
    });
    return this.theCore;
  }

  private async openOptions(options: WireOptions): Promise<OpenOptions> {
    const requested = requestedOf(options);
    let limits: Record<string, number> | null = null;
    if (requested !== 'cpu' && options.limits === 'adapter') {
      // Plans are compiled for what this device was granted. Without one, bind() meets the error again.
      limits = await this.devices.acquire(deviceOptions(options)).then(
        gpu => ({...gpu.facts.limits}),
        () => null,
      );
    }
    return {
      name: options.name,
      requested,
      ...(options.outputs ? {outputs: options.outputs} : {}),
      ...(options.inputShapes ? {inputShapes: options.inputShapes} : {}),
      ...(limits ? {limits} : {}),
      strict: options.strict ?? false,
      allowSoftware: options.allowSoftware ?? false,
    };
  }

  private add(loaded: LoadedSession, figures: number, options: WireOptions): Entry {
    const entry: Entry = {
      loaded,
      figures,
      console: options.debug ? new ConsoleSink() : null,
      otlp: options.otlp ? new OtlpSink(this.core, loaded.session, options.otlp) : null,
      told: '',
    };
    this.entries.set(loaded.session, entry);
    return entry;
  }

  private remove(session: number): void {
    this.entries.get(session)?.loaded.close();
    this.entries.delete(session);
    this.knownAnswers.delete(session);
  }
}

// What the core is told of bytes that it gets. The hash is that of the very bytes, or of pieces that were checked.
function handedOver(placed: PlacedModel): Pick<OpenOptions, 'modelSha256' | 'files'> {
  const {sha256} = placed.download;
  const files = Object.entries(placed.files).map(([name, {pointer, bytes}]) => [name, [pointer, bytes]] as const);
  return {
    ...(sha256 !== undefined ? {modelSha256: sha256} : {}),
    ...(files.length > 0 ? {files: Object.fromEntries(files)} : {}),
  };
}

function requestedOf(options: WireOptions): OpenOptions['requested'] {
  const backends = options.backends ?? ['webgpu', 'cpu'];
  const [first] = backends;
  if (first !== 'webgpu' && first !== 'cpu') {
    throw new SluiceError('usage', `backends is ${JSON.stringify(backends)} ("webgpu" and "cpu" there are)`);
  }
  // The CPU never fails, so nothing comes after it.
  return first === 'cpu' ? 'cpu' : backends.includes('cpu') ? 'auto' : 'webgpu';
}
