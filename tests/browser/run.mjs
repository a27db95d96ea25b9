// Operators' case tables in a browser's WebGPU, headless, on a software Vulkan driver.
//   node run.mjs firefox|chromium PROGRAMS [--filter TEXT] [--verbose] [--one-by-one] [--few]
// PROGRAMS: the folder that sluice_export_cases wrote. Firefox's adapter has shader-f16, Chromium's has not
// (launch.mjs). --few: only as many cases as have every shader with each value of its knobs once, and of the models
// only the small ones. Exit code 77: not run, the browser or its driver is not there.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {browserNames, launchBrowser, notRun} from './launch.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [browserName, programs, ...rest] = process.argv.slice(2);
const options = {
  filter: rest.includes('--filter') ? rest[rest.indexOf('--filter') + 1] : '',
  verbose: rest.includes('--verbose'),
  atOnce: rest.includes('--one-by-one') ? 1 : 12,
  few: rest.includes('--few'),
};
const largeModel = 2 << 20;  // bytes of its program

const shown = options.verbose ? Infinity : 6;  // failures of a family that are printed

// The page, its script and the programs; nothing else.
function serve(folder) {
  const types = {'.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json'};
  const server = http.createServer((request, response) => {
    const name = path.basename(new URL(request.url, 'http://localhost').pathname) || 'index.html';
    const file = path.join(name.endsWith('.json') ? folder : here, name);
    if (!types[path.extname(name)] || !fs.existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {'content-type': types[path.extname(name)]});
    fs.createReadStream(file).pipe(response);
  });
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)));
}

if (!browserNames.includes(browserName) || !programs) {
  console.error('usage: node run.mjs firefox|chromium PROGRAMS [--filter TEXT] [--verbose] [--one-by-one]');
  process.exit(2);
}
const families = fs.readdirSync(programs)
    .filter(name => name.endsWith('.json') && name.includes(options.filter))
    .filter(name => !(options.few && name.startsWith('model-') &&
                      fs.statSync(path.join(programs, name)).size > largeModel)).sort();
if (families.length === 0) notRun(`${programs} holds no programs (sluice_export_cases writes them)`);

const server = await serve(programs);
const origin = `http://127.0.0.1:${server.address().port}/`;
const browser = await launchBrowser(browserName);

let passed = 0, failed = 0, half = 0;
const variants = {}, notRunFor = {};  // programs that passed by variant, and that were not run by what is missing
const addUp = (into, counts) => {
  for (const [name, count] of Object.entries(counts)) into[name] = (into[name] ?? 0) + count;
};
const listed = counts => Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(', ');
async function freshPage() {
  const page = await browser.newPage();
  await page.goto(origin);
  return {page, facts: await page.evaluate(() => openDevice())};
}
try {
  console.log(`${browserName}: ${await browser.version()}`);
  let {page, facts} = await freshPage();
  if (facts.error) {
    await browser.close();
    notRun(`${browserName} has no WebGPU adapter here (${facts.error})`);
  }
  const {vendor, architecture, description, isFallbackAdapter} = facts.info;
  console.log(`adapter: vendor "${vendor}", architecture "${architecture}", description "${description}", ` +
              `fallback ${isFallbackAdapter}, shader-f16 ${facts.f16}, limits ${JSON.stringify(facts.limits)}`);
  console.log(`features: ${facts.features.join(' ') || 'none'}; of the language: ${facts.language.join(' ')}`);
  const unnoticed = await page.evaluate(url => selfCheck(url), families[0]);
  console.log(`self-check: ${unnoticed || 'four planted faults are seen'}`);
  if (unnoticed) ++failed;
  else ++passed;
  for (const name of families) {
    const begin = Date.now();
    const result = await page.evaluate((url, count, few) => runFamily(url, count, few), name, options.atOnce,
                                       options.few);
    const bad = result.failures.length;
    passed += result.passed;
    failed += bad;
    half += result.halfPassed;
    addUp(variants, result.variants);
    addUp(notRunFor, result.notRun);
    console.log(`${result.family.padEnd(12)} ${String(result.cases).padStart(4)} cases, ${result.passed} passed, ` +
                `${bad} failed, float16 ${result.halfPassed} of ${result.half}, ${result.pipelines} pipelines, ` +
                `${((Date.now() - begin) / 1000).toFixed(1)} s`);
    if (options.verbose) {
      for (const [ms, what] of result.times.sort((a, b) => b[0] - a[0]).slice(0, 8)) console.log(`  ${ms} ms ${what}`);
    }
    for (const why of result.failures.slice(0, shown)) console.log(`  FAILED ${why.slice(0, 600)}`);
    if (bad > shown) console.log(`  ... and ${bad - shown} more (--verbose)`);
    for (const message of result.uncaptured) {
      console.log(`  FAILED uncaptured error: ${message.slice(0, 400)}`);
      ++failed;
    }
    if (result.lost) {
      console.log(`  FAILED the device was lost: ${result.lost}`);
      ++failed;
      await page.close();
      ({page, facts} = await freshPage());
      if (facts.error) throw new Error(facts.error);
    }
  }
} finally {
  await browser.close();
  server.close();
}
console.log(`passed: ${listed(variants)}; float16 ${half}`);
if (Object.keys(notRunFor).length > 0) console.log(`not run, for want of: ${listed(notRunFor)}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
