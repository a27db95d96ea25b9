// Builds build/web/sluice-web (the npm package) and build/web/app (the static site). Run by tools/web.
//   node web/build.mjs [package] [app]
// Each entry is bundled into one file, since every further import is a round trip before a page can begin: index.js,
// cutout/index.js (which takes Session from there) and same_thread.js. What runs in a worker, too: every source named
// worker.ts or thread.ts becomes /worker.js or /thread.js at the package's top, beside the .wasm files. Hence code
// writes new URL('./sluice-simd.wasm', import.meta.url) whatever folder its source lies in. Bundlers of others drop
// what is not used of an entry as long as its top level has no effects.
import {spawnSync} from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {placeFile, readJson} from './files.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const tools = path.join(root, 'build/web-node/node_modules');
const source = path.join(root, 'web/runtime/src');
const appSource = path.join(root, 'web/app');
const stage = path.join(root, 'build/web/stage');
const packageOut = path.join(root, 'build/web/sluice-web');
const appOut = path.join(root, 'build/web/app');
const steps = process.argv.slice(2);
const esbuild = createRequire(path.join(tools, 'x.js'))('esbuild');
const version = /VERSION (\d+\.\d+\.\d+)/.exec(fs.readFileSync(path.join(root, 'CMakeLists.txt'), 'utf8'))[1];

function filesBelow(folder, keep = () => true) {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, {recursive: true, withFileTypes: true})
    .filter(entry => entry.isFile())
    .map(entry => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .filter(name => !name.split(path.sep).includes('node_modules') && keep(name))
    .sort();
}

/** A folder's new contents: only what differs is written, what is not named is removed. */
class Output {
  constructor(folder) {
    this.folder = folder;
    this.names = new Set();
  }
  write(name, bytes) {
    const target = path.join(this.folder, name);
    this.names.add(path.normalize(name));
    const data = Buffer.from(bytes);
    if (fs.existsSync(target) && fs.readFileSync(target).equals(data)) return;
    fs.mkdirSync(path.dirname(target), {recursive: true});
    fs.writeFileSync(`${target}.part`, data);
    fs.renameSync(`${target}.part`, target);
  }
  copy(from, name) {
    this.write(name, fs.readFileSync(from));
  }
  /** Large files: a hard link where the file system has them. */
  link(from, name) {
    const target = path.join(this.folder, name);
    this.names.add(path.normalize(name));
    const wanted = fs.statSync(from);
    const there = fs.existsSync(target) ? fs.statSync(target) : undefined;
    if (there && (there.ino === wanted.ino || (there.size === wanted.size && there.mtimeMs >= wanted.mtimeMs))) return;
    placeFile(from, target);
  }
  finish() {
    for (const name of filesBelow(this.folder)) {
      if (!this.names.has(path.normalize(name))) fs.rmSync(path.join(this.folder, name));
    }
  }
}

