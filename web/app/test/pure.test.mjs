// The app's logic without a browser: src/pure/*.ts, bundled as they are.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {fileURLToPath, pathToFileURL} from 'node:url';
import zlib from 'node:zlib';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const esbuild = createRequire(path.join(root, 'build/web-node/node_modules/x.js'))('esbuild');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-pure-'));
process.on('exit', () => fs.rmSync(scratch, {recursive: true, force: true}));

async function load(file) {
  const out = path.join(scratch, `${path.basename(file, '.ts')}.mjs`);
  const entry = path.join(root, 'web', file);
  esbuild.buildSync({entryPoints: [entry], bundle: true, format: 'esm', outfile: out, logLevel: 'error'});
  return import(pathToFileURL(out));
}
const pure = name => load(`app/src/pure/${name}.ts`);
const {crc32} = await pure('crc32');
const {ZipWriter} = await pure('zip');
const {planNames, stemOf} = await pure('names');
const {encodePng} = await pure('png');
const {feather} = await pure('feather');
const {Stroke, falloff, tileRect} = await pure('brush');
const {History} = await pure('history');
const view = await pure('view');
const {blurredBackdrop} = await pure('backdrop');
const {coverPart, transparentRows} = await pure('composite');
const {backendLine, bindingRows, downloadNotes} = await pure('backend_line');
const {isolationSentence} = await pure('isolation');
const {bytesText, leftText} = await pure('format');
const {Estimate} = await pure('estimate');
const {recordJson} = await pure('record');
const {tierOf} = await pure('tiers');
const {parseCatalogue, findModel, modelKind, unpinnedSentence} = await pure('models');
const {pictureFacts} = await load('runtime/src/cutout/picture_size.ts');

let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;

test('crc32: known answers, in parts as a whole', () => {
  const text = new TextEncoder().encode('123456789');
  assert.equal(crc32(text), 0xcbf43926);
  const bytes = Uint8Array.from({length: 10_007}, () => random() * 256);
  for (const cut of [0, 1, 7, 8, 9, 5000]) assert.equal(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut))), crc32(bytes));
});

async function unzipped(blob) {
  const file = path.join(scratch, 'a.zip');
  fs.writeFileSync(file, Buffer.from(await blob.arrayBuffer()));
  const script = `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps([[i.filename, i.file_size, i.compress_type, z.read(i).hex(), i.date_time[0]] for i in z.infolist()]))`;
  const run = spawnSync('python3', ['-c', script, file], {encoding: 'utf8'});
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout);
}

for (const [what, max32, max16] of [['plain', 0xffffffff, 0xffff], ['ZIP64 sizes and offsets', 100, 0xffff], ['ZIP64 count', 0xffffffff, 2], ['ZIP64 offsets alone', 700, 0xffff]]) {
  test(`zip, ${what}: another program reads it`, async () => {
    const zip = new ZipWriter(max32, max16);
    const names = ['first.png', 'Übergröße 照片.png', 'empty', 'last'];
    const data = [300, 77, 0, 500].map(size => Uint8Array.from({length: size}, () => random() * 256));
    for (const [i, name] of names.entries()) await zip.add({name, data: new Blob([data[i]]), modified: new Date(2024, 4, 6, 7, 8, 10)});
    const entries = await unzipped(zip.finish());
    assert.deepEqual(entries, names.map((name, i) => [name, data[i].length, 0, Buffer.from(data[i]).toString('hex'), 2024]));
  });
}
test('zip: an abort ends it', async () => {
  const controller = new AbortController();
  controller.abort();
  await assert.rejects(new ZipWriter().add({name: 'a', data: new Blob(['b'])}, controller.signal));
});

