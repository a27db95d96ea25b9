// The folders that the comparisons' pages are served from: build/web/bench (web.mjs), build/web/bench-run (run.mjs).
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {root} from '../../tests/web/harness.mjs';
import {placeFile, readJson} from '../../web/files.mjs';

let folder = path.join(root, 'build/web/bench');

const place = (from, to) => placeFile(from, path.join(folder, to));

export const pageOf = name => `${name}.html`;

const html = script =>
  `<!doctype html><meta charset="utf-8"><title>bench</title><link rel="icon" href="data:,">\n${script}\n`;
const esbuild = () => createRequire(path.join(root, 'build/web-node/node_modules/x.js'))('esbuild');
const versionOf = at => readJson(path.join(at, 'package.json')).version;

/** sluice-web and onnxruntime-web, as their packages have them; the folder of the latter's package. */
function placeRuntimes(modules) {
  fs.cpSync(path.join(root, 'build/web/sluice-web'), path.join(folder, 'sluice-web'), {recursive: true});
  const ort = path.join(modules, 'onnxruntime-web-1.30');
  if (!fs.existsSync(ort)) return null;
  for (const name of fs.readdirSync(path.join(ort, 'dist'))) {
    if (/\.min\.mjs$|^ort-wasm.*\.(mjs|wasm)$/.test(name)) place(path.join(ort, 'dist', name), `ort/${name}`);
  }
  return ort;
}

/**
 * The page of bench/run with the runtimes that are there: {folder, versions: {name: version or null}, addressOf(model)}.
 * @param modules the peers' node_modules
 */
export function stageRunPage(modules) {
  folder = path.join(root, 'build/web/bench-run');
  fs.rmSync(folder, {recursive: true, force: true});
  fs.mkdirSync(folder, {recursive: true});
  const ort = placeRuntimes(modules);
  const litert = path.join(modules, '@litertjs/core');
  const hasLitert = fs.existsSync(litert);
  if (hasLitert) {
    esbuild().buildSync({
      entryPoints: [path.join(litert, 'dist/index.js')],
      bundle: true,
      minify: true,
      format: 'esm',
      outfile: path.join(folder, 'litert/litert.js'),
      nodePaths: [modules],
      logLevel: 'error',
    });
    for (const name of fs.readdirSync(path.join(litert, 'wasm'))) {
      place(path.join(litert, 'wasm', name), `litert/wasm/${name}`);
    }
  }
  place(path.join(root, 'bench/web/page_run.mjs'), 'page_run.mjs');
  place(path.join(root, 'bench/feeds.mjs'), 'feeds.mjs');
  fs.writeFileSync(path.join(folder, 'run.html'), html('<script type="module" src="page_run.mjs"></script>'));
  return {
    folder,
    versions: {
      'sluice-web': versionOf(path.join(root, 'build/web/sluice-web')),
      'onnxruntime-web': ort && versionOf(ort),
      'LiteRT.js': hasLitert ? versionOf(litert) : null,
    },
    addressOf({file}) {
      const to = `models/${file.replace(/[^\w.]+/g, '_')}`;
      if (!fs.existsSync(path.join(folder, to))) place(path.join(root, file), to);
      return to;
    },
  };
}

/** Puts pages, runtimes, models and the photo where they are served from. */
export function stageSite({photo, peers, jobs}) {
  fs.rmSync(folder, {recursive: true, force: true});
  fs.mkdirSync(folder, {recursive: true});
  const modules = path.join(peers, 'node_modules');
  place(photo, 'photo');
  for (const {model} of jobs) place(path.join(root, 'build/models', model), `models/${model}`);
  const ort = placeRuntimes(modules);

  // @imgly/background-removal, bundled with the onnxruntime-web that it asks for; its files' directory is ours.
  const removal = path.join(modules, '@imgly/background-removal');
  if (fs.existsSync(removal)) {
    esbuild().buildSync({
      entryPoints: [path.join(removal, 'dist/index.mjs')],
      bundle: true,
      minify: true,
      splitting: true,
      format: 'esm',
      entryNames: 'imgly',
      outdir: path.join(folder, 'imgly'),
      nodePaths: [modules],
      logLevel: 'error',
      external: ['node:*', 'fs', 'path', 'module', 'worker_threads', 'url', 'os', 'perf_hooks'],
    });
    const resources = {};
    const add = (key, from, name, mime) => {
      place(from, `imgly/${name}`);
      const {size} = fs.statSync(from);
      resources[key] = {size, mime, chunks: [{name, offsets: [0, size]}]};
    };
    for (const {imgly, model} of jobs) {
      if (imgly)
        add(`/models/${imgly}`, path.join(root, 'build/models', model), `models/${imgly}`, 'application/octet-stream');
    }
    for (const base of ['ort-wasm-simd-threaded', 'ort-wasm-simd-threaded.jsep']) {
      for (const [kind, mime] of [
        ['wasm', 'application/wasm'],
        ['mjs', 'text/javascript'],
      ]) {
        const from = path.join(modules, 'onnxruntime-web/dist', `${base}.${kind}`);
        add(`/onnxruntime-web/${base}.${kind}`, from, `${base}.${kind}`, mime);
      }
    }
    fs.writeFileSync(path.join(folder, 'imgly/resources.json'), JSON.stringify(resources));
  }

  for (const name of ['sluice', 'ort', 'imgly']) {
    place(path.join(root, `bench/web/page_${name}.mjs`), `page_${name}.mjs`);
    fs.writeFileSync(path.join(folder, pageOf(name)), html(`<script type="module" src="page_${name}.mjs"></script>`));
  }
  place(path.join(root, 'bench/web/page.mjs'), 'page.mjs');
  fs.writeFileSync(path.join(folder, 'blank.mjs'), 'window.blank = true;\n');
  fs.writeFileSync(path.join(folder, pageOf('blank')), html('<script type="module" src="blank.mjs"></script>'));
  return {
    folder,
    versions: [
      `sluice-web ${versionOf(path.join(root, 'build/web/sluice-web'))}`,
      `onnxruntime-web ${versionOf(ort)}`,
      ...(fs.existsSync(removal)
        ? [
            `@imgly/background-removal ${versionOf(removal)} (with onnxruntime-web ${versionOf(path.join(modules, 'onnxruntime-web'))})`,
          ]
        : []),
    ],
    /** A manifest of models/ for whatever file has its inputs and outputs. */
    manifest(name, file) {
      const {sha256: _, bytes: __, url: ___, ...rest} = readJson(path.join(root, 'models', name));
      return {...rest, file};
    },
  };
}
