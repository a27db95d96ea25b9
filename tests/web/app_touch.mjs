// On a phone: everything within reach of a finger, at 390 and at 360 pixels.
import {needApp, openApp, readPng, site} from './app_page.mjs';
import {notRun, start} from './harness.mjs';

needApp();
const web = await start({site, timeout: 120_000});
if (!web.isChromium) {
  await web.browser.close();
  notRun('touches are emulated in Chromium only');
}

/** Fingers that move together in straight lines: [[from, to], ..], points as fractions of `box`. */
async function fingers(page, box, ways, steps = 6) {
  const session = await page.createCDPSession();
  const at = ([x, y], id) => ({x: box.x + box.width * x, y: box.y + box.height * y, id});
  const between = (a, b, t) => [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
  await session.send('Input.dispatchTouchEvent', {
    type: 'touchStart',
    touchPoints: ways.map(([from], id) => at(from, id)),
  });
  for (let i = 1; i <= steps; ++i) {
    await session.send('Input.dispatchTouchEvent', {
      type: 'touchMove',
      touchPoints: ways.map(([from, to], id) => at(between(from, to, i / steps), id)),
    });
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  await session.send('Input.dispatchTouchEvent', {type: 'touchEnd', touchPoints: []});
  await new Promise(resolve => setTimeout(resolve, 150));
  await session.detach();
}

for (const [width, height] of [
  [390, 780],
  [360, 640],
]) {
  await web.test(`by touch at ${width} x ${height}`, async () => {
    const page = await openApp(web, '?backend=cpu', {
      viewport: {width, height, isMobile: true, hasTouch: true, deviceScaleFactor: 2},
    });
    const tap = async text => (await page.button(text)).tap();
    await tap('Try it with a sample');
    await page.cut();
    await page.shot(`done-${width}`);
    const canvas = await (await page.$('.stage-canvas')).boundingBox();

    const share = () => page.$eval('.divider', element => Number(element.getAttribute('aria-valuenow')));
    const grip = await (await page.$('.divider')).boundingBox();
    const y = (grip.y + grip.height / 2 - canvas.y) / canvas.height;
    const x = (grip.x + grip.width / 2 - canvas.x) / canvas.width;
    await fingers(page, canvas, [
      [
        [x, y],
        [x + 0.15, y],
      ],
    ]);
    web.check((await share()) > 55, `the divider is at ${await share()} %`);

    const zoom = async () => parseFloat(await page.text('.zoom-text'));
    const before = await zoom();
    await fingers(page, canvas, [
      [
        [0.4, 0.3],
        [0.2, 0.15],
      ],
      [
        [0.6, 0.6],
        [0.8, 0.8],
      ],
    ]);
    web.check((await zoom()) > before * 1.3, `two fingers zoom from ${before} to ${await zoom()} %`);
    await page.shot(`zoomed-${width}`);

    await tap('Brush');
    await (await page.$('input[name=tool][value=erase]')).evaluate(element => element.click());
    const undo = () => page.$eval('#panel-brush .row button', element => !element.disabled);
    await fingers(page, canvas, [
      [
        [0.4, 0.5],
        [0.4, 0.6],
      ],
      [
        [0.6, 0.5],
        [0.6, 0.6],
      ],
    ]);
    const stroked = await undo();
    await fingers(page, canvas, [
      [
        [0.45, 0.5],
        [0.6, 0.6],
      ],
    ]);
    web.check(await undo(), 'one finger does not paint');
    web.check(!stroked, 'two fingers paint');
    await page.shot(`brush-${width}`);

    // What is shown fits, and what is tapped is large enough.
    const sizes = await page.evaluate(() => {
      const small = [];
      for (const element of document.querySelectorAll('button, select, .segment, .choice, .toggle')) {
        if (!element.offsetParent || element.classList.contains('link')) continue;
        const {width: w, height: h, right, left} = element.getBoundingClientRect();
        if (right > innerWidth + 0.5 || left < -0.5) small.push(`outside: ${element.textContent || element.ariaLabel}`);
        if (Math.min(w, h) < 30)
          small.push(`${Math.round(w)} x ${Math.round(h)}: ${element.textContent || element.ariaLabel}`);
      }
      if (document.documentElement.scrollWidth > innerWidth)
        small.push(`the page is ${document.documentElement.scrollWidth} wide`);
      return small;
    });
    web.check(sizes.length === 0, sizes.join('; '));
    const saved = await page.download(() => tap('Download'));
    web.check(readPng(saved.bytes).width === 517, 'another picture was saved');
    await page.evaluate(() => document.querySelector('.top .button').focus());
    await page.drop('main', [{name: 'b.png', type: 'image/png', bytes: saved.bytes}]);
    await page.idle();
    await page.shot(`two-${width}`);
    const overflow = await page.evaluate(
      () =>
        [...document.querySelectorAll('.export .button')].filter(
          one => one.getBoundingClientRect().right > innerWidth - 10,
        ).length,
    );
    web.check(overflow === 0, 'the export does not fit');
    const bad = await page.cutOff();
    web.check(bad.length === 0, `cut off: ${bad.join('; ')}`);
    await (await page.$('.thumb[aria-current="true"] + .thumb-remove')).tap();
    await page.waitForFunction(() => document.querySelector('.strip').dataset.total === '1');

    // What goes wrong with other files is said beside what saves the picture, and shortly while another one is open.
    await page.drop('main', [
      {name: 'torn.png', type: 'image/png', bytes: Buffer.from('hello')},
      {name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('hello')},
    ]);
    await page.waitForSelector('.job-bad');
    await page.idle();
    await page.shot(`failed-${width}`);
    const why = await page.text('.job-text');
    web.check(/^torn.png is not a picture.* \([^().]+\)\.$/.test(why), why);
    const below = await page.evaluate(() => {
      const box = selector => document.querySelector(selector).getBoundingClientRect();
      return box('.export').top - box('.note').bottom;
    });
    web.check(below >= 0, `the notice lies ${-below} pixels over the export`);
    await (await page.$('.thumb[data-status="done"]')).tap();
    await page.waitForFunction(() => document.querySelector('.job-text').textContent === 'torn.png could not be cut.');
    await page.cut();
  });
}

await web.test('what is taken away while it opens is not shown in place of another', async () => {
  const page = await openApp(web, '?backend=cpu');
  await (await page.button('Try it with a sample')).click();
  await page.cut();
  await page.idle();
  const torn = {name: 'torn.png', type: 'image/png', bytes: Buffer.from('hello')};
  await page.drop('main', [torn]);
  await page.waitForSelector('.job-bad');
  for (const wait of [0, 10, 20, 40, 80, 160, 320]) {
    await page.idle();
    // The sample opens; another picture comes before, while or after its layers do.
    await (await page.$('.thumb[aria-current="true"] + .thumb-remove')).click();
    await new Promise(resolve => setTimeout(resolve, wait));
    await page.drop('main', [torn]);
    await page.waitForFunction(
      () => document.querySelector('.thumb[data-status="failed"]')?.getAttribute('aria-current') === 'true',
    );
    await page.idle();
    const saves = await page.$eval('.export .button-primary', button => !button.disabled);
    web.check(!saves, `after ${wait} ms the sample is open in place of what came last`);
  }
});

await web.test('work of unknown length is seen to go on', async () => {
  const page = await openApp(web, '?backend=cpu', {viewport: {width: 390, height: 780}});
  await (await page.button('Try it with a sample')).click();
  await page.cut();
  await page.idle();
  // Held in the middle of its way.
  await page.evaluate(() => {
    document.querySelector('.job').hidden = false;
    const bar = document.querySelector('.job-progress');
    bar.hidden = false;
    bar.removeAttribute('value');
    for (const animation of bar.getAnimations()) {
      animation.pause();
      animation.currentTime = 470;
    }
  });
  const bar = await page.$('.job-progress');
  const {width, height, channels, pixels} = readPng(await bar.screenshot());
  const accent = await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('--accent'));
  const middle = (Math.floor(height / 2) * width + Math.floor(width / 2)) * channels;
  const [red, , blue] = pixels.subarray(middle, middle + 3);
  web.check(
    blue - red > 60,
    `the middle of the bar is ${pixels.subarray(middle, middle + 3)} (the accent is ${accent})`,
  );
});
await web.finish();
