// Engine: what one worker holds: the core (WebAssembly module), the GPU device, the sessions. Jobs of all
// sessions are done one after another, since the core is not re-entrant and a device has one queue.
import {SluiceError} from '../errors.js';
import {extensions} from './extensions.js';
import type {Host} from './host.js';

export class Engine {
  constructor(readonly host: Host) {
    host.on('start', () => { throw new SluiceError('internal', 'The core is not built yet'); });
    for (const extend of extensions) extend(host, this);
  }

  /** Ends everything: for an engine in the caller's own thread. */
  stop(): void {}
}
