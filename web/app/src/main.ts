// The page's entry.

import {App} from './app.js';
import {findModel, parseCatalogue} from './pure/models.js';
import {initialState, Store} from './state.js';
import {watchUpdates} from './updates.js';
import {lastJobCrashed} from './work/crash_flag.js';
import {readWishes} from './work/engine.js';
import {deviceTier, isolation} from './work/environment.js';

const store = new Store({...initialState(deviceTier()), caution: lastJobCrashed()});
const app = new App(store, readWishes(location.search));
const root = document.getElementById('app');
if (root) app.mount(root);

watchUpdates(activate => {
  app.onReload = activate;
  store.update({updateReady: true});
});

void isolation().then(sentence => {
  store.update({isolation: sentence});
});

try {
  const response = await fetch('models.json');
  const catalogue = parseCatalogue(await response.json());
  const wanted = new URLSearchParams(location.search).get('model') ?? 'fast';
  const manifest = findModel(catalogue, wanted) ?? findModel(catalogue, 'fast');
  store.update({catalogue, ...(manifest && !store.state.model ? {model: {kind: 'catalogue' as const, manifest}} : {})});
} catch (thrown) {
  app.note(
    `The list of models could not be loaded (${thrown instanceof Error ? thrown.message : String(thrown)}).`,
    true,
  );
}
document.documentElement.dataset['ready'] = 'true';
