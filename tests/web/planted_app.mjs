// The app as it is built, with a script of a test's own that runs in its worker before the worker's: a copy of the
// site, so that what is measured or broken there is the real thing under the site's own policy.
import fs from 'node:fs';
import path from 'node:path';
import {root} from './harness.mjs';

/** Counts what the worker's devices hold; answers {plant: 'count'} with {counted: {buffers, bytes, mostBytes, wasm}}. */
export const counting = `
const held = new Map();
let mostBytes = 0;
const memories = [];
WebAssembly.Memory = class extends WebAssembly.Memory {
  constructor(descriptor) {
    super(descriptor);
    memories.push(this);
  }
};
const total = () => [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
const create = GPUDevice.prototype.createBuffer;
GPUDevice.prototype.createBuffer = function (descriptor) {
  const buffer = create.call(this, descriptor);
  held.set(buffer, descriptor.size);
  mostBytes = Math.max(mostBytes, total());
  return buffer;
};
const destroy = GPUBuffer.prototype.destroy;
GPUBuffer.prototype.destroy = function () {
  held.delete(this);
  return destroy.call(this);
};
self.addEventListener('message', event => {
  if (event.data?.plant === 'count') {
    const wasm = memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
    self.postMessage({type: 'planted', counted: {buffers: held.size, bytes: total(), mostBytes, wasm}});
  }
});
`;

/** Destroys the device at the N-th submit after the message {plant: 'arm', submit: N}. */
export const destroying = `
let device = null, left = 0;
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...args) {
  device = await request.apply(this, args);
  return device;
};
const submit = GPUQueue.prototype.submit;
GPUQueue.prototype.submit = function (...args) {
  const result = submit.apply(this, args);
  if (left > 0 && --left === 0) device.destroy();
  return result;
};
self.addEventListener('message', event => {
  if (event.data?.plant === 'arm') left = event.data.submit;
});
`;

/** The site's folder, and what a page must run before its own script. */
export function plantedApp(name, plant) {
  const site = `build/web/planted-${name}`;
  const folder = path.join(root, site);
  fs.rmSync(folder, {recursive: true, force: true});
  fs.cpSync(path.join(root, 'build/web/app'), folder, {
    recursive: true,
    // Only the model that tests of the page use: the others are large.
    filter: from =>
      path.dirname(from) !== path.join(root, 'build/web/app/models') || /selfie_seg[a-z]*\.tflite$/.test(from),
  });
  fs.writeFileSync(path.join(folder, 'plant.js'), plant);
  fs.writeFileSync(path.join(folder, 'planted.js'), "import './plant.js';\nimport './worker.js';\n");
  /** Makes the page start that worker; window.plant(message) speaks with it, window.planted holds its last answer. */
  const before = page =>
    page.evaluateOnNewDocument(() => {
      const workers = [];
      const Plain = window.Worker;
      window.Worker = class extends Plain {
        constructor(url, options) {
          const ours = /\/worker\.js$/.test(String(url));
          super(ours ? new URL('planted.js', url) : url, options);
          if (!ours) return;
          workers.push(this);
          this.addEventListener('message', event => {
            if (event.data?.type === 'planted') window.planted = event.data;
          });
        }
      };
      window.plant = message => {
        for (const worker of workers) worker.postMessage(message);
        return workers.length;
      };
    });
  return {site, before};
}