// --- the compiler's output: one .js and one .d.ts for each source.
function emit() {
  fs.rmSync(stage, {recursive: true, force: true});
  const tsc = spawnSync(process.execPath, [path.join(tools, 'typescript/bin/tsc'), '-p', 'web/runtime/tsconfig.json'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (tsc.status !== 0) {
    process.stdout.write(tsc.stdout + tsc.stderr);
    process.exitCode = 1; // the rest is built all the same
  }
}

/** The declarations that `entries` need, themselves included, by their relative imports. */
function reachable(entries) {
  const found = new Set();
  const visit = name => {
    if (found.has(name) || !fs.existsSync(path.join(stage, name))) return;
    found.add(name);
    const text = fs.readFileSync(path.join(stage, name), 'utf8');
    for (const [, specifier] of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)['"]/g)) {
      const next = path.normalize(path.join(path.dirname(name), specifier));
      visit(next.replace(/\.js$/, '.d.ts'));
    }
  };
  entries.forEach(visit);
  return [...found];
}

const workerSources = filesBelow(source, name => ['worker.ts', 'thread.ts'].includes(path.basename(name)));

const bundleFolder = path.join(root, 'build/web/bundle');
const bundling = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  sourcemap: 'linked',
  write: false,
  logLevel: 'warning',
  absWorkingDir: root,
  outdir: bundleFolder,
  alias: {'sluice-web': path.join(source, 'index.ts'), 'sluice-web/cutout': path.join(source, 'cutout/index.ts')},
};
const filesOf = result =>
  result.outputFiles.map(file => ({name: path.relative(bundleFolder, file.path), bytes: file.contents}));

function bundle(entry, options = {}) {
  return filesOf(esbuild.buildSync({...bundling, entryPoints: [entry], ...options}));
}

// What cutout/index.js takes from index.js beyond what the latter's types tell of.
const sharedInside = `
export * from './index.ts';
export {channelOf} from './session.ts';
export {messageOf, throwIfAborted} from './errors.ts';
`;

/** Imports of these modules of the package become imports of `file`. */
const takenFrom = (file, modules) => ({
  name: 'shared',
  setup({onResolve}) {
    onResolve({filter: /^\.\.\//}, ({path: asked, resolveDir}) => {
      const name = path.relative(source, path.resolve(resolveDir, asked));
      return modules.includes(name) ? {path: file, external: true} : undefined;
    });
  },
});

/** The page's files. */
async function addPage(output) {
  const index = await esbuild.build({
    ...bundling,
    stdin: {contents: sharedInside, resolveDir: source, loader: 'ts', sourcefile: 'page.ts'},
    outfile: path.join(bundleFolder, 'index.js'),
    outdir: undefined,
    // Loaded only when it is needed.
    external: ['./same_thread.js'],
    metafile: true,
  });
  const {exports} = Object.values(index.metafile.outputs).find(one => one.entryPoint);
  const cutout = await esbuild.build({
    ...bundling,
    entryPoints: {'cutout/index': path.join(source, 'cutout/index.ts')},
    plugins: [takenFrom('../index.js', ['session.js', 'errors.js'])],
  });
  for (const file of [...filesOf(index), ...filesOf(cutout), ...bundle(path.join(source, 'same_thread.ts'))]) {
    output.write(file.name, file.bytes);
  }
  const [code] = cutout.outputFiles.filter(({path: name}) => name.endsWith('.js'));
  for (const [, names] of code.text.matchAll(/import\s*{([^}]*)}\s*from\s*"\.\.\/index\.js"/g)) {
    const lacking = names.split(',').filter(name => !exports.includes(name.trim().split(' ')[0]));
    if (lacking.length > 0) throw new Error(`cutout/index.js takes ${lacking.join()} from index.js, which has it not`);
  }
}

/** Whose code is in the module besides ours: their notices, as Debian's packages carry them. */
function notices() {
  return ['libhwy-dev', 'nlohmann-json3-dev', 'wasi-libc', 'libc++-19-dev-wasm32']
    .map(name => [name, `/usr/share/doc/${name}/copyright`])
    .filter(([, file]) => fs.existsSync(file))
    .map(([name, file]) => `=== ${name}\n\n${fs.readFileSync(file, 'utf8')}`)
    .join('\n');
}

/** worker.js, thread.js and the .wasm files: in the package and in the site alike. */
function addRuntime(output) {
  for (const name of workerSources) {
    for (const file of bundle(path.join(source, name))) output.write(file.name, file.bytes);
  }
  const wasm = filesBelow(path.join(root, 'build/wasm'), name =>
    /^sluice-(cpu-)?(simd|relaxed)(-threads)?\.wasm$/.test(name),
  );
  for (const name of wasm) output.copy(path.join(root, 'build/wasm', name), name);
  if (wasm.length > 0) output.write('THIRD_PARTY_NOTICES.txt', notices());
  return wasm;
}

async function buildPackage() {
  emit();
  const output = new Output(packageOut);
  for (const name of reachable(['index.d.ts', 'cutout/index.d.ts'])) output.copy(path.join(stage, name), name);
  await addPage(output);
  const wasm = addRuntime(output);
  const entry = name => ({types: `./${name}.d.ts`, default: `./${name}.js`});
  const manifest = {
    name: 'sluice-web',
    version,
    description: 'Runs ONNX and TFLite models on WebGPU or WebAssembly, and says which of them ran.',
    license: 'Apache-2.0',
    type: 'module',
    sideEffects: ['./worker.js', './thread.js'],
    exports: {
      '.': entry('index'),
      './cutout': entry('cutout/index'),
      './worker.js': './worker.js',
      './thread.js': './thread.js',
      './*.wasm': './*.wasm',
      './package.json': './package.json',
    },
    types: './index.d.ts',
  };
  output.write('package.json', `${JSON.stringify(manifest, undefined, 2)}\n`);
  output.copy(path.join(root, 'LICENSE'), 'LICENSE');
  const readme = path.join(root, 'web/runtime/README.md');
  if (fs.existsSync(readme)) output.copy(readme, 'README.md');
  output.finish();
  const missing = wasm.length === 0 ? '; without .wasm files (tools/wasm makes them)' : '';
  console.log(`build/web/sluice-web: ${output.names.size} files${missing}`);
}

