// @imgly/background-removal in the comparison: its own functions, its files' directory on this machine. It takes as
// many threads as navigator.hardwareConcurrency says.
import {preload, removeBackground} from './imgly/imgly.js';
import {offer} from './page.mjs';

let config;
offer({
  async create({backend, imgly}) {
    config = {
      publicPath: new URL('imgly/', document.baseURI).href,
      model: imgly,
      device: backend === 'webgpu' ? 'gpu' : 'cpu',
      output: {format: 'image/png', quality: 0.8},
    };
    await preload(config);
    return `${navigator.hardwareConcurrency} threads`;
  },
  job: photo => removeBackground(photo, config),
});
