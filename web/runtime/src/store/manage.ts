// What a page may want to do with the store as a whole.
import {defaultStoreName} from './load.js';
import {ModelStore} from './model_store.js';

/** Removes all stored models; the next load downloads again. */
export async function clearModels(name: string = defaultStoreName): Promise<void> {
  await (await ModelStore.open(name))?.clear();
}

/**
 * Asks the browser to keep this origin's storage under pressure. Only a page can ask (workers can't), and
 * browsers may ask the user, or decide by how much the site is used. True: it is kept.
 */
export async function persistStorage(): Promise<boolean> {
  const storage = (globalThis.navigator as Navigator | undefined)?.storage;
  if (typeof storage?.persist !== 'function') return false;
  try {
    return (await storage.persisted()) || (await storage.persist());
  } catch {
    return false;
  }
}