// --- the catalogue: the manifests of models/, with the address of each model that can be had.
function catalogue(output) {
  const folder = path.join(root, 'build/models');
  const present = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  const models = filesBelow(path.join(root, 'models'), name => name.endsWith('.json')).map(name => {
    const manifest = readJson(path.join(root, 'models', name));
    const local = present.find(file => {
      const at = path.join(folder, file);
      if (file !== manifest.file && fs.statSync(at).size !== manifest.bytes) return false;
      return manifest.sha256 && sha256Of(at) === manifest.sha256;
    });
    if (local) output.link(path.join(folder, local), `models/${manifest.file}`);
    return {...manifest, url: local ? `models/${manifest.file}` : manifest.url};
  });
  output.write(
    'models.json',
    `${JSON.stringify({fast: aliasOf('fast'), best: aliasOf('best'), models}, undefined, 1)}\n`,
  );
}

/** What the command line means by "fast" and "best"; the page says itself when such a file is missing. */
function aliasOf(alias) {
  const text = fs.readFileSync(path.join(root, 'src/apps/cutout/manifest.cc'), 'utf8');
  const found = new RegExp(`name == "${alias}"\\) name = "([\\w.-]+)"`).exec(text);
  if (!found) throw new Error(`src/apps/cutout/manifest.cc gives no model for "${alias}"`);
  return found[1];
}

/** Of a file, kept by size and time of change, since models are large. */
function sha256Of(file) {
  const store = path.join(root, 'build/web/.sha256.json');
  const known = fs.existsSync(store) ? readJson(store) : {};
  const {size, mtimeMs} = fs.statSync(file);
  const key = `${fs.realpathSync(file)} ${size} ${mtimeMs}`;
  if (!known[key]) {
    known[key] = crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
    fs.writeFileSync(store, JSON.stringify(known));
  }
  return known[key];
}

/** For hosts that read a file _headers (Netlify, Cloudflare Pages): what `sluice serve` sends. */
function hostHeaders() {
  const text = fs.readFileSync(path.join(root, 'src/cli/serve.cc'), 'utf8');
  const policy = /kContentSecurityPolicy =([^;]*?(?:"[^"]*"\s*)+);/.exec(text);
  if (!policy) throw new Error('src/cli/serve.cc has no kContentSecurityPolicy');
  const csp = [...policy[1].matchAll(/"([^"]*)"/g)].map(match => match[1]).join('');
  return [
    '/*',
    '  Cross-Origin-Opener-Policy: same-origin',
    '  Cross-Origin-Embedder-Policy: require-corp',
    '  Cross-Origin-Resource-Policy: same-origin',
    '  X-Content-Type-Options: nosniff',
    '  Referrer-Policy: no-referrer',
    `  Content-Security-Policy: ${csp}`,
    '',
  ].join('\n');
}

function buildApp() {
  const entry = ['main.ts', 'src/main.ts'].map(name => path.join(appSource, name)).find(file => fs.existsSync(file));
  if (!entry) {
    console.log('build/web/app: not built, web/app has no main.ts');
    return;
  }
  const output = new Output(appOut);
  const sources = filesBelow(appSource, name => !name.startsWith(`test${path.sep}`));
  for (const name of sources) {
    if (!/\.(ts|json|md)$/.test(name)) output.copy(path.join(appSource, name), name);
  }
  addRuntime(output);
  // Split: what the page imports only when needed (the engine in the page's own thread) stays out of main.js.
  const split = {splitting: true, chunkNames: 'chunk-[hash]'};
  for (const file of bundle(entry, split)) output.write(file.name, file.bytes);
  // Workers of the app's own, each a file beside main.js.
  for (const name of sources.filter(one => /_worker\.ts$/.test(one) && path.basename(one) !== 'service_worker.ts')) {
    for (const file of bundle(path.join(appSource, name))) output.write(file.name, file.bytes);
  }
  catalogue(output);
  output.write('_headers', hostHeaders());
  // Last, since it must know everything else: what the service worker keeps for offline use, and under
  // which version. Models are not among it: the runtime's own store holds those.
  const serviceWorker = sources.find(name => path.basename(name) === 'service_worker.ts');
  if (serviceWorker) {
    const files = [...output.names].filter(name => !/^models\/|^_|\.(map|txt)$/.test(name)).sort();
    const digest = crypto.createHash('sha256');
    for (const name of files) digest.update(`${name}\n`).update(fs.readFileSync(path.join(appOut, name)));
    const define = {
      SLUICE_APP_FILES: JSON.stringify(files),
      SLUICE_APP_VERSION: JSON.stringify(digest.digest('hex').slice(0, 16)),
    };
    const built = bundle(path.join(appSource, serviceWorker), {define, sourcemap: false, format: 'iife'});
    for (const file of built) output.write(file.name, file.bytes);
  }
  output.finish();
  console.log(`build/web/app: ${output.names.size} files`);
}

if (steps.includes('package')) await buildPackage();
if (steps.includes('app')) buildApp();
