// The browsers of this machine, started headless: Chromium, whose WebGPU is Dawn like the native executor's, and
// Firefox, an implementation of its own (wgpu and naga). Both compute WebGPU on the CPU here: SwiftShader, and Mesa's
// lavapipe. Exit code 77: not run, the browser, its driver or the package that drives it is not there.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const browsers = {
  chromium: {
    browser: 'chrome',
    executable: '/usr/bin/chromium',
    args: ['--no-sandbox'],
    webgpu: {args: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']},
  },
  firefox: {
    browser: 'firefox',
    executable: '/usr/bin/firefox-esr',
    driver: '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json',
    args: [],
    webgpu: {preferences: {'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true}},
  },
};

export const browserNames = Object.keys(browsers);

/** Ends the process: this can't run here. */
export function notRun(why) {
  console.log(`not run: ${why}`);
  process.exit(77);
}

async function loadPuppeteer() {
  const modules = path.resolve(root, process.env.SLUICE_BROWSER_NODE ?? 'build/browser-node');
  if (!fs.existsSync(`${modules}/node_modules/puppeteer-core`)) {
    notRun(`puppeteer-core is not in ${modules} (npm packages; ./check fetches them)`);
  }
  const entry = createRequire(`${modules}/package.json`).resolve('puppeteer-core');
  const module = await import(pathToFileURL(entry));
  return module.default ?? module;
}

/**
 * puppeteer's Browser.
 * @param {string} name one of browserNames
 * @param {{args?: string[], preferences?: Record<string, unknown>, webgpu?: boolean, protocolTimeout?: number, network?: boolean}} options
 *   args: of the command line; preferences: of Firefox; webgpu: on the software adapter (default); network: false: requests are
 *   not reported, which costs Chromium 20 ms for 2 MB fetched by a worker
 */
export async function launchBrowser(name, options = {}) {
  const chosen = browsers[name];
  if (!chosen) throw new Error(`there is no browser ${name}`);
  const {args = [], preferences = {}, webgpu = true, protocolTimeout = 600_000, network = true} = options;
  if (!fs.existsSync(chosen.executable)) notRun(`${chosen.executable} is not installed`);
  if (chosen.driver && !fs.existsSync(chosen.driver)) notRun(`${chosen.driver} is not installed`);
  const puppeteer = await loadPuppeteer();
  const gpu = webgpu ? chosen.webgpu : {};
  return puppeteer.launch({
    browser: chosen.browser,
    executablePath: chosen.executable,
    headless: true,
    protocolTimeout,
    networkEnabled: network,
    env: {...process.env, ...(chosen.driver ? {VK_ICD_FILENAMES: chosen.driver} : {})},
    args: [...chosen.args, ...(gpu.args ?? []), ...args],
    ...(name === 'firefox' ? {extraPrefsFirefox: {...gpu.preferences, ...preferences}} : {}),
  });
}
