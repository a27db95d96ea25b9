// The package as other people's projects take it: from a plain module script, and through Vite, webpack and
// esbuild. Each page runs a small model in the browser; the figures are those of the command line.
import {execFileSync, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import zlib from 'node:zlib';
import {need, root, start} from './harness.mjs';

const model = 'build/data/onnx-models/mnist/model.onnx';
need('build/sluice', 'build/web/sluice-web/sluice-simd.wasm', model);
need(
  'build/browser-node/node_modules/vite',
  'build/browser-node/node_modules/webpack',
  'build/web-node/node_modules/esbuild',
);
const project = path.join(root, 'build/web/pages/bundlers');
const packageFolder = path.join(root, 'build/web/sluice-web');
const load = async (folder, name) => {
  const file = createRequire(path.join(root, folder, 'x.js')).resolve(name);
  const module = await import(pathToFileURL(file));
  return module.default ?? module;
};
const esbuild = await load('build/web-node', 'esbuild');

// --- the project: a page that runs the model, with sluice-web in node_modules as `npm install <folder>` puts it.
fs.rmSync(project, {recursive: true, force: true});
fs.mkdirSync(path.join(project, 'node_modules'), {recursive: true});
fs.symlinkSync(packageFolder, path.join(project, 'node_modules/sluice-web'));
const html = script =>
  `<!doctype html><meta charset="utf-8"><title>bundlers</title><link rel="icon" href="data:,">${script}\n`;
const values = Array.from({length: 784}, (_, i) => ((i * 7919) % 997) / 997);
const source = specifier => `
import {Session} from '${specifier}';
const data = Float32Array.from({length: 784}, (_, i) => ((i * 7919) % 997) / 997);
try {
  const session = await Session.create(new URL('/pages/bundlers/model.onnx', location.href), {backends: ['cpu']});
  const results = await session.run({Input3: {dtype: 'float32', dims: [1, 1, 28, 28], data}});
  window.result = {
    values: Array.from(results.Plus214_Output_0.data),
    bound: session.binding.bound,
    threads: session.binding.threads,
  };
  await session.dispose();
} catch (error) {
  window.result = {error: error.message};
}
`;
fs.copyFileSync(path.join(root, model), path.join(project, 'model.onnx'));
fs.writeFileSync(path.join(project, 'package.json'), JSON.stringify({type: 'module', private: true}));
fs.writeFileSync(path.join(project, 'main.js'), source('sluice-web'));
fs.writeFileSync(path.join(project, 'index.html'), html('<script type="module" src="/main.js"></script>'));
const only = {
  error: "import {SluiceError} from 'sluice-web'; console.log(SluiceError);",
  session: "import {Session} from 'sluice-web'; console.log(Session);",
  cutout:
    "import {Session} from 'sluice-web'; import * as cutout from 'sluice-web/cutout'; console.log(Session, cutout);",
};

// --- what the command line makes of the same input.
function npy(floats, dims) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(', ')}), }`;
  const header = `${text}${' '.repeat(63 - ((10 + text.length) % 64))}\n`;
  const out = Buffer.alloc(10 + header.length + floats.length * 4);
  out.write('\x93NUMPY\x01\x00', 'latin1');
  out.writeUInt16LE(header.length, 8);
  out.write(header, 10, 'latin1');
  floats.forEach((value, i) => out.writeFloatLE(value, 10 + header.length + i * 4));
  return out;
}
fs.writeFileSync(path.join(project, 'input.npy'), npy(values, [1, 1, 28, 28]));
execFileSync('build/sluice', [
  'run',
  model,
  '--backend',
  'cpu',
  '--input',
  `Input3=${project}/input.npy`,
  '--out',
  `${project}/out`,
]);
const output = fs.readFileSync(
  path.join(
    project,
    'out',
    fs.readdirSync(path.join(project, 'out')).find(name => /^0_.*npy$/.test(name)),
  ),
);
const expected = Array.from({length: 10}, (_, i) => output.readFloatLE(output.length - 40 + i * 4));

const builders = {
  async plain() {
    const out = path.join(project, 'plain');
    fs.mkdirSync(out);
    fs.writeFileSync(path.join(out, 'main.js'), source('/sluice-web/index.js'));
    fs.writeFileSync(path.join(out, 'index.html'), html('<script type="module" src="main.js"></script>'));
  },
  async esbuild() {
    // esbuild leaves new URL(…, import.meta.url) alone: the package's files go beside the bundle.
    const out = path.join(project, 'esbuild');
    await esbuild.build({
      entryPoints: [path.join(project, 'main.js')],
      bundle: true,
      minify: true,
      format: 'esm',
      outdir: out,
      logLevel: 'error',
    });
    for (const name of fs.readdirSync(packageFolder)) {
      if (/^(worker|thread)\.js$|\.wasm$/.test(name))
        fs.copyFileSync(path.join(packageFolder, name), path.join(out, name));
    }
    fs.writeFileSync(path.join(out, 'index.html'), html('<script type="module" src="main.js"></script>'));
  },
  async vite() {
    const vite = await load('build/browser-node', 'vite');
    await vite.build({
      root: project,
      base: './',
      configFile: false,
      logLevel: 'error',
      build: {outDir: path.join(project, 'vite'), emptyOutDir: true, target: 'es2022'},
    });
  },
  async webpack() {
    const webpack = await load('build/browser-node', 'webpack');
    const stats = await new Promise((resolve, reject) =>
      webpack(
        {
          mode: 'production',
          context: project,
          entry: './main.js',
          output: {path: path.join(project, 'webpack'), filename: 'main.js'},
          performance: {hints: false},
        },
        (error, done) => (error ? reject(error) : resolve(done)),
      ),
    );
    if (stats.hasErrors() || stats.hasWarnings())
      throw new Error(stats.toString({all: false, errors: true, warnings: true}));
    fs.writeFileSync(path.join(project, 'webpack/index.html'), html('<script defer src="main.js"></script>'));
  },
};

const web = await start();
const {check, test} = web;
for (const [name, build] of Object.entries(builders)) {
  await test(`${name}: builds, and runs a model`, async () => {
    await build();
    for (const isolated of [true, false]) {
      const server = isolated ? web.server : await web.serve('build/web', {isolated: false});
      const page = await web.page(`pages/bundlers/${name}/`, {url: server.url});
      await page.waitForFunction(() => window.result);
      const result = await page.evaluate(() => window.result);
      check(!result.error, result.error);
      check(result.bound === 'cpu', `bound to ${result.bound}`);
      check(isolated ? result.threads >= 1 : result.threads === 1, `${result.threads} threads`);
      result.values.forEach((value, i) => {
        const error = Math.abs(value - expected[i]);
        check(error <= 1e-4 + 1e-3 * Math.abs(expected[i]), `value ${i} is ${value} (${expected[i]} expected)`);
      });
    }
  });
}

await test('a classic script: it is told what it needs, and runs with that', async () => {
  for (const [name, more] of Object.entries({lost: '', found: "assets: '/sluice-web/', "})) {
    const out = path.join(project, `classic-${name}`);
    await esbuild.build({
      stdin: {
        contents: source('sluice-web')
          .replace(/^(?=try)/m, '(async () => {\n')
          .replace('{backends', `{${more}backends`)
          .concat('})();'),
        resolveDir: project,
      },
      bundle: true,
      format: 'iife',
      outfile: path.join(out, 'main.js'),
      logLevel: 'error',
    });
    fs.writeFileSync(path.join(out, 'index.html'), html('<script defer src="main.js"></script>'));
    const page = await web.page(`pages/bundlers/classic-${name}/`);
    await page.waitForFunction(() => window.result);
    const {error, bound} = await page.evaluate(() => window.result);
    if (more) check(bound === 'cpu', error);
    else check(/does not know its own address/.test(error), `it fails with: ${error}`);
  }
});

await test('the types that come along satisfy the strict compiler, however it resolves modules', async () => {
  const text = `
    import {Session, SluiceError, type Binding, type Results} from 'sluice-web';
    import {Cutter} from 'sluice-web/cutout';
    const session = await Session.create(new Uint8Array(8), {backends: ['webgpu'], cache: {persist: true}});
    const binding: Binding = session.binding;
    const results: Results = await session.run({});
    console.log(binding.bound, results, SluiceError, Cutter);\n`;
  fs.writeFileSync(path.join(project, 'user.ts'), text);
  // What the documents show, as it stands there; what they leave to the reader is declared.
  const given = {
    'README.md': 'declare const pixels: Float32Array;',
    'web/runtime/README.md': '',
    'docs/background-remover.md':
      'declare const manifest: string, file: File, signal: AbortSignal, editedAlpha: Uint8Array;',
  };
  const users = ['user.ts'];
  for (const [document, declared] of Object.entries(given)) {
    const blocks = [...fs.readFileSync(path.join(root, document), 'utf8').matchAll(/^```[jt]s\n(.*?)^```/gms)];
    check(blocks.length > 0, `${document} shows no code`);
    for (const [, block] of blocks) {
      users.push(`shown${users.length}.ts`);
      fs.writeFileSync(path.join(project, users.at(-1)), `${declared}\n${block}\nexport {};\n`);
    }
  }
  const tsc = path.join(root, 'build/web-node/node_modules/.bin/tsc');
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    'false',
    '--target',
    'es2022',
    '--lib',
    'es2022,dom',
    '--types',
    '',
  ];
  for (const [module, resolution] of [
    ['esnext', 'bundler'],
    ['nodenext', 'nodenext'],
  ]) {
    const run = spawnSync(tsc, [...options, '--module', module, '--moduleResolution', resolution, ...users], {
      cwd: project,
      encoding: 'utf8',
    });
    check(run.status === 0, `${resolution}: ${run.stdout}${run.stderr}`);
  }
});

await test('what is not used is dropped', async () => {
  const size = async text => {
    const built = await esbuild.build({
      stdin: {contents: text, resolveDir: project},
      bundle: true,
      minify: true,
      format: 'esm',
      splitting: true,
      outdir: path.join(project, 'sizes'),
      write: false,
      logLevel: 'error',
      metafile: true,
    });
    const first = built.outputFiles.find(file => /stdin\.js$/.test(file.path)) ?? built.outputFiles[0];
    return {bytes: first.contents.length, text: first.text};
  };
  const error = await size(only.error);
  const session = await size(only.session);
  console.log(`        SluiceError alone ${error.bytes} bytes, Session ${session.bytes} bytes`);
  check(error.bytes < 2000, `SluiceError alone takes ${error.bytes} bytes`);
  check(session.bytes < 20_000, `Session takes ${session.bytes} bytes in the page`);
  if (fs.existsSync(path.join(packageFolder, 'cutout/index.js'))) {
    const cutout = await size(only.cutout);
    console.log(`        with the cutout ${cutout.bytes} bytes`);
    check(cutout.bytes > session.bytes + 500, 'the cutout adds nothing: it is in there without being asked for');
    check(!/cutout/i.test(session.text), 'the cutout is in a bundle that does not import it');
  }
});

await test('the modules stay small', async () => {
  // A lower quality than hosts use: seconds instead of a minute, and a few per cent more.
  const params = {[zlib.constants.BROTLI_PARAM_QUALITY]: 9};
  for (const [name, limit] of [
    ['sluice-relaxed-threads.wasm', 1_250_000],
    ['sluice-cpu-relaxed-threads.wasm', 900_000],
  ]) {
    const bytes = fs.readFileSync(path.join(packageFolder, name));
    const packed = zlib.brotliCompressSync(bytes, {params}).length;
    console.log(`        ${name}: ${bytes.length} bytes, brotli ${packed}`);
    check(packed < limit, `${name} takes ${packed} bytes in brotli (limit ${limit})`);
  }
});
await web.finish();
