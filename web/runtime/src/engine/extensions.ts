// The families of calls that the worker serves beyond sessions. Each entry adds its handlers to the host;
// it reaches sessions through the engine (engine.session(number), engine.exclusive(job)).
import {cutoutCalls} from '../cutout/extension.js';
import type {Engine} from './engine.js';
import type {Host} from './host.js';

export type Extension = (host: Host, engine: Engine) => void;

export const extensions: readonly Extension[] = [cutoutCalls];