test("names: the command line's rules", () => {
  assert.equal(stemOf('a/b.c/photo.old.jpg'), 'photo.old');
  assert.equal(stemOf('.hidden'), '.hidden');
  assert.equal(stemOf(''), 'picture');
  assert.deepEqual(planNames(['a.jpg', 'a.png', 'a.jpg', 'b'], '.png'), ['a-cutout.png', 'a-cutout-2.png', 'a-cutout-3.png', 'b.png']);
  assert.deepEqual(planNames(['a.jpg', 'a.webp', 'a-2.jpg'], '.png'), ['a.png', 'a-2.png', 'a-2-2.png']);
  assert.deepEqual(planNames(['x:y?.jpg'], '.png'), ['x_y_.png']);
  const many = planNames(Array.from({length: 500}, (_, i) => `p${i % 7}.jpg`), '.png');
  assert.equal(new Set(many).size, 500);
});

function decodePng(file) {
  const chunks = [];
  let at = 8, head;
  while (at < file.length) {
    const size = file.readUInt32BE(at), type = file.toString('latin1', at + 4, at + 8), body = file.subarray(at + 8, at + 8 + size);
    assert.equal(file.readUInt32BE(at + 8 + size), crc32(file.subarray(at + 4, at + 8 + size)), `CRC of ${type}`);
    if (type === 'IHDR') head = body;
    if (type === 'IDAT') chunks.push(body);
    at += 12 + size;
  }
  const width = head.readUInt32BE(0), height = head.readUInt32BE(4), channels = {0: 1, 2: 3, 6: 4}[head[9]];
  const raw = zlib.inflateSync(Buffer.concat(chunks)), stride = width * channels, out = new Uint8Array(stride * height);
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < stride; ++x) {
      const left = x >= channels ? out[y * stride + x - channels] : 0, up = y ? out[(y - 1) * stride + x] : 0;
      out[y * stride + x] = raw[y * (stride + 1) + 1 + x] + [0, left, up][raw[y * (stride + 1)]];
    }
  }
  return {width, height, channels, out};
}

for (const channels of [1, 3, 4]) {
  for (const [width, height] of [[1, 1], [7, 130], [200, 65]]) {
    test(`png: ${width} x ${height}, ${channels} channels, every value kept`, async () => {
      const pixels = Uint8Array.from({length: width * height * channels}, (_, i) => (i % 3 ? random() * 256 : i >> 4));
      const blob = await encodePng({
        width, height, channels, rows: (first, count) => pixels.subarray(first * width * channels, (first + count) * width * channels),
      });
      const back = decodePng(Buffer.from(await blob.arrayBuffer()));
      assert.deepEqual([back.width, back.height, back.channels], [width, height, channels]);
      assert.deepEqual(back.out, pixels);
    });
  }
}

test('transparent rows: nothing is hidden under full transparency', () => {
  const foreground = Uint8ClampedArray.from([1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255]);
  assert.deepEqual([...transparentRows(foreground, Uint8Array.of(0, 128, 255), 0, 3)], [0, 0, 0, 0, 4, 5, 6, 128, 7, 8, 9, 255]);
});

test('feather: a part equals the whole; 0 copies; a constant stays; the mean is kept', () => {
  const width = 61, height = 47;
  const alpha = Uint8Array.from({length: width * height}, () => (random() > 0.5 ? 255 : 0));
  const whole = {x: 0, y: 0, width, height};
  assert.deepEqual(feather(alpha, width, height, 0, whole), alpha);
  for (const radius of [1, 2, 5, 9]) {
    const all = feather(alpha, width, height, radius, whole);
    for (const part of [{x: 0, y: 0, width: 9, height: 5}, {x: 20, y: 13, width: 17, height: 11}, {x: 50, y: 40, width: 11, height: 7}]) {
      const some = feather(alpha, width, height, radius, part);
      for (let y = 0; y < part.height; ++y) {
        for (let x = 0; x < part.width; ++x) {
          const expected = all[(part.y + y) * width + part.x + x];
          assert.equal(some[y * part.width + x], expected, `radius ${radius} at ${x}, ${y}`);
        }
      }
    }
    const flat = new Uint8Array(width * height).fill(200);
    assert.deepEqual(feather(flat, width, height, radius, whole), flat);
  }
});

