// The page of the runtime's tests: window.sluice with a few verbs that node calls, on top of the package as
// it is built. Kept dumb: what is right and wrong is judged in node.
import fs from 'node:fs';
import path from 'node:path';
import {root} from './harness.mjs';
import {fromWire, mapValues, toWire} from './runtime_tensors.mjs';

const script = `
import {Session} from '/sluice-web/index.js';
import {fromWire, mapValues, toWire} from './runtime_tensors.mjs';
const sessions = new Map();
let next = 1;
const failure = error => ({error: {code: error.code, message: error.message, hint: error.hint, name: error.name}});
const wrap = f => async (...args) => { try { return await f(...args); } catch (error) { return failure(error); } };
window.sluice = {
  open: wrap(async (model, options = {}) => {
    const phases = [];
    const begin = performance.now();
    const session = await Session.create(model, {...options, onProgress: event => phases.push(event.phase)});
    sessions.set(next, session);
    const {inputs, outputs, binding} = session;
    return {id: next++, inputs, outputs, binding, phases, seconds: (performance.now() - begin) / 1000};
  }),
  run: wrap(async (id, feeds) => {
    const begin = performance.now();
    const results = await sessions.get(id).run(mapValues(feeds, fromWire));
    const seconds = (performance.now() - begin) / 1000;
    return {outputs: mapValues(results, toWire), binding: sessions.get(id).binding, seconds};
  }),
  binding: id => sessions.get(id).binding,
  warmup: wrap(async id => { await sessions.get(id).warmup(); return {binding: sessions.get(id).binding}; }),
  retryGpu: wrap(async id => { await sessions.get(id).retryGpu(); return {binding: sessions.get(id).binding}; }),
  dispose: wrap(async id => { await sessions.get(id).dispose(); sessions.delete(id); return {}; }),
  Session, sessions,
};
window.ready = true;
`;

/** Makes the page's folder with copies of `files` ({name: path}); its address. */
export function makePage(web, name, files = {}, before = '') {
  const address = web.writePage(name, `${before}\n${script}`);
  const folder = path.join(root, 'build/web', address);
  fs.copyFileSync(path.join(root, 'tests/web/runtime_tensors.mjs'), path.join(folder, 'runtime_tensors.mjs'));
  for (const [to, from] of Object.entries(files)) {
    fs.rmSync(path.join(folder, to), {force: true});
    fs.copyFileSync(from, path.join(folder, to));
  }
  return address;
}

// Where the page's address has a query, its worker is faulty.js, with the same query.
const faultyWorkers = `
const Plain = window.Worker;
const workers = [];
window.Worker = class extends Plain {
  constructor(url, options) {
    super(location.search && /worker\\.js$/.test(String(url)) ? new URL('faulty.js' + location.search, location.href) : url, options);
    workers.push(this);
  }
};
window.tell = plant => { for (const worker of workers) worker.postMessage({plant}); };
`;

/** A page whose worker runs the script `plant` before it becomes the package's own; window.tell(what) posts {plant: what} to it. */
export function makeFaultyPage(web, name, files, plant, before = '') {
  const address = makePage(web, name, files, faultyWorkers + before);
  const folder = path.join(root, 'build/web', address);
  fs.writeFileSync(path.join(folder, 'plant.js'), plant);
  fs.writeFileSync(path.join(folder, 'faulty.js'), "import './plant.js';\nimport '/sluice-web/worker.js';\n");
  return address;
}

/** Verbs of an open page; errors of the page are thrown here, with their code. */
export async function openPage(web, address, options = {}) {
  const page = await web.page(address, options);
  await page.waitForFunction(() => window.ready === true);
  const call = async (verb, ...args) => {
    const answer = await page.evaluate((name, list) => window.sluice[name](...list), verb, args);
    if (answer?.error) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer;
  };
  return {
    page,
    open: (model, settings) => call('open', model, settings),
    run: async (id, feeds) => {
      const answer = await call('run', id, mapValues(feeds, toWire));
      return {...answer, outputs: mapValues(answer.outputs, fromWire)};
    },
    binding: id => call('binding', id),
    warmup: id => call('warmup', id),
    retryGpu: id => call('retryGpu', id),
    dispose: id => call('dispose', id),
  };
}
