// Host: the worker's side of the line. Handlers are added by name; each call gets a context with its
// AbortSignal, a way to send events, and a list of what to give away with the result.
import type {CompiledModule} from '../core/compile.js';
import {SluiceError, abortedError, toWire} from '../errors.js';
import type {CallMessage, CallName, EventOf, Params, Port, ResultOf, ToPage, ToWorker} from '../protocol.js';

export interface CallContext<Event> {
  /** Fires when the caller gives up: nobody waits for the result any more. */
  readonly signal: AbortSignal;
  event(event: Event): void;
  /** Buffers that the result gives away instead of copying. */
  readonly transfer: Transferable[];
}

export type Handler<K extends CallName> = (
  params: Params<K>,
  context: CallContext<EventOf<K>>,
) => Promise<ResultOf<K>> | ResultOf<K>;

type AnyHandler = (params: unknown, context: CallContext<unknown>) => unknown;

export class Host {
  private readonly handlers = new Map<string, AnyHandler>();
  private readonly running = new Map<number, AbortController>();
  /** Calls that begin() has had, and that come again. */
  private readonly begun = new Set<number>();
  /** The module, if the page compiles it. */
  readonly compiled: Promise<CompiledModule | null>;
  private takeCompiled: (compiled: CompiledModule | null) => void = () => {};
  /** Messages from the page. */
  private received = 0;
  /** The last call under way has been answered; see `received`. */
  whenIdle: ((received: number) => void) | null = null;

  constructor(private readonly port: Port<ToPage, ToWorker>) {
    this.compiled = new Promise(resolve => {
      this.takeCompiled = resolve;
    });
    port.onMessage = message => {
      ++this.received;
      if (message.type === 'module') this.takeCompiled(message.compiled);
      else if (message.type === 'abort' || !this.begun.delete(message.id)) void this.receive(message);
    };
  }

  /** Calls that were known before any message could come; each comes as a message, too. All handlers are there. */
  begin(calls: readonly CallMessage[]): void {
    for (const call of calls) {
      this.begun.add(call.id);
      void this.receive(call);
    }
  }

  /** Adds the handler of one kind of call. */
  on<K extends CallName>(name: K, handler: Handler<K>): void {
    if (this.handlers.has(name)) throw new SluiceError('internal', `The call ${name} has two handlers`);
    // The map forgets K; the page's side of the same table keeps the parameters right.
    this.handlers.set(name, handler as AnyHandler);
  }

  /** News that belong to no call. */
  tell(message: Extract<ToPage, {type: 'binding' | 'thread' | 'device-failure' | 'poisoned'}>): void {
    const hashes = message.type === 'thread' ? message.thread.hashes : undefined;
    this.port.post(message, hashes ? [hashes] : []);
  }

  /** Answers a call that has come another way. */
  answer(id: number, make: (transfer: Transferable[]) => unknown): void {
    const transfer: Transferable[] = [];
    try {
      const value = make(transfer);
      this.port.post({type: 'result', id, value}, transfer);
    } catch (thrown) {
      this.port.post({type: 'error', id, error: toWire(thrown)}, []);
    }
  }

  private async receive(message: Exclude<ToWorker, {type: 'module'}>): Promise<void> {
    if (message.type === 'abort') {
      this.running.get(message.id)?.abort(message.reason);
      return;
    }
    const {id, name, params} = message;
    const controller = new AbortController();
    this.running.set(id, controller);
    const transfer: Transferable[] = [];
    try {
      const handler = this.handlers.get(name);
      if (!handler) throw new SluiceError('internal', `The worker knows no call ${name}`);
      const value = await handler(params, {
        signal: controller.signal,
        event: event => {
          this.port.post({type: 'event', id, event}, []);
        },
        transfer,
      });
      if (controller.signal.aborted) throw abortedError(controller.signal, name);
      this.port.post({type: 'result', id, value}, transfer);
    } catch (thrown) {
      this.port.post({type: 'error', id, error: toWire(thrown)}, []);
    } finally {
      this.running.delete(id);
      if (this.running.size === 0) this.whenIdle?.(this.received);
    }
  }
}
