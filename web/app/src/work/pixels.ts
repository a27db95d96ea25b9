// The page's side of pixel_worker.js.

import type {FromPixelWorker, PixelCall, PixelCalls, ToPixelWorker} from '../pixels/messages.js';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class Pixels {
  private worker: Worker | null = null;
  private next = 1;
  private readonly waiting = new Map<number, Waiting>();

  call<K extends PixelCall>(
    name: K,
    params: PixelCalls[K]['params'],
    transfer: Transferable[] = [],
  ): Promise<PixelCalls[K]['result']> {
    const worker = (this.worker ??= this.start());
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, {
        resolve: value => {
          resolve(value as PixelCalls[K]['result']);
        },
        reject,
      });
      const message: ToPixelWorker = {id, name, params};
      worker.postMessage(message, transfer);
    });
  }

  private start(): Worker {
    const worker = new Worker(new URL('./pixel_worker.js', document.baseURI), {type: 'module', name: 'pixels'});
    worker.onmessage = (event: MessageEvent<FromPixelWorker>) => {
      const {id} = event.data;
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if ('error' in event.data) waiting?.reject(new Error(event.data.error));
      else waiting?.resolve(event.data.value);
    };
    worker.onerror = event => {
      event.preventDefault();
      // Out of memory, most likely: the next call starts a new one.
      this.worker = null;
      worker.terminate();
      const error = new Error('Saving failed: the browser ended the worker that encodes pictures.');
      for (const waiting of this.waiting.values()) waiting.reject(error);
      this.waiting.clear();
    };
    return worker;
  }
}
