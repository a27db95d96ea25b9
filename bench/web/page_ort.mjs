// onnxruntime-web in the comparison, driven as a careful page would: only the mask is asked for.
import {bytesOf, cutoutSide, encode, offer, speechFeeds} from './page.mjs';

let ort, session;
const side = cutoutSide;

async function cut(photo) {
  const bitmap = await createImageBitmap(photo);
  const {width, height} = bitmap;
  const small = new OffscreenCanvas(side, side).getContext('2d');
  small.drawImage(bitmap, 0, 0, side, side);
  const {data} = small.getImageData(0, 0, side, side);
  const input = new Float32Array(3 * side * side);
  for (let i = 0; i < side * side; ++i) {
    for (let c = 0; c < 3; ++c) input[c * side * side + i] = (data[4 * i + c] - 128) / 256;
  }
  const {output} = await session.run({input: new ort.Tensor('float32', input, [1, 3, side, side])}, ['output']);
  const mask = new ImageData(side, side);
  for (let i = 0; i < side * side; ++i) mask.data[4 * i + 3] = 255 * output.data[i] + 0.5;
  small.putImageData(mask, 0, 0);
  const full = new OffscreenCanvas(width, height).getContext('2d');
  full.drawImage(small.canvas, 0, 0, width, height);
  const scaled = full.getImageData(0, 0, width, height).data;
  full.clearRect(0, 0, width, height);
  full.drawImage(bitmap, 0, 0);
  const rgba = full.getImageData(0, 0, width, height).data;
  for (let i = 3; i < rgba.length; i += 4) rgba[i] = scaled[i];
  return encode(rgba, width, height);
}

offer({
  async create({threads, backend, model}) {
    const gpu = backend === 'webgpu';
    ort = await import(gpu ? './ort/ort.webgpu.min.mjs' : './ort/ort.wasm.min.mjs');
    ort.env.wasm.wasmPaths = new URL('ort/', document.baseURI).href;
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = 'error';
    session = await ort.InferenceSession.create(await bytesOf(model), {
      executionProviders: [gpu ? 'webgpu' : 'wasm'],
      graphOptimizationLevel: 'all',
    });
    return `${ort.env.wasm.numThreads} threads`;
  },
  async job(photo) {
    if (photo) return cut(photo);
    const {output} = await session.run(speechFeeds((dtype, dims, data) => new ort.Tensor(dtype, data, dims)));
    return [255 * output.data[0]];
  },
});
