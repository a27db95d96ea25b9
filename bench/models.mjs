// The models of the comparison. What is not on this machine is said and left out (present).
import fs from 'node:fs';
import {writeOperators} from './operators.mjs';

const picture = side => ({input: ['float32', [1, 3, side, side]]});
const isnet32 = {file: 'build/models/isnet_f32_1024.onnx', inputs: picture(1024), slow: true};
// 119 layers, each rounded to bytes by the range of what came before: runtimes differ in the last places of a sum, so
// now and then in a rounding.
const bytesApart = 0.02;
const isnet8 = {file: 'build/models/isnet_small.onnx', inputs: picture(1024), slow: true, apart: bytesApart};

const nets = [
  {name: 'IS-Net float32 1024', ...isnet32},
  {name: 'IS-Net float32 1024, mask only', ...isnet32, outputs: ['output']},
  {name: 'IS-Net dynamic uint8 1024', ...isnet8},
  {name: 'IS-Net dynamic uint8 1024, mask only', ...isnet8, outputs: ['output']},
  {name: 'IS-Net float32 256', file: 'build/models/isnet_f32_256.onnx', inputs: picture(256)},
  {
    name: 'IS-Net dynamic uint8 256',
    file: 'build/models/isnet_small_256.onnx',
    inputs: picture(256),
    apart: bytesApart,
  },
  {
    name: 'selfie segmentation',
    file: 'build/models/selfie_segmentation.tflite',
    inputs: {input_1: ['float32', [1, 256, 256, 3]]},
  },
  {
    name: 'selfie segmentation, landscape, ONNX',
    file: 'build/suites/onnx-models/selfie_segmentation_landscape/model.onnx',
    inputs: {input_1: ['float32', [1, 144, 256, 3]]},
  },
  {
    name: 'hand landmark full',
    file: 'build/models/hand_landmark_full.tflite',
    inputs: {input_1: ['float32', [1, 224, 224, 3]]},
  },
  {
    name: 'hand landmark lite',
    file: 'build/models/hand_landmark_lite.tflite',
    inputs: {input_1: ['float32', [1, 224, 224, 3]]},
  },
  {
    name: 'MobileNet v2 static int8',
    file: 'build/data/onnx-models/mobilenet_v2_qdq_int8/model.onnx',
    inputs: {image: ['float32', [1, 3, 244, 244]]},
    // Scores are bytes times a step: where a sum is half a step, runtimes round to either side.
    apart: 5e-3,
  },
  {
    name: 'silero VAD',
    file: 'build/models/silero_vad_v5.onnx',
    inputs: {input: ['float32', [1, 512]], state: ['float32', [2, 1, 128]], sr: ['int64', [], 16000]},
    direct: true,
  },
];

/**
 * All models: {name, file, inputs, outputs?: the values computed, apart: how far results may lie apart (feeds.mjs,
 * distance), slow?: runs of a second and more, direct?: also without a worker, since its runs are as short as a message,
 * recycle?: also with results in the memory of the last ones, since they are large}.
 * 'tiny' is only for whoever names it.
 */
export function allModels() {
  return [...nets, ...writeOperators('build/bench')].map(one => ({
    apart: 1e-5,
    ...one,
    format: one.file.split('.').at(-1),
  }));
}

export const present = model => fs.existsSync(model.file);
