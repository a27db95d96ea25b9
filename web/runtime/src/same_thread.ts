// What a session needs that wants no worker (worker: false), loaded only then.
export {Engine} from './engine/engine.js';
export {Host} from './engine/host.js';
