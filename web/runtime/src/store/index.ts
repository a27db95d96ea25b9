// The model store: bytes from an address, a file or memory to where they are needed.
export {defaultStoreName, loadModel} from './load.js';
export {clearModels, persistStorage} from './manage.js';
export type {DownloadProgress, Hasher, LoadOptions, LoadedModel, ModelSink, ModelSource} from './types.js';
