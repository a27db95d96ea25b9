// What the tests of tests/web have in common: `sluice serve`, a real browser, and the rules that hold for
// every page: no error on the console, no failed request, nothing fetched from anywhere but this machine.
//
//   import { start } from './harness.mjs';
//   const web = await start({ site: 'build/web/app' });
//   await web.test('a photo becomes a cut-out', async () => {
//     const page = await web.page('?allow-software');
//     ...
//     web.check(width === 640, `the cut-out is ${width} wide (640 expected)`);
//   });
//   await web.finish();
//
// The browser is Chromium, or what $SLUICE_BROWSER says (chromium, firefox). Both compute WebGPU on the CPU
// here. All outside traffic goes to a proxy of ours that refuses it and writes it down: what a worker or a
// service worker asks for is seen too. Screenshots and logs: build/web/artefacts/<test>/.
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {launchBrowser, notRun} from '../browser/launch.mjs';
import {threadsOf} from './process_state.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const photos = path.join(root, '../shared/data/photos');
process.chdir(root);

const testName = path.basename(process.argv[1], '.mjs');
export const browserName = process.env.SLUICE_BROWSER || 'chromium';
const artefacts = path.join(
  root,
  'build/web/artefacts',
  `${testName}${browserName === 'chromium' ? '' : `-${browserName}`}`,
);

/** What makes each browser ask our proxy for everything outside, and call home less. */
const through = {
  chromium: port => ({
    args: [
      `--proxy-server=http://127.0.0.1:${port}`,
      '--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication',
      '--disable-component-update',
      '--no-pings',
    ],
  }),
  firefox: port => ({
    preferences: {
      'network.proxy.type': 1,
      'network.proxy.http': '127.0.0.1',
      'network.proxy.http_port': port,
      'network.proxy.ssl': '127.0.0.1',
      'network.proxy.ssl_port': port,
    },
  }),
};

// Hosts that the browsers themselves call; no page of ours has business there.
const browsersOwn =
  /^(([\w-]+\.)*(mozilla\.(com|org|net)|firefox\.com|gvt1\.com)|(accounts|clients\d*|update|content-autofill|optimizationguide-pa|safebrowsing|android\.clients|edgedl\.me|redirector)\.(google|googleapis|gvt1)\.com)$/;

export {notRun};

// Not at each frame: a tab behind another one draws none, and looking that often is work of the page's own.
const kPollMs = 100;

/** `promise`, or undefined when it fails or takes longer: of a page that may be stuck, nothing is sure. */
function soon(promise, milliseconds) {
  let timer;
  const late = new Promise(resolve => {
    timer = setTimeout(resolve, milliseconds);
  });
  return Promise.race([promise.catch(() => {}), late]).finally(() => clearTimeout(timer));
}

/** Ends the process unless each path (below the repository) is there. */
export function need(...paths) {
  for (const name of paths) {
    if (!fs.existsSync(path.join(root, name))) notRun(`${name} is not there`);
  }
}

