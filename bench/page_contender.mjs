// A runtime in a page of a Chromium of its own with a fresh profile: the first visit is a cold one, peak memory is that
// of its largest page process, and what was fetched is what it needs.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import crypto from 'node:crypto';
import {launch} from './web/browser.mjs';

/** Peak resident memory of the largest page process; null where /proc is not. */
function peakOf(browser) {
  const peaks = browser.pageProcesses().map(pid => {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)[1]) * 1024;
  });
  return peaks.length ? Math.max(...peaks) : null;
}

// Compressing takes seconds a file: remembered by contents.
const memory = 'build/bench/sizes.json';
function brotliBytes(file) {
  const known = fs.existsSync(memory) ? JSON.parse(fs.readFileSync(memory, 'utf8')) : {};
  const bytes = fs.readFileSync(file);
  const hash = crypto.createHash('sha256').update(bytes).digest('hex');
  if (!known[hash]) {
    const params = {[zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length};
    known[hash] = zlib.brotliCompressSync(bytes, {params}).length;
    fs.writeFileSync(memory, JSON.stringify(known));
  }
  return known[hash];
}

export class PageContender {
  /** @param kind {runtime, threads, direct?, recycle?} @param site {url, requests, folder} */
  constructor(kind, model, site) {
    Object.assign(this, {kind, model, site});
  }

  async start() {
    const {kind, model, site} = this;
    const since = site.requests.length;
    this.browser = await launch();
    this.page = await this.browser.page(`${site.url}run.html`, null);
    const {threads, runtime, direct, recycle} = kind;
    const settings = {
      runtime,
      threads,
      direct,
      recycle,
      model: site.addressOf(model),
      inputs: model.inputs,
      outputs: model.outputs,
    };
    const made = await this.page.evaluate(given => window.bench.start(given), settings);
    const names = site.requests
      .slice(since)
      .filter(({status}) => status === 200)
      .map(one => decodeURIComponent(one.path.split('?')[0]).replace(/^\//, ''))
      .filter(name => name && !/^(models\/|run\.html|page_run\.mjs|feeds\.mjs|favicon)/.test(name));
    const files = [...new Set(names)].map(name => path.join(site.folder, name)).filter(file => fs.existsSync(file));
    return {
      ...made,
      download_bytes: files.reduce((sum, file) => sum + fs.statSync(file).size, 0),
      download_brotli_bytes: files.reduce((sum, file) => sum + brotliBytes(file), 0),
      download_files: files.map(file => path.relative(site.folder, file)),
    };
  }

  async batch(runs) {
    const before = await this.browser.cpuSeconds();
    const ms = await this.page.evaluate(count => window.bench.batch(count), runs);
    return {ms, cpu_ms: (((await this.browser.cpuSeconds()) - before) * 1000) / runs};
  }

  results() {
    return this.page.evaluate(() => window.bench.results());
  }

  async end() {
    const peak_bytes = peakOf(this.browser);
    await this.browser.close();
    return {peak_bytes};
  }

  kill() {
    this.browser?.kill();
  }
}
