// The whole path by keyboard only: choose a picture, compare, brush, undo, soften, background, save. And what
// a screen reader needs: names, landmarks, live text.
import path from 'node:path';

import {needApp, openApp, photos, readPng, site, writePng} from './app_page.mjs';
import {start} from './harness.mjs';

needApp();
const web = await start({site, timeout: 120_000});

/** Presses Tab until the focus is on what `matches` (a selector); the names on the way. */
async function tabTo(page, selector, most = 40) {
  const way = [];
  for (let i = 0; i < most; ++i) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(wanted => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      // What shows the focus may be the element itself, or what stands for an invisible input.
      const shown = [element, element.nextElementSibling, element.querySelector('.divider-grip')].some(
        one => one && getComputedStyle(one).outlineStyle !== 'none',
      );
      return {
        match: element.matches(wanted),
        shown,
        visible: style.visibility !== 'hidden',
        name: `${element.tagName} ${element.getAttribute('aria-label') ?? element.textContent?.trim().slice(0, 30)}`,
      };
    }, selector);
    way.push(at.name);
    if (!at.name.startsWith('BODY')) web.check(at.shown, `the focus cannot be seen on ${at.name}`);
    if (at.match) return way;
  }
  throw new Error(`Tab does not reach ${selector}: ${way.join(' > ')}`);
}

/** Runs in the page: texts whose contrast is under 4.5 (3 for large ones), as WCAG 2.2 (1.4.3) counts it. */
function faintText() {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map(value => value / 255);
  };
  const over = ([r, g, b, a], [r2, g2, b2]) => [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a)];
  const light = colour => {
    const [r, g, b] = colour.map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  // Pictures behind a text can't be weighed: nothing of ours lies on one without a ground of its own.
  const ground = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [1, 1, 1]);
  };
  const top = document.querySelector('dialog[open]') ?? document.body;
  const bad = [];
  const texts = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (element.closest('.visually-hidden, .skip, :disabled, option, noscript')) continue;
    const style = getComputedStyle(element);
    const behind = ground(element);
    const [a, b] = [light(over(rgba(style.color), behind)), light(behind)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (large ? 3 : 4.5)) bad.push(`${contrast.toFixed(2)} of "${node.data.trim().slice(0, 40)}"`);
  }
  return bad;
}

await web.test('from a picture to a file', async () => {
  const page = await openApp(web, '?backend=cpu');
  // The file dialog itself is the system's.
  await tabTo(page, '.start-buttons .button-primary');
  const asked = page.waitForFileChooser();
  await new Promise(resolve => setTimeout(resolve, 300)); // until the browser has been told to hand it over
  await page.keyboard.press('Enter');
  const dialog = await asked;
  await dialog.accept([path.join(photos, 'portrait.jpg')]);
  await page.cut();
  const focused = await page.evaluate(() => document.activeElement.className);
  web.check(focused === 'stage-canvas', `what had the focus is gone, and it went to "${focused}"`);
  await page.waitForFunction(() => document.querySelector('.job').hidden);
  web.check((await page.text('[aria-live=polite]')).length > 0, 'nothing was said to a screen reader');

  await tabTo(page, '.divider');
  const before = Number(await page.$eval('.divider', element => element.getAttribute('aria-valuenow')));
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('PageUp');
  const after = Number(await page.$eval('.divider', element => element.getAttribute('aria-valuenow')));
  web.check(after === before + 22, `the divider went from ${before} to ${after}`);
  await page.shot('divider');

  await tabTo(page, '#tab-background');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  web.check(
    await page.$eval('#tab-brush', element => element === document.activeElement && element.ariaSelected === 'true'),
    'the arrow keys do not move along the tabs',
  );
  await tabTo(page, 'input[name=tool]:checked');
  await page.keyboard.press('ArrowRight');
  web.check(await page.$eval('input[name=tool][value=erase]', element => element.checked), 'erase is not chosen');

  await page.focus('.stage-canvas');
  for (let i = 0; i < 4; ++i) await page.keyboard.press(']');
  await page.keyboard.down('Space');
  for (let i = 0; i < 12; ++i) await page.keyboard.press('ArrowDown');
  await page.keyboard.up('Space');
  web.check(
    await page.$eval('.stage-canvas', element => element === document.activeElement),
    'the focus left the picture',
  );
  await page.shot('brushed');
  const undo = () =>
    page.evaluate(() => [...document.querySelectorAll('#panel-brush button')].map(one => one.disabled));
  web.check(String(await undo()) === 'false,true', `undo and redo: ${await undo()}`);
  await page.keyboard.down('Control');
  await page.keyboard.press('z');
  await page.keyboard.up('Control');
  web.check(String(await undo()) === 'true,false', `after undo: ${await undo()}`);
  // The figure comes with the next frame.
  const shown = () => document.querySelector('.zoom-text').textContent;
  const fitted = await page.evaluate(shown);
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  await page.waitForFunction(text => document.querySelector('.zoom-text').textContent !== text, {}, fitted);
  await page.keyboard.press('0');
  await page.waitForFunction(text => document.querySelector('.zoom-text').textContent === text, {}, fitted);

  await page.focus('#tab-brush');
  await page.keyboard.press('ArrowLeft');
  await tabTo(page, '#panel-edges input[type=range]');
  for (let i = 0; i < 5; ++i) await page.keyboard.press('ArrowRight');
  web.check((await page.text('#panel-edges .slider-value')) === '5 px', 'the feather is not 5 px');
  await page.focus('#tab-edges');
  await page.keyboard.press('Home');
  await tabTo(page, 'input[name=background]:checked');
  await page.keyboard.press('ArrowRight');
  await tabTo(page, '.export .button-primary');
  const saved = await page.download(() => page.keyboard.press('Enter'));
  const picture = readPng(saved.bytes);
  web.check(picture.channels === 3 || picture.pixels[3] === 255, 'the background is not laid under');

  // The details open and close, and the focus comes back.
  await tabTo(page, '.status-line');
  await page.keyboard.press('Enter');
  web.check(await page.$eval('#details', element => element.open), 'the details do not open');
  await page.keyboard.press('Escape');
  web.check(
    await page.$eval('.status-line', element => element === document.activeElement),
    'the focus is lost after the details',
  );
});

