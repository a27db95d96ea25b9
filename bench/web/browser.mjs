// Chromium for the comparisons: a browser and a profile of its own for each visit.
import fs from 'node:fs';
import {launchBrowser} from '../../tests/browser/launch.mjs';

export const flags = [
  '--no-sandbox',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
  '--disable-component-update',
  '--disable-background-networking',
];

export async function launch() {
  // As a visitor's browser, which reports no requests to anybody.
  const browser = await launchBrowser('chromium', {args: flags, webgpu: false, protocolTimeout: 1_800_000, network: false});
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
    /** Numbers of the processes of its pages; none where /proc is not. */
    pageProcesses() {
      const parents = new Map();
      const pages = [];
      if (!fs.existsSync('/proc/self/status')) return pages;
      for (const name of fs.readdirSync('/proc').filter(one => /^\d+$/.test(one))) {
        try {
          const pid = Number(name);
          parents.set(pid, Number(/PPid:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]));
          if (fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--type=renderer')) pages.push(pid);
        } catch {
          // it has ended meanwhile
        }
      }
      return pages.filter(pid => {
        let at = pid;
        while (at > 1 && at !== child.pid) at = parents.get(at) ?? 0;
        return at === child.pid;
      });
    },
    /** Seconds of processor time that its pages have used so far, threads included: other jobs on the machine don't count. */
    async cpuSeconds() {
      // The scheduler counts nanoseconds for each thread; the browser itself knows hundredths of a second.
      const pages = this.pageProcesses();
      if (pages.length) {
        let nanoseconds = 0;
        for (const pid of pages) {
          for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
            try {
              nanoseconds += Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
            } catch {
              // it has ended meanwhile
            }
          }
        }
        if (nanoseconds > 0) return nanoseconds / 1e9;
      }
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
