// sluice-web: machine-learning models in the browser, on WebGPU or WebAssembly, with a record that says
// which one ran.
export {SluiceError} from './errors.js';
export {Session} from './session.js';
export {clearModels, persistStorage} from './store/manage.js';
export type {
  BackendName,
  Binding,
  CacheOptions,
  DType,
  Feeds,
  ModelInput,
  ProgressEvent,
  Results,
  RunOptions,
  SessionOptions,
  SluiceErrorShape,
  Tensor,
  TensorData,
  ValueInfo,
} from './types.js';