await web.test('the row of pictures: one stop for Tab, arrows along all of them, Delete takes one away', async () => {
  const page = await openApp(web, '?backend=cpu');
  const pixels = new Uint8Array(64 * 48 * 3).fill(120);
  const bytes = writePng({width: 64, height: 48, channels: 3, pixels});
  await page.drop(
    'main',
    Array.from({length: 60}, (_, i) => ({name: `${i}.png`, type: 'image/png', bytes})),
  );
  await page.done(60);
  await page.idle();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  const rowOf = () =>
    page.evaluate(() => {
      const row = document.activeElement.closest('li');
      const {left, right} = row.getBoundingClientRect();
      const strip = row.closest('.strip').getBoundingClientRect();
      return {place: row.ariaPosInSet, of: row.ariaSetSize, seen: left >= strip.left - 1 && right <= strip.right + 1};
    });
  await tabTo(page, '.thumb');
  web.check((await focused()) === '0.png, done', await focused());
  await page.keyboard.press('End');
  web.check((await focused()) === '59.png, done', await focused());
  const {place, of, seen} = await rowOf();
  web.check(place === '60' && of === '60' && seen, `number ${place} of ${of}, in sight: ${seen}`);
  const rows = (await page.$$('.thumb')).length;
  web.check(rows < 40, `${rows} thumbnails are elements`);
  // Scrolled away with the wheel, the focused one stays, and the keys go on from it.
  await page.$eval('.strip', strip => {
    strip.scrollLeft = 0;
  });
  await new Promise(resolve => setTimeout(resolve, 200));
  web.check((await focused()) === '59.png, done', `the focus is on ${await focused()}`);
  await page.keyboard.press('ArrowLeft');
  web.check((await focused()) === '58.png, done' && (await rowOf()).seen, `the focus is on ${await focused()}`);
  await page.keyboard.press('Delete');
  web.check((await focused()) === '59.png, done', `after Delete the focus is on ${await focused()}`);
  web.check((await page.count('total')) === 59, 'nothing was removed');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.thumb[aria-current="true"][aria-label="59.png, done"]');
  await page.keyboard.press('Tab');
  web.check((await focused()) === 'Remove 59.png', `Tab goes on to ${await focused()}`);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.strip').dataset.total === '58');
  web.check((await focused()) === '57.png, done', `the focus is on ${await focused()}`);
});