test('brush: hard and soft edges, strokes that do not add up', () => {
  assert.equal(falloff(0, 10, 0), 1);
  assert.equal(falloff(10, 10, 1), 0);
  assert.ok(falloff(5, 10, 0) > 0.4 && falloff(5, 10, 0) < 0.6);
  const width = 200, height = 150;
  const alpha = new Uint8Array(width * height);
  const stroke = new Stroke(alpha, width, height, {radius: 20, hardness: 0, target: 255});
  stroke.to(60, 70);
  const once = alpha.slice();
  for (let i = 0; i < 20; ++i) stroke.to(60, 70);
  assert.deepEqual(alpha, once);
  const rect = stroke.to(400, 400);
  assert.ok(rect.x + rect.width <= width && rect.y + rect.height <= height);
  const hard = new Uint8Array(width * height);
  new Stroke(hard, width, height, {radius: 10, hardness: 1, target: 255}).to(100, 75);
  const area = hard.reduce((sum, value) => sum + value / 255, 0);
  assert.ok(Math.abs(area - Math.PI * 100) < 0.1 * Math.PI * 100, `${area}`);
});

test('history: undo and redo give the same bytes; the oldest go when there is no room', () => {
  const width = 190, height = 140;
  const alpha = Uint8Array.from({length: width * height}, () => random() * 256);
  const states = [alpha.slice()];
  const history = new History(alpha, width, height, 64 * 64 * 40);
  const paint = () => {
    const stroke = new Stroke(alpha, width, height, {radius: 12, hardness: random(), target: random() > 0.5 ? 255 : 0});
    for (let i = 0; i < 6; ++i) stroke.to(random() * width, random() * height);
    history.push(stroke.finish());
    states.push(alpha.slice());
  };
  for (let i = 0; i < 4; ++i) paint();
  for (let i = 3; i >= 1; --i) {
    history.undo();
    assert.deepEqual(alpha, states[i]);
  }
  history.redo();
  assert.deepEqual(alpha, states[2]);
  paint();
  assert.equal(history.canRedo, false);
  history.undo();
  assert.deepEqual(alpha, states[2]);
  for (let i = 0; i < 40; ++i) paint();
  let undone = 0;
  while (history.undo()) ++undone;
  assert.ok(undone > 0 && undone < 40, `${undone} strokes are kept`);
  assert.deepEqual(tileRect(190, 140, 2), {x: 128, y: 0, width: 62, height: 64});
});

test('view: zooming keeps the point under the cursor, fitting shows all', () => {
  const picture = {width: 3000, height: 2000}, stage = {width: 900, height: 600};
  const fitted = view.fit(picture, stage);
  assert.ok(picture.width * fitted.scale <= stage.width && picture.height * fitted.scale <= stage.height);
  const at = {x: 450, y: 300};
  const before = view.toPicture(fitted, at);
  const zoomed = view.zoomAt(fitted, 4, at, picture, stage);
  const after = view.toPicture(zoomed, at);
  assert.ok(Math.abs(before.x - after.x) < 1e-6 && Math.abs(before.y - after.y) < 1e-6);
  const far = view.pan(zoomed, 1e6, -1e6, picture, stage);
  const middle = view.toPicture(far, at);
  assert.ok(middle.x >= -1e-6 && middle.y <= picture.height + 1e-6, 'the picture can be lost');
  assert.equal(view.zoomAt(zoomed, 1e9, at, picture, stage).scale, view.kMaxScale);
  assert.ok(view.zoomAt(zoomed, 1e-9, at, picture, stage).scale >= fitted.scale - 1e-12);
});

test('backdrop: the subject does not bleed into its surroundings', () => {
  const width = 60, height = 40, count = width * height;
  const pixels = new Uint8ClampedArray(count * 4).fill(255), alpha = new Uint8Array(count);
  for (let i = 0; i < count; ++i) {
    const inside = i % width > 20 && i % width < 40;
    pixels.set(inside ? [255, 0, 0, 255] : [0, 0, 255, 255], i * 4);
    alpha[i] = inside ? 255 : 0;
  }
  const out = blurredBackdrop(pixels, alpha, width, height, 6);
  for (let i = 0; i < count; ++i) assert.ok(out[i * 4] < 12 && out[i * 4 + 2] > 240 && out[i * 4 + 3] === 255, `${i}: ${out.subarray(i * 4, i * 4 + 4)}`);
  const all = blurredBackdrop(pixels, new Uint8Array(count).fill(255), width, height, 6);
  assert.ok(all.every(Number.isFinite));
});