/** Refuses whatever leaves this machine, and remembers its host. */
function startProxy() {
  const hosts = [];
  const record = host => {
    const name = host.replace(/:\d+$/, '');
    if (!browsersOwn.test(name)) hosts.push(name);
  };
  const server = http.createServer((request, response) => {
    record(URL.canParse(request.url) ? new URL(request.url).host : String(request.headers.host));
    response.writeHead(502).end();
  });
  server.on('connect', (request, socket) => {
    record(request.url);
    socket.on('error', () => {});
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  return new Promise(resolve =>
    server.listen(0, '127.0.0.1', () => resolve({hosts, port: server.address().port, close: () => server.close()})),
  );
}

/**
 * `sluice serve` on a folder: {url, requests: [{method, path, status, range}], asked(), stop()}. requests grow as its
 * log comes through a pipe; asked() gives those so far when all of them are there.
 */
export function serve(folder, {isolated = true, port = 0, csp} = {}) {
  need('build/sluice', folder);
  const options = ['serve', folder, '--port', String(port), '--log'];
  if (!isolated) options.push('--no-isolation');
  if (csp) options.push('--csp', csp);
  const child = spawn('build/sluice', options, {stdio: ['ignore', 'pipe', 'inherit']});
  const ended = new Promise(resolve => child.on('exit', resolve));
  process.on('exit', () => child.kill()); // of a test that dies early, too
  const requests = [];
  let marks = 0;
  return new Promise((resolve, reject) => {
    let rest = '';
    child.on('exit', code => reject(new Error(`sluice serve ends with ${code}`)));
    child.stdout.on('data', bytes => {
      const lines = (rest + bytes).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const address = /^serving .* at (http:\S+)/.exec(line);
        const request = /^(\w+) "(.*)" (\d+) "(.*)"$/.exec(line);
        if (address) {
          const [, url] = address;
          const stop = () => (child.kill('SIGTERM'), ended);
          const asked = async () => {
            const mark = `/asked-${++marks}`;
            await fetch(new URL(mark, url));
            while (!requests.some(one => one.path === mark)) await new Promise(done => setTimeout(done, 5));
            return requests.filter(one => !one.path.startsWith('/asked-'));
          };
          resolve({url, requests, asked, stop});
        } else if (request) {
          requests.push({method: request[1], path: request[2], status: Number(request[3]), range: request[4]});
        }
      }
    });
  });
}

/**
 * Starts a server on `site` and a browser.
 * @param {{site?: string, isolated?: boolean, csp?: string, browserArgs?: string[], timeout?: number}} options
 *   timeout: of puppeteer's waits, in milliseconds; a test may take a minute more, and five minutes in any case
 */
export async function start({site = 'build/web', isolated = true, csp, browserArgs = [], timeout = 60_000} = {}) {
  const settings = through[browserName];
  if (!settings) throw new Error(`there is no browser ${browserName}`);
  fs.rmSync(artefacts, {recursive: true, force: true});
  fs.mkdirSync(artefacts, {recursive: true});

  const server = await serve(site, {isolated, csp});
  const proxy = await startProxy();
  const {args = [], ...rest} = settings(proxy.port);
  const launch = () => launchBrowser(browserName, {...rest, args: [...args, ...browserArgs]});
  let browser = await launch();
  console.log(`${browserName}: ${await browser.version()}`);

  // The long runs have tests that take their time.
  const testLimit = process.env.SLUICE_LONG ? Infinity : Math.max(timeout + 60_000, 300_000);
  let passed = 0;
  let failed = 0;
  let current = '';
  const pages = [];
  const servers = [server];

  function check(condition, what) {
    if (!condition) throw new Error(what);
  }

  /** Watches `page`: page.problems gathers what went wrong; page.tolerate(RegExp) makes some of it expected. */
  function watch(page) {
    const tolerated = [];
    page.problems = [];
    page.log = [];
    page.tolerate = pattern => tolerated.push(pattern);
    page.setDefaultTimeout(timeout);
    const waitForFunction = page.waitForFunction.bind(page);
    page.waitForFunction = (what, options, ...args) => waitForFunction(what, {polling: kPollMs, ...options}, ...args);
    const problem = text => {
      if (!tolerated.some(pattern => pattern.test(text))) page.problems.push(text);
    };
    page.takeProblems = () => page.problems.splice(0).filter(text => !tolerated.some(pattern => pattern.test(text)));
    page.on('console', message => {
      const text = message.text();
      page.log.push(`${message.type()}: ${text}`);
      if (message.type() === 'error') problem(`console: ${text} ${message.location()?.url ?? ''}`.trim());
    });
    page.on('pageerror', error => problem(`uncaught: ${error?.stack ?? error}`));
    page.on('requestfailed', request => {
      const why = request.failure()?.errorText ?? '';
      if (!/ERR_ABORTED|NS_BINDING_ABORTED/.test(why)) problem(`request failed: ${request.url()} ${why}`);
    });
    /** Keeps a picture of the page: build/web/artefacts/<test>/<name>.png. */
    page.shot = name => page.screenshot({path: path.join(artefacts, `${name}.png`)});
    /** Drops files on an element, as a mouse does: [paths], or [{name, type, bytes}]. */
    page.drop = async (selector, files) => {
      const list = files.map(file =>
        typeof file === 'string'
          ? {name: path.basename(file), type: imageType(file), bytes: fs.readFileSync(file)}
          : file,
      );
      const plain = list.map(({name, type, bytes}) => ({
        name,
        type,
        base64: Buffer.from(bytes).toString('base64'),
      }));
      await page.evaluate(
        (where, items) => {
          const target = document.querySelector(where);
          if (!target) throw new Error(`there is no ${where}`);
          const transfer = new DataTransfer();
          for (const {name, type, base64} of items) {
            const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
            transfer.items.add(new File([bytes], name, {type}));
          }
          for (const kind of ['dragenter', 'dragover', 'drop']) {
            target.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
          }
        },
        selector,
        plain,
      );
    };
    pages.push(page);
    return page;
  }

  const web = {
    browser,
    server,
    url: server.url,
    artefacts,
    isChromium: browserName === 'chromium',
    check,
    /** Another server, ended with the test. */
    async serve(folder, options) {
      const more = await serve(folder, options);
      servers.push(more);
      return more;
    },
    /** A new page at `address` (relative to the site), watched. viewport: {width, height, isMobile, hasTouch ..}. */
    async page(address = '', {viewport, before, url = server.url} = {}) {
      const page = watch(await browser.newPage());
      await page.setViewport(viewport ?? {width: 1280, height: 800});
      if (before) await before(page);
      await page.goto(new URL(address, url).href, {waitUntil: 'load'});
      return page;
    },
    /** Writes build/web/pages/<name>/ (index.html and main.js, which may import '/sluice-web/index.js'); its path. */
    writePage(
      name,
      script,
      html = '<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">',
    ) {
      const folder = path.join(root, 'build/web/pages', `${testName}-${name}`);
      fs.mkdirSync(folder, {recursive: true});
      fs.writeFileSync(path.join(folder, 'main.js'), script);
      fs.writeFileSync(path.join(folder, 'index.html'), `${html}\n<script type="module" src="main.js"></script>\n`);
      return `pages/${testName}-${name}/`;
    },
    /** Hosts outside this machine that were asked for since the last call or the test's begin. */
    takeOutside: () => proxy.hosts.splice(0),
    /** Kills the browser's GPU process (Chromium only). */
    async crashGpu() {
      const session = await browser.target().createCDPSession();
      // It answers only sometimes: the process that would is the one that dies.
      await Promise.race([
        session.send('Browser.crashGpuProcess').catch(() => {}),
        new Promise(resolve => setTimeout(resolve, 2000)),
      ]);
      await session.detach().catch(() => {});
    },
    /** One test. It fails when `body` throws or does not end, or when a page met a problem meanwhile. */
    async test(what, body) {
      if (process.env.SLUICE_TEST_FILTER && !what.includes(process.env.SLUICE_TEST_FILTER)) return;
      const begin = Date.now();
      current = what;
      const problems = await problemsOf(body, testLimit);
      const patience = 10_000;
      const seconds = ((Date.now() - begin) / 1000).toFixed(1);
      if (problems.length === 0) {
        ++passed;
        console.log(`ok      ${what} (${seconds} s)`);
      } else {
        ++failed;
        console.log(`FAILED  ${what} (${seconds} s)`);
        for (const text of problems.slice(0, 10)) console.log(`  ${text.slice(0, 1500).replaceAll('\n', '\n  ')}`);
        for (const line of await describe(`failed-${what.replace(/[^\w]+/g, '-').slice(0, 60)}`, patience)) {
          console.log(`    ${line}`);
        }
      }
      await closePages(patience);
    },
    /** For the harness' own test: what test() would say of `body`, with less patience. Its pages are closed. */
    async attempt(body, limit) {
      const problems = await problemsOf(body, limit);
      const state = await describe('attempt', limit);
      const restarted = await closePages(limit);
      return {problems, state, restarted};
    },
    /** Ends everything, prints the count, and ends the process with the answer. */
    async finish() {
      await closeAll();
      console.log(`${passed} passed, ${failed} failed`);
      process.exit(failed === 0 && passed > 0 ? 0 : 1);
    },
  };

  async function problemsOf(body, limit) {
    const problems = [];
    let timer;
    // Left alone, not ended: it meets closed pages.
    const late = new Promise((_, reject) => {
      if (limit < 2 ** 31) timer = setTimeout(reject, limit, new Error(`it does not end within ${limit / 1000} s`));
    });
    await Promise.race([body(), late]).catch(error => problems.push(error?.stack ?? String(error)));
    clearTimeout(timer);
    for (const page of pages) problems.push(...page.takeProblems());
    for (const host of proxy.hosts.splice(0)) problems.push(`a request left this machine: ${host}`);
    return problems;
  }

  /** What the open pages show and have said, and what the browser's threads are doing; pictures among the artefacts. */
  async function describe(name, patience) {
    const lines = [];
    for (const [i, page] of pages.entries()) {
      if (page.isClosed()) continue;
      await soon(page.bringToFront(), patience); // one behind another draws no picture
      await soon(page.shot(`${name}-${i}`), patience);
      fs.writeFileSync(path.join(artefacts, `${name}-${i}.log`), `${page.log.join('\n')}\n`);
      const text = await soon(
        page.evaluate(() => document.body?.innerText ?? ''),
        patience,
      );
      lines.push(
        `page ${page.url()}: ${text === undefined ? 'does not answer' : `shows "${text.replace(/\s+/g, ' ').slice(0, 600)}"`}`,
        ...page.log.slice(-10).map(line => `said ${line.slice(0, 300)}`),
      );
    }
    const pid = browser.process()?.pid;
    if (lines.length > 0 && pid) lines.push(...(await threadsOf(pid)));
    return lines;
  }

  /** One that can't be closed would hold up those that come to its process: a new browser then, and true. */
  async function closePages(patience) {
    let stuck = false;
    for (const page of pages.splice(0)) {
      if (page.isClosed()) continue;
      await soon(page.close(), patience);
      stuck ||= !page.isClosed();
    }
    if (!stuck) return false;
    await endBrowser(patience);
    web.browser = browser = await launch();
    return true;
  }

  async function endBrowser(patience) {
    const child = browser.process();
    await soon(browser.close(), patience);
    if (child && child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }

  async function closeAll() {
    clearTimeout(deadline);
    await endBrowser(10_000);
    await Promise.all(servers.map(one => one.stop()));
    proxy.close();
  }
  // ctest would kill this process and leave the browser behind.
  const deadline = setTimeout(
    async () => {
      console.log(`FAILED  out of time in: ${current}`);
      for (const line of await describe('out-of-time', 3000)) console.log(`    ${line}`);
      ++failed;
      await web.finish();
    },
    Number(process.env.SLUICE_WEB_SECONDS ?? (process.env.SLUICE_LONG ? 3500 : 840)) * 1000,
  );
  deadline.unref();
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => closeAll().finally(() => process.exit(1)));
  process.on('uncaughtException', async error => {
    console.log(`FAILED  ${current}: ${error.stack}`);
    ++failed;
    await web.finish();
  });
  return web;
}

function imageType(file) {
  const types = {'.png': 'image/png', '.webp': 'image/webp', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg'};
  return types[path.extname(file).toLowerCase()] ?? 'application/octet-stream';
}
