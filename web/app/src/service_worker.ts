// The service worker: keeps the whole site (page, scripts, WebAssembly) under one version and serves it
// without asking the network. Models are not its business: sluice-web keeps them in a store of its own.
// The build fills in what there is and which version it is.

import {detectFeatures} from '../../runtime/src/core/features.js';

declare const SLUICE_APP_FILES: readonly string[];
declare const SLUICE_APP_VERSION: string;

interface ExtendableEventShape extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEventShape extends ExtendableEventShape {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface WorkerScope {
  readonly location: Location;
  readonly clients: {claim(): Promise<void>};
  readonly registration: {readonly scope: string};
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEventShape) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEventShape) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<unknown>) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const kPrefix = 'sluice-app-';
const kCache = kPrefix + SLUICE_APP_VERSION;
const base = new URL(scope.registration.scope);
// One flavour of the module is enough, with and without threads, for a GPU and for the CPU alone: whether the page will
// be isolated, and what it will be asked for, is not known here.
const flavour = detectFeatures().relaxedSimd ? 'relaxed' : 'simd';
const wanted = SLUICE_APP_FILES.filter(
  name => !name.endsWith('.wasm') || name.startsWith(`sluice-${flavour}`) || name.startsWith(`sluice-cpu-${flavour}`),
);
const known = new Set(SLUICE_APP_FILES.map(name => new URL(name, base).pathname));

scope.addEventListener('install', event => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(kCache);
      // Past the HTTP cache: all files must be of one version.
      await cache.addAll(wanted.map(name => new Request(new URL(name, base), {cache: 'reload'})));
    })(),
  );
});

scope.addEventListener('activate', event => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name.startsWith(kPrefix) && name !== kCache) await caches.delete(name);
      }
      await scope.clients.claim();
    })(),
  );
});

scope.addEventListener('message', event => {
  if (event.data === 'activate') void scope.skipWaiting();
});

scope.addEventListener('fetch', event => {
  const {request} = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== base.origin) return;
  const path = url.pathname === base.pathname ? new URL('index.html', base).pathname : url.pathname;
  if (!known.has(path)) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open(kCache);
      const address = new URL(path, base).href;
      const stored = await cache.match(address);
      if (stored) return stored;
      const response = await fetch(request);
      if (response.ok && response.status === 200) await cache.put(address, response.clone());
      return response;
    })(),
  );
});