test('cover: centred, the whole frame filled', () => {
  assert.deepEqual(coverPart({width: 100, height: 100}, {width: 200, height: 100}), {x: 0, y: 25, width: 100, height: 50});
  assert.deepEqual(coverPart({width: 300, height: 100}, {width: 50, height: 50}), {x: 100, y: 0, width: 100, height: 100});
  const tiny = coverPart({width: 1, height: 5000}, {width: 4000, height: 3});
  assert.ok(tiny.width === 1 && tiny.height >= 1);
});

test('the line tells which backend ran, and why', () => {
  const base = {requested: 'auto', bound: 'cpu', evidence: 'proven', reason: '', threads: 4, islands: [], gate: [], failovers: [], console: '', events: []};
  const adapter = {present: true, vendor: 'intel', architecture: 'xe', description: '', device: '', software: false};
  assert.equal(backendLine({...base, bound: 'webgpu', adapter}), 'GPU: intel xe');
  assert.equal(backendLine({...base, bound: 'webgpu', adapter: {...adapter, description: 'Intel Arc', software: true}, islands: [{}]}), 'GPU: Intel Arc (software) · 1 step on the CPU');
  assert.equal(backendLine({...base, gate: [{check: 'a', passed: true, sentence: 'x'}, {check: 'b', passed: false, sentence: 'The adapter computes on the CPU.'}]}),
    'CPU, 4 threads: the GPU was refused because the adapter computes on the CPU');
  assert.equal(backendLine({...base, requested: 'cpu', threads: 1}), 'CPU, 1 thread: as asked');
  assert.match(backendLine({...base, failovers: [{stage: 'run 2', error: 'The device was lost.', device_lost: true}]}), /the GPU failed \(the device was lost\)/);
});

test('what a download says of itself', () => {
  assert.deepEqual(downloadNotes({download: {from: 'network', notes: ['The model is not stored.']}}), ['The model is not stored.']);
  for (const download of [undefined, {}, {notes: []}, {notes: 'x'}]) assert.deepEqual(downloadNotes({download}), []);
});

test('the rows behind it: words instead of identifiers', () => {
  const rows = binding => Object.fromEntries(bindingRows(binding).map(({label, value}) => [label, value]));
  const base = {requested: 'auto', bound: 'cpu', evidence: 'proven', reason: 'none', threads: 2, islands: [], gate: [], failovers: [], instruction_set: 'relaxed'};
  const told = rows(base);
  assert.deepEqual([told['Asked for'], told['Runs on'], told['Instructions']], ['GPU, then CPU', 'CPU (proven)', 'relaxed SIMD']);
  const other = rows({...base, requested: 'webgpu', bound: 'webgpu', instruction_set: 'simd128'});
  assert.deepEqual([other['Asked for'], other['Runs on'], other['Instructions']], ['GPU', 'GPU (proven)', 'SIMD']);
});

test('isolation: the missing header is named', () => {
  assert.equal(isolationSentence({isolated: true, secure: true}), null);
  const one = isolationSentence({isolated: false, secure: true, opener: 'same-origin', embedder: null});
  assert.ok(one.includes('Cross-Origin-Embedder-Policy') && !one.includes('Opener'));
  const two = isolationSentence({isolated: false, secure: true, opener: null, embedder: null});
  assert.ok(two.includes('Embedder') && two.includes('Opener'));
  assert.match(isolationSentence({isolated: false, secure: false}), /https/);
});

