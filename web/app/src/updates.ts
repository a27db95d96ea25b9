// The service worker: registers it and tells when a newer version waits. The page goes on with the old one
// until the user reloads, so an open job is never cut off.

export function watchUpdates(onReady: (activate: () => void) => void): void {
  if (!('serviceWorker' in navigator) || !isSecureContext) return;
  const {serviceWorker} = navigator;
  let reloading = false;
  serviceWorker.addEventListener('controllerchange', () => {
    if (reloading) location.reload();
  });
  const offer = (worker: ServiceWorker): void => {
    onReady(() => {
      reloading = true;
      worker.postMessage('activate');
    });
  };
  void serviceWorker
    .register('service_worker.js')
    .then(registration => {
      if (registration.waiting && serviceWorker.controller) offer(registration.waiting);
      registration.addEventListener('updatefound', () => {
        const worker = registration.installing;
        worker?.addEventListener('statechange', () => {
          if (worker.state === 'installed' && serviceWorker.controller) offer(worker);
        });
      });
    })
    .catch(() => undefined); // e.g. private windows: the page works, but not offline
}
