// Chromium for the comparisons: a browser and a profile of its own for each visit.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import {notRun} from '../../tests/web/harness.mjs';

export const flags = [
  '--no-sandbox',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
  '--disable-component-update',
  '--disable-background-networking',
];
const executable = '/usr/bin/chromium';

export async function launch() {
  if (!fs.existsSync(executable)) notRun(`${executable} is not installed`);
  const modules = path.resolve(process.env.SLUICE_BROWSER_NODE ?? 'build/browser-node');
  if (!fs.existsSync(`${modules}/node_modules/puppeteer-core`)) notRun(`puppeteer-core is not in ${modules}`);
  const module = await import(pathToFileURL(createRequire(`${modules}/package.json`).resolve('puppeteer-core')));
  const browser = await (module.default ?? module).launch({
    executablePath: executable,
    headless: true,
    protocolTimeout: 1_800_000,
    args: flags,
  });
  const child = browser.process();
  return {
    browser,
    /** A page at `url` that has loaded its script; `cores`: what navigator.hardwareConcurrency says, for peers that ask it. */
    async page(url, cores) {
      const page = await browser.newPage();
      page.setDefaultTimeout(120_000);
      if (cores) {
        await page.evaluateOnNewDocument(count => {
          Object.defineProperty(Navigator.prototype, 'hardwareConcurrency', {get: () => count});
        }, cores);
      }
      await page.goto(url, {waitUntil: 'load'});
      await page.waitForFunction(() => window.bench || window.blank);
      return page;
    },
    /** Seconds of processor time that its pages have used so far, threads included: other jobs on the machine don't count. */
    async cpuSeconds() {
      const session = await browser.target().createCDPSession();
      const {processInfo} = await session.send('SystemInfo.getProcessInfo');
      await session.detach();
      return processInfo.filter(({type}) => type === 'renderer').reduce((sum, {cpuTime}) => sum + cpuTime, 0);
    },
    async close() {
      await Promise.race([browser.close().catch(() => {}), new Promise(resolve => setTimeout(resolve, 10_000))]);
      this.kill();
    },
    kill() {
      if (child && child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    },
  };
}
