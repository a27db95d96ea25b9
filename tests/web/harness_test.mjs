// The harness sees what it promises to see: otherwise every other test of this folder proves less.
import {need, start} from './harness.mjs';

need('build/web/sluice-web/package.json');
const web = await start();
const noIcon = '<!doctype html><title>test</title><link rel="icon" href="data:,">';

/** Runs a page that misbehaves and gives the problems that were seen. */
async function problemsOf(name, script, wait = 300) {
  const page = await web.page(web.writePage(name, script, noIcon));
  await page.waitForFunction(() => window.done === true);
  await new Promise(resolve => setTimeout(resolve, wait));
  return page.takeProblems();
}

await web.test('a good page has no problems, and is isolated', async () => {
  const page = await web.page(
    web.writePage('good', 'window.isolated = crossOriginIsolated; window.done = true;', noIcon),
  );
  web.check(await page.evaluate(() => window.isolated), 'the page is not cross-origin isolated');
  await page.shot('good');
});
await web.test('WebGPU is there', async () => {
  const page = await web.page(web.writePage('gpu', 'window.done = true;', noIcon));
  const found = await page.evaluate(async () => (await navigator.gpu?.requestAdapter()) !== null && !!navigator.gpu);
  web.check(found, 'there is no adapter');
});
await web.test('an error on the console is seen', async () => {
  const problems = await problemsOf('console', 'console.error("planted"); window.done = true;');
  web.check(
    problems.some(text => text.includes('planted')),
    `problems: ${problems}`,
  );
});
await web.test('an uncaught error is seen', async () => {
  const problems = await problemsOf('throw', 'window.done = true; setTimeout(() => { throw new Error("planted"); });');
  web.check(
    problems.some(text => text.includes('planted')),
    `problems: ${problems}`,
  );
});
await web.test('eval is refused', async () => {
  const page = await web.page(
    web.writePage('eval', 'try { eval("1"); window.got = "ran"; } catch { window.got = "refused"; }', noIcon),
  );
  page.tolerate(/Content.Security.Policy|unsafe-eval|blocked/i);
  await page.waitForFunction(() => window.got);
  web.check((await page.evaluate(() => window.got)) === 'refused', 'eval runs under this policy');
});
await web.test('a request that leaves the machine is seen', async () => {
  const page = await web.page(
    web.writePage(
      'outside',
      'fetch("https://elsewhere.example/x").catch(() => {}).then(() => { window.done = true; });',
      noIcon,
    ),
  );
  await page.waitForFunction(() => window.done);
  page.takeProblems();
  web.check(web.takeOutside().includes('elsewhere.example'), 'it was not seen');
});
await web.test('a request that a worker makes is seen', async () => {
  const folder = web.writePage(
    'worker',
    `if (typeof document === 'undefined') fetch('https://elsewhere.example/x').catch(() => {}).then(() => postMessage(0));
     else new Worker('main.js', { type: 'module' }).onmessage = () => { window.done = true; };`,
    noIcon,
  );
  const page = await web.page(folder);
  await page.waitForFunction(() => window.done);
  page.takeProblems();
  web.check(web.takeOutside().includes('elsewhere.example'), 'it was not seen');
  web.check(
    (await web.server.asked()).some(({path}) => path.endsWith('worker/main.js')),
    "the server's log lacks the worker",
  );
});
await web.test('a test that hangs is left behind, and says what its page and threads were doing', async () => {
  const page = await web.page(
    web.writePage('hang', 'console.warn("planted"); document.body.append("a word"); window.done = true;', noIcon),
  );
  await page.waitForFunction(() => window.done);
  const {problems, state, restarted} = await web.attempt(() => page.evaluate(() => new Promise(() => {})), 4000);
  web.check(problems.length === 1 && problems[0].includes('does not end within 4 s'), problems.join('; '));
  for (const wanted of [/shows "a word"/, /said .*planted/, /thread \d+ /]) {
    web.check(
      state.some(line => wanted.test(line)),
      `${wanted} is not among: ${state.join('; ')}`,
    );
  }
  web.check(page.isClosed() || restarted, 'the page is still open');
});
await web.test('so is one whose page answers nothing any more, and the next one has a browser', async () => {
  const page = await web.page(web.writePage('stuck', 'window.done = true;', noIcon));
  const {problems, state, restarted} = await web.attempt(
    () =>
      page.evaluate(() => {
        for (;;);
      }),
    2000,
  );
  web.check(problems[0]?.includes('does not end within 2 s'), problems.join('; '));
  web.check(
    state.some(line => line.includes('does not answer')),
    state.join('; '),
  );
  web.check(restarted, 'the browser is the same');
});
await web.test('a tab behind another one is waited for', async () => {
  const address = web.writePage('behind', 'setTimeout(() => { window.done = true; }, 500);', noIcon);
  const page = await web.page(address);
  await web.page(address);
  await page.waitForFunction(() => window.done);
});
await web.test('without isolation', async () => {
  const other = await web.serve('build/web', {isolated: false});
  const page = await web.page(
    web.writePage('good', 'window.isolated = crossOriginIsolated; window.done = true;', noIcon),
    {
      url: other.url,
    },
  );
  web.check((await page.evaluate(() => window.isolated)) === false, 'the page is cross-origin isolated');
});
if (web.isChromium) {
  await web.test('the GPU process can be crashed', async () => {
    const page = await web.page(web.writePage('crash', 'window.done = true;', noIcon));
    await page.evaluate(async () => {
      const device = await (await navigator.gpu.requestAdapter()).requestDevice();
      device.lost.then(({reason}) => {
        window.lost = reason;
      });
    });
    await web.crashGpu();
    await page.waitForFunction(() => window.lost);
    web.check((await page.evaluate(() => window.lost)) === 'unknown', 'the reason is another');
  });
}
await web.finish();
