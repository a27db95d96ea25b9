// The worker's entry: see messages.ts.

import {feather} from '../pure/feather.js';
import {BlobStore} from './blob_store.js';
import {backdrop, compose} from './compose.js';
import {finish, layers} from './layers.js';
import type {FromPixelWorker, PixelCall, PixelCalls, ToPixelWorker} from './messages.js';

interface Scope {
  postMessage(message: FromPixelWorker, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToPixelWorker>) => void) | null;
}
const scope = globalThis as unknown as Scope;
const store = new BlobStore();

type Handlers = {
  [K in PixelCall]: (
    params: PixelCalls[K]['params'],
    transfer: Transferable[],
  ) => Promise<PixelCalls[K]['result']> | PixelCalls[K]['result'];
};

const handlers: Handlers = {
  finish: params => finish(params, store),
  layers: async (params, transfer) => {
    const out = await layers(params);
    transfer.push(out.alpha.buffer, out.foreground.buffer);
    return out;
  },
  feather: ({alpha, width, height, radius}, transfer) => {
    const out = feather(alpha, width, height, radius, {x: 0, y: 0, width, height});
    transfer.push(out.buffer);
    return out;
  },
  compose: params => compose(params),
  backdrop: async (params, transfer) => {
    const out = await backdrop(params.original, params.cut, params.strength);
    transfer.push(out);
    return out;
  },
  keep: params => store.keep(params),
  drop: async params => {
    await store.drop(params);
    return null;
  },
};

let last: Promise<void> = Promise.resolve();
scope.onmessage = event => {
  const {id, name, params} = event.data;
  last = last.then(async () => {
    const transfer: Transferable[] = [];
    try {
      const value = await (handlers[name] as (p: unknown, t: Transferable[]) => unknown)(params, transfer);
      scope.postMessage({id, value}, transfer);
    } catch (thrown) {
      scope.postMessage({id, error: thrown instanceof Error ? thrown.message : String(thrown)}, []);
    }
  });
};
