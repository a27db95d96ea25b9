// The whole path by keyboard only: choose a picture, compare, brush, undo, soften, background, save. And what
// a screen reader needs: names, landmarks, live text.
import path from 'node:path';

import {needApp, openApp, photos, readPng, site} from './app_page.mjs';
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
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  const zoomed = await page.text('.zoom-text');
  await page.keyboard.press('0');
  await new Promise(resolve => setTimeout(resolve, 100));
  web.check(zoomed !== (await page.text('.zoom-text')), 'the keys do not zoom');

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
  web.check((await nameless()).length === 0, (await nameless()).join('\n'));
  await page.drop('main', [path.join(photos, 'portrait.jpg'), path.join(photos, 'grace_hopper.jpg')]);
  await page.idle();
  await page.cut();
  for (const tab of ['Edges', 'Brush', 'Background']) {
    await (await page.button(tab)).click();
    web.check((await nameless()).length === 0, (await nameless()).join('\n'));
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