test('numbers as people read them', () => {
  assert.deepEqual([0, 999, 1000, 44_342_436, 1.2e9].map(bytesText), ['0 bytes', '999 bytes', '1.0 KB', '44 MB', '1.2 GB']);
  assert.deepEqual([1, 33, 60, 600, 7200].map(leftText), ['a few seconds left', 'about 35 seconds left', 'about a minute left', 'about 10 minutes left', 'about 2 hours left']);
  const estimate = new Estimate();
  assert.equal(estimate.left(5), null);
  estimate.add(30);
  estimate.add(1);
  assert.equal(estimate.left(10), 10);
});

test('record: the members that the command line writes', () => {
  const micros = {decode: 1000, prepare: 2000, run: 3000, refine: 4000, encode: 5000};
  const json = JSON.parse(recordJson({model: 'm', file: 'f', licence: 'l', binding: {requested: 'auto', bound: 'cpu', reason: 'r', model_sha256: 's'}},
    [{input: 'a', status: 'done', output: 'a.png', width: 1, height: 2, micros}, {input: 'b', status: 'failed', error: 'no'}]));
  assert.deepEqual(json.images[0].milliseconds, {decode: 1, prepare: 2, run: 3, refine: 4, encode: 5, total: 15});
  assert.deepEqual(json.images[1], {input: 'b', status: 'failed', error: 'no'});
  assert.deepEqual([json.model, json.requested, json.bound, json.reason, json.model_sha256], ['m', 'auto', 'cpu', 'r', 's']);
});

test('tiers: phones get less', () => {
  assert.equal(tierOf({mobile: true, memory: 8}).name, 'small');
  assert.equal(tierOf({mobile: false, memory: 2}).name, 'small');
  assert.equal(tierOf({mobile: false, memory: 4}).name, 'medium');
  assert.equal(tierOf({mobile: false}).name, 'large');
});

test('models: the generated catalogue is read, others are refused', () => {
  const models = [{name: 'a', file: 'a.onnx'}, {name: 'b', file: 'b.tflite'}];
  const catalogue = parseCatalogue({fast: 'a', best: 'b', models});
  assert.equal(findModel(catalogue, 'best').name, 'b');
  assert.equal(findModel(catalogue, 'c'), undefined);
  for (const bad of [null, {}, {fast: 'a', best: 'c', models}, {fast: 1, best: 'b', models}]) assert.throws(() => parseCatalogue(bad));
  assert.deepEqual(['x.ONNX', 'y.tflite', 'z.png'].map(modelKind), ['onnx', 'tflite', null]);
  for (const sha256 of [undefined, null, '']) {
    assert.match(unpinnedSentence({title: 'A', source: 'afar', sha256}), /The model A is not used, .*SHA-256.*afar/);
  }
  assert.equal(unpinnedSentence({title: 'A', source: 'afar', sha256: 'a'.repeat(64)}), '');
});

test('picture sizes: before anything is decoded, and never beyond the bytes', () => {
  const png = Buffer.alloc(64);
  png.writeUInt32BE(0x89504e47, 0);
  png.writeUInt32BE(40_000, 16);
  png.writeUInt32BE(30_000, 20);
  assert.deepEqual(pictureFacts(png), {type: 'png', width: 40_000, height: 30_000});
  const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xc2, 0, 17, 8, 0x01, 0x02, 0x03, 0x04, 3, 0, 0, 0, 0]);
  assert.deepEqual(pictureFacts(jpeg), {type: 'jpeg', width: 0x304, height: 0x102});
  const heic = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic'), Buffer.alloc(8)]);
  assert.deepEqual(pictureFacts(heic), {type: 'heic'});
  const webp = Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBPVP8X'), Buffer.alloc(8), Buffer.from([99, 0, 0, 49, 0, 0])]);
  assert.deepEqual(pictureFacts(webp), {type: 'webp', width: 100, height: 50});
  for (const whole of [png, jpeg, heic, webp]) {
    for (let size = 0; size < whole.length; ++size) assert.doesNotThrow(() => pictureFacts(whole.subarray(0, size)));
    for (let i = 0; i < whole.length * 8; ++i) {
      const flipped = Buffer.from(whole);
      flipped[i >> 3] ^= 1 << (i & 7);
      assert.doesNotThrow(() => pictureFacts(flipped));
    }
  }
});