await web.test('text stands out from what is behind it, in light and dark', async () => {
  for (const scheme of web.isChromium ? ['light', 'dark'] : ['light']) {
    const page = await openApp(web, '?backend=cpu', {
      before: async fresh => {
        if (web.isChromium) await fresh.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
      },
    });
    const faint = where => page.evaluate(faintText).then(list => list.map(one => `${scheme}, ${where}: ${one}`));
    const bad = await faint('start');
    await page.drop('main', [
      path.join(photos, 'portrait.jpg'),
      {name: 'broken.png', type: 'image/png', bytes: Buffer.from('no picture')},
      {name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('no picture')},
    ]);
    await page.cut();
    await page.idle();
    bad.push(...(await faint('work')));
    for (const tab of ['Edges', 'Brush', 'Background']) {
      await (await page.button(tab)).click();
      bad.push(...(await faint(tab)));
    }
    for (const [what, name] of [
      ['.status-line', 'details'],
      ['.segment-button', 'models'],
    ]) {
      await page.click(what);
      await page.waitForSelector('dialog[open]');
      bad.push(...(await faint(name)));
      await page.keyboard.press('Escape');
    }
    web.check(bad.length === 0, [...new Set(bad)].join('\n'));
    await page.$eval('.bottom', bottom => {
      const text = document.createElement('p');
      text.textContent = 'planted';
      text.style.color = '#8886';
      bottom.append(text);
    });
    web.check(String(await faint('planted')).includes('planted'), 'a faint text is not seen');
  }
});

await web.test('every control has a name, every page its landmarks', async () => {
  const page = await openApp(web, '?backend=cpu');
  const nameless = () =>
    page.evaluate(() => {
      const bad = [];
      for (const element of document.querySelectorAll(
        'button, input, select, [role=slider], [role=tab], canvas[tabindex], a[href]',
      )) {
        if (element.closest('[hidden]') || element.getAttribute('aria-hidden') === 'true') continue;
        const label = element.labels?.[0]?.textContent ?? '';
        const name =
          element.getAttribute('aria-label') ||
          element.textContent.trim() ||
          label.trim() ||
          element.getAttribute('title');
        if (!name) bad.push(element.outerHTML.slice(0, 120));
      }
      for (const image of document.images) if (!image.hasAttribute('alt')) bad.push(image.outerHTML);
      return bad;
    });
  // And as the browser itself computes them for a screen reader.
  const spoken = async () => {
    if (!web.isChromium) return;
    const session = await page.createCDPSession();
    const {nodes} = await session.send('Accessibility.getFullAXTree');
    await session.detach();
    const roles = [
      'button',
      'radio',
      'slider',
      'tab',
      'switch',
      'combobox',
      'dialog',
      'tabpanel',
      'radiogroup',
      'group',
    ];
    const seen = nodes.filter(one => !one.ignored && roles.includes(one.role?.value));
    const silent = seen.filter(one => !one.name?.value).map(one => `${one.role.value} ${one.backendDOMNodeId}`);
    web.check(seen.length > 5, `only ${seen.length} controls are there for a screen reader`);
    web.check(silent.length === 0, `without a name: ${silent}`);
  };
  web.check((await nameless()).length === 0, (await nameless()).join('\n'));
  await spoken();
  await page.drop('main', [path.join(photos, 'portrait.jpg'), path.join(photos, 'grace_hopper.jpg')]);
  await page.idle();
  await page.cut();
  for (const tab of ['Edges', 'Brush', 'Background']) {
    await (await page.button(tab)).click();
    web.check((await nameless()).length === 0, (await nameless()).join('\n'));
    await spoken();
  }
  const landmarks = await page.evaluate(() =>
    ['header', 'main', 'footer', 'nav', 'aside'].filter(name => !document.querySelector(name)),
  );
  web.check(landmarks.length === 0, `missing: ${landmarks}`);
  const said = await page.evaluate(() => [
    document.querySelector('[aria-live=polite]') !== null,
    document.documentElement.lang,
    document.title,
  ]);
  web.check(said[0] && said[1] === 'en' && said[2].length > 0, String(said));
  // Styles and scripts come from files: the policy forbids all else, and the console would tell.
  const policy = await page.$eval('meta[http-equiv]', element => element.content);
  web.check(!/unsafe-inline|'unsafe-eval'/.test(policy), policy);
  if (web.isChromium) {
    await page.emulateMediaFeatures([{name: 'prefers-reduced-motion', value: 'reduce'}]);
    const moving = await page.evaluate(
      () => document.getAnimations().filter(one => one.effect.getTiming().duration > 1).length,
    );
    web.check(moving === 0, `${moving} animations run although motion is to be reduced`);
  }
});
await web.finish();
