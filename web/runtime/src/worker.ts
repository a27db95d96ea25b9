// The worker's entry: everything that computes lives here. Loaded by runtime.ts as a module worker.
import {Engine} from './engine/engine.js';
import {Host} from './engine/host.js';
import {callsIn} from './protocol.js';
import type {Port, ToPage, ToWorker} from './protocol.js';

interface WorkerScope {
  readonly name: string;
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;
const port: Port<ToPage, ToWorker> = {
  post: (message, transfer) => {
    scope.postMessage(message, transfer);
  },
  onMessage: null,
};
scope.onmessage = event => {
  port.onMessage?.(event.data);
};
const host = new Host(port);
new Engine(host);
host.begin(callsIn(scope.name));
