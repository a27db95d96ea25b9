// The model store: downloads that are cut, lied to and stalled, entries that rot, disks that are full, two
// tabs at once. First in node, on a folder in memory and a server that misbehaves on demand; then in the real
// browser on its own storage.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import {createRequire} from 'node:module';
import path from 'node:path';
import zlib from 'node:zlib';
import {pathToFileURL} from 'node:url';
import {need, root, start} from './harness.mjs';

need('build/web-node/node_modules/esbuild');
const esbuild = createRequire(path.join(root, 'build/web-node/x.js'))('esbuild');
const sources = path.join(root, 'web/runtime/src/store');
const entry = ['load', 'model_store', 'opfs', 'cache_api', 'sha256', 'storage', 'manage']
  .map(name => `export * from '${sources}/${name}.ts';`)
  .join('\n');
const pageFolder = path.join(root, 'build/web/pages/store');
fs.mkdirSync(pageFolder, {recursive: true});
esbuild.buildSync({
  stdin: {contents: entry, resolveDir: sources, loader: 'ts'},
  bundle: true,
  format: 'esm',
  target: 'es2022',
  outfile: path.join(pageFolder, 'store.mjs'),
});
const store = await import(pathToFileURL(path.join(pageFolder, 'store.mjs')));
const {loadModel, loadModelWith, ModelStore, Sha256, entryKey} = store;

const long = !!process.env.SLUICE_LONG;
const sha256 = bytes => crypto.createHash('sha256').update(bytes).digest('hex');
// The same every time.
let seed = 12345;
const random = limit => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * limit);
};
const randomBytes = count => Uint8Array.from({length: count}, () => random(256));

// --- a server that does what its address says. State lives under ?id=, so that tests don't meet.
const files = {small: randomBytes(100_000), medium: randomBytes(1 << 18), large: randomBytes(1 << 20)};
const other = {small: randomBytes(90_000), medium: randomBytes(200_000), large: randomBytes((1 << 20) + 17)};
const counts = new Map();
const cuts = new Map(); // what ends an answer under ?held
const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  const q = Object.fromEntries(url.searchParams);
  const name = url.pathname.slice(1);
  const state = counts.get(q.id) ?? {requests: 0, bytes: 0, ranges: []};
  counts.set(q.id, state);
  response.setHeader('Access-Control-Allow-Origin', '*');
  response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
  if (q.expose) response.setHeader('Access-Control-Expose-Headers', 'ETag, Content-Range, Accept-Ranges');
  if (request.method === 'OPTIONS') return response.writeHead(403).end();
  if (request.method === 'HEAD') state.heads = (state.heads ?? 0) + 1;
  else ++state.requests;
  const first = state.requests === 1;
  state.ranges.push(request.headers.range ?? '');
  if (q.down && !(q.down === 'later' && first)) return request.socket.destroy();
  if (q.status && (first || q.always)) return response.writeHead(Number(q.status)).end('no');
  if (q.redirect) return response.writeHead(302, {location: `/${name}?id=${q.id}`}).end();
  if (q.loop) return response.writeHead(302, {location: request.url}).end();
  let bytes = (q.changes && !first) || q.lies ? other[name] : files[name];
  if (q.html) {
    const page = Buffer.from('<!DOCTYPE html><html><body>Sign in to this network</body></html>');
    response.writeHead(200, {'content-type': q.html === 'typed' ? 'text/html' : 'application/octet-stream'});
    return response.end(page);
  }
  if (q.lfs) return response.end('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n');
  const headers = {'content-type': 'application/octet-stream'};
  const etag = `"${sha256(bytes).slice(0, 12)}"`;
  if (!q.noetag) headers.etag = q.weak ? `W/${etag}` : etag;
  if (q.dated)
    headers['last-modified'] =
      bytes === files[name] ? 'Mon, 02 Jan 2023 00:00:00 GMT' : 'Tue, 03 Jan 2023 00:00:00 GMT';
  if (q.gzip && /gzip/.test(request.headers['accept-encoding'] ?? '')) {
    bytes = zlib.gzipSync(Buffer.from(bytes));
    headers['content-encoding'] = 'gzip';
  }
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const ifRange = request.headers['if-range'];
  let body = bytes;
  let status = 200;
  if (
    match &&
    !q.norange &&
    (ifRange === undefined || ifRange === headers.etag || ifRange === headers['last-modified'])
  ) {
    const begin = Number(match[1]);
    if (begin >= bytes.length || q.r416) {
      return response.writeHead(416, {'content-range': `bytes */${bytes.length}`}).end();
    }
    status = 206;
    const shown = q.wrongrange ? begin + 1 : begin;
    const total = q.wrongtotal ? bytes.length + 1 : bytes.length;
    if (!q.hiderange) headers['content-range'] = `bytes ${shown}-${bytes.length - 1}/${total}`;
    body = bytes.subarray(begin);
    if (q.flips) (body = body.slice())[0] ^= 1;
  }
  if (!q.chunked) headers['content-length'] = body.length;
  response.writeHead(status, headers);
  if (request.method === 'HEAD') return response.end();
  const limit =
    q.cut !== undefined && (first || q.always)
      ? Number(q.cut)
      : q.stall !== undefined && first
        ? Number(q.stall)
        : Infinity;
  const part = body.subarray(0, limit);
  state.bytes += part.length;
  if (q.slow) {
    // Slow enough for something else to happen meanwhile.
    let at = 0;
    const step = () => {
      if (at >= part.length || response.destroyed) return void response.end();
      response.write(part.subarray(at, at + 32768));
      at += 32768;
      setTimeout(step, Number(q.slow));
    };
    return step();
  }
  if (limit === Infinity) return response.end(part);
  if (q.held) cuts.set(q.id, () => response.destroy());
  response.write(part, () => {
    if (!q.held && (q.stall === undefined || !first)) response.destroy();
  });
  if (part.length === 0) response.flushHeaders();
});
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
server.unref();
const origin = `http://127.0.0.1:${server.address().port}`;
let nextId = 0;
/** An address of its own: {url, state(), cut()}. */
function at(query = '', name = 'large') {
  const id = `n${++nextId}`;
  return {
    url: `${origin}/${name}?id=${id}${query && `&${query}`}`,
    state: () => counts.get(id) ?? {requests: 0, bytes: 0, ranges: []},
    cut: () => cuts.get(id)(),
  };
}

// --- a folder in memory, which fails on purpose.
class MemoryFolder {
  files = new Map();
  limit = Infinity;
  bytesStored() {
    let sum = 0;
    for (const bytes of this.files.values()) sum += bytes.length;
    return sum;
  }
  async readText(name) {
    const bytes = this.files.get(name);
    return bytes && new TextDecoder().decode(bytes);
  }
  async writeText(name, text) {
    this.files.set(name, new TextEncoder().encode(text));
  }
  async open(name) {
    const bytes = this.files.get(name);
    return bytes && {bytes: bytes.length, read: async (offset, length) => bytes.slice(offset, offset + length)};
  }
  async append(name, keepBytes) {
    const kept = (this.files.get(name) ?? new Uint8Array()).slice(0, keepBytes);
    const pieces = [kept];
    let size = kept.length;
    this.files.set(name, kept);
    const flush = async () => {
      this.files.set(name, Uint8Array.from(Buffer.concat(pieces)));
    };
    return {
      keptBytes: kept.length,
      write: chunk => {
        if (size + chunk.length > this.limit) throw Object.assign(new Error('full'), {name: 'QuotaExceededError'});
        size += chunk.length;
        pieces.push(chunk.slice());
      },
      flush,
      close: flush,
    };
  }
  async remove(name) {
    this.files.delete(name);
  }
  async list() {
    return [...this.files.keys()];
  }
}

/** A sink that keeps the bytes and checks the order of its calls. */
function collect() {
  const out = {bytes: new Uint8Array(), begins: 0, totals: [], pieces: [], total: undefined};
  out.sink = {
    begin(total) {
      ++out.begins;
      out.totals.push(total);
      out.total = total;
      out.pieces = [];
      out.size = 0;
    },
    write(chunk) {
      if (out.begins === 0) throw new Error('write before begin');
      out.pieces.push(chunk.slice());
      out.size += chunk.length;
      if (out.total !== undefined && out.size > out.total)
        throw new Error(`${out.size} bytes after begin(${out.total})`);
    },
  };
  out.all = () => Buffer.concat(out.pieces);
  return out;
}

const fast = {retryDelayMs: 1, checkpointBytes: 100_000};
async function load(source, options = {}, hooks = {}) {
  const got = collect();
  const result = await loadModelWith(source, got.sink, {stallSeconds: 60, ...options}, {...fast, ...hooks});
  return {...result, got, data: got.all()};
}
async function failure(source, options, hooks) {
  try {
    await load(source, options, hooks);
  } catch (error) {
    return error;
  }
  return undefined;
}
const memoryStore = () => {
  const folder = new MemoryFolder();
  return {folder, store: new ModelStore(folder)};
};
const onlyData = folder => [...folder.files.keys()].filter(name => name.endsWith('.data'));

const web = await start();
const {check, test} = web;
function same(result, name = 'large') {
  check(
    result.data.equals(Buffer.from(files[name])),
    `the bytes differ (${result.data.length} of ${files[name].length})`,
  );
}
function typed(error, code, pattern) {
  check(
    error?.code === code && pattern.test(error.message),
    `expected ${code} ${pattern}, got ${error?.code}: ${error?.message ?? 'no error'}`,
  );
}

if (web.isChromium) await inNode();
await inBrowser();
await web.finish();

async function inNode() {
  await test("SHA-256 is the platform's, whatever the pieces", async () => {
    const bytes = randomBytes(1000);
    for (let length = 0; length <= 300; ++length) {
      check(
        new Sha256().update(bytes.subarray(0, length)).digest() === sha256(bytes.subarray(0, length)),
        `length ${length}`,
      );
    }
    for (let i = 0; i < 300; ++i) {
      const hash = new Sha256();
      for (let from = 0; from < bytes.length;) {
        const to = Math.min(bytes.length, from + random(200));
        hash.update(bytes.subarray(from, to));
        if (random(4) === 0) check(hash.digest() === sha256(bytes.subarray(0, to)), 'a digest in between');
        from = to;
      }
      check(hash.digest() === sha256(bytes), `pieces, round ${i}`);
    }
    const big = randomBytes(8 << 20);
    const begin = performance.now();
    check(new Sha256().update(big).digest() === sha256(big), '8 MiB');
    console.log(`        ${(big.length / 1048.576 / (performance.now() - begin)).toFixed(0)} MB/s`);
  });

  await test('a good server: one request, stored, found again without the network', async () => {
    const {store, folder} = memoryStore();
    const {url, state} = at();
    const events = [];
    const first = await load(url, {sha256: sha256(files.large), onProgress: event => events.push(event)}, {store});
    same(first);
    check(first.from === 'network' && first.stored && state().requests === 1, JSON.stringify(first));
    const last = events.at(-1);
    check(
      last.loadedBytes === files.large.length && last.totalBytes === files.large.length && !last.fromCache,
      JSON.stringify(last),
    );
    check(
      events.every((event, i) => i === 0 || event.loadedBytes > events[i - 1].loadedBytes),
      'progress goes back',
    );
    const second = await load(url, {sha256: sha256(files.large)}, {store});
    same(second);
    check(second.from === 'store' && state().requests === 1 && !state().heads, JSON.stringify(second));
    check(folder.files.size === 2, `files: ${[...folder.files.keys()]}`);
    check(second.got.totals.length === 1 && second.got.totals[0] === files.large.length, 'begin knows the size');
  });

  await test('without a hash: the server is asked whether the file has changed, and need not be there', async () => {
    const {store} = memoryStore();
    const {url, state} = at();
    same(await load(url, {}, {store}));
    const again = await load(url, {}, {store});
    check(again.from === 'store' && state().requests === 1 && state().heads === 1, JSON.stringify(state()));
    const changed = await load(`${url}&lies=1`, {}, {store});
    check(changed.data.equals(Buffer.from(other.large)), 'another address is another entry');
    // The same address, another file now.
    const moving = at();
    files.moving = files.small;
    const movingUrl = moving.url.replace('/large', '/moving');
    await load(movingUrl, {}, {store});
    files.moving = other.small;
    const fresh = await load(movingUrl, {}, {store});
    check(fresh.from === 'network' && fresh.data.equals(Buffer.from(other.small)), 'the changed file is loaded');
    const offline = await load(movingUrl, {}, {store, fetch: () => Promise.reject(new TypeError('offline'))});
    check(offline.from === 'store', 'offline, what is stored is used');
  });

  await test('cut at 200 positions: resumed within the load', async () => {
    for (let i = 0; i < 200; ++i) {
      const cut = i === 199 ? files.medium.length - 1 : Math.floor((files.medium.length * i) / 199);
      const {store, folder} = memoryStore();
      const {url, state} = at(`cut=${cut}`, 'medium');
      const hash = i % 2 === 0 ? {sha256: sha256(files.medium)} : {};
      const result = await load(url, hash, {store});
      same(result, 'medium');
      check(
        result.stored && onlyData(folder).length === 1 && !folder.files.has(`${entryKey(url, hash.sha256)}.part`),
        `cut ${cut}: ${[...folder.files.keys()]}`,
      );
      // What arrived before the cut is not asked for again.
      check(
        state().bytes <= files.medium.length + cut && state().requests <= 3,
        `cut ${cut}: ${JSON.stringify(state())}`,
      );
    }
  });

  await test('cut at 200 positions and then gone: no partial file is visible, and another day goes on', async () => {
    let resumed = 0;
    for (let i = 0; i < 200; ++i) {
      const cut = Math.floor((files.medium.length * i) / 200);
      const {store, folder} = memoryStore();
      const {url, state} = at(`cut=${cut}&down=later`, 'medium');
      typed(await failure(url, {sha256: sha256(files.medium)}, {store}), 'network', /can't be loaded/);
      const key = entryKey(url, sha256(files.medium));
      check((await store.find(key)) === undefined, `cut ${cut}: an entry is visible`);
      check(!folder.files.has(`${key}.json`), `cut ${cut}: a record is there`);
      const good = at('', 'medium');
      const bytesBefore = state().bytes;
      const result = await load(good.url, {sha256: sha256(files.medium)}, {store});
      same(result, 'medium');
      check(result.stored && onlyData(folder).length === 1, `cut ${cut}: ${[...folder.files.keys()]}`);
      if (good.state().ranges[0] !== '') {
        ++resumed;
        check(good.state().bytes + bytesBefore <= files.medium.length + 1, `cut ${cut}: bytes came twice`);
      }
    }
    check(resumed >= 190, `only ${resumed} of 200 were resumed`);
    console.log(`        ${resumed} of 200 resumed`);
  });

  await test('servers that lie about ranges', async () => {
    const pinned = {sha256: sha256(files.large)};
    const cut = 'cut=300000';
    for (const query of [
      'norange',
      'wrongrange',
      'wrongtotal',
      'hiderange',
      'r416',
      'noetag',
      'weak',
      'dated&noetag',
      'chunked',
      'flips',
      'noetag&norange',
    ]) {
      for (const options of [pinned, {}]) {
        const {store} = memoryStore();
        const {url, state} = at(`${cut}&${query.replaceAll('&', '=1&')}=1`);
        const result =
          (await failure(url, options, {store})) ?? (await load(url, options, {store: memoryStore().store}));
        if (query === 'flips' && !options.sha256) {
          // Nothing but a hash can tell: this is what sha256 is for.
          continue;
        }
        check(!(result instanceof Error), `${query} ${JSON.stringify(options)}: ${result.code} ${result.message}`);
        same(result);
        check(state().requests <= 8, `${query}: ${state().requests} requests`);
      }
    }
  });

  await test('the file changes in mid-download', async () => {
    for (const query of ['', 'noetag=1&dated=1', 'weak=1']) {
      const {store} = memoryStore();
      const {url} = at(`cut=300000&changes=1&${query}`);
      const result = await load(url, {}, {store});
      check(result.data.equals(Buffer.from(other.large)), `${query}: the new file, whole`);
      check(result.got.begins >= 2, 'the sink was told to begin again');
      typed(
        await failure(
          at(`cut=300000&changes=1&${query}`).url,
          {sha256: sha256(files.large)},
          {store: memoryStore().store},
        ),
        'integrity',
        /SHA-256/,
      );
    }
  });

  await test('what is no model is refused, and nothing is stored', async () => {
    const cases = [
      ['html=typed', 'network', /HTML page/],
      ['html=untyped', 'network', /HTML page/],
      ['lfs=1', 'network', /Git LFS pointer/],
      ['status=404&always=1', 'network', /status 404/],
      ['status=403&always=1', 'network', /status 403/],
      ['status=503&always=1', 'network', /status 503 \(after 4 attempts\)/],
      ['status=206&always=1', 'network', /status 206/],
      ['down=1', 'network', /connection fails/],
      ['loop=1', 'network', /connection fails/],
      ['lies=1', 'integrity', /SHA-256/],
      ['cut=1000&always=1&noetag=1&norange=1', 'network', /again and again/],
    ];
    for (const [query, code, pattern] of cases) {
      const {store, folder} = memoryStore();
      const {url, state} = at(query);
      typed(await failure(url, {sha256: sha256(files.large)}, {store}), code, pattern);
      check((await store.find(entryKey(url, sha256(files.large)))) === undefined, `${query}: something is stored`);
      if (query === 'lies=1') {
        check(state().requests === 2, `${query}: ${state().requests} requests (one re-fetch)`);
        check(folder.files.size === 0, `${query}: left behind ${[...folder.files.keys()]}`);
      }
    }
    const size = {sizeBytes: files.large.length - 1};
    const wrongSize = at();
    typed(await failure(wrongSize.url, size, {store: memoryStore().store}), 'integrity', /bytes/);
    typed(await failure(at('chunked=1').url, size, {store: memoryStore().store}), 'integrity', /more than/);
    typed(await failure('http://[', {}), 'usage', /no address/);
    typed(await failure(at().url, {sha256: 'ABC'}), 'usage', /64/);
  });

  await test('redirects, a busy server, compression, silence', async () => {
    for (const query of [
      'redirect=1',
      'status=503',
      'status=429',
      'gzip=1',
      'gzip=1&cut=5000',
      'stall=0',
      'stall=400000',
      'chunked=1&stall=400000',
    ]) {
      const {store} = memoryStore();
      const result = await load(at(query).url, query.includes('stall') ? {stallSeconds: 0.3} : {}, {store});
      same(result);
      check(result.stored, query);
    }
    typed(
      await failure(
        at('stall=0').url,
        {stallSeconds: 0.1},
        {fetch: () => new Promise(() => {}), store: memoryStore().store},
      ),
      'network',
      /silent/,
    );
  });

  await test('1,000 flipped bits in the store: each is found, fetched again once', async () => {
    const {store, folder} = memoryStore();
    const {url, state} = at('', 'small');
    const pinned = {sha256: sha256(files.small)};
    await load(url, pinned, {store});
    for (let i = 0; i < 1000; ++i) {
      const bytes = folder.files.get(onlyData(folder)[0]);
      bytes[random(bytes.length)] ^= 1 << random(8);
      const before = state().requests;
      const result = await load(url, pinned, {store});
      check(result.data.equals(Buffer.from(files.small)), `flip ${i}: wrong bytes`);
      check(
        result.from === 'network' && state().requests === before + 1,
        `flip ${i}: ${state().requests - before} requests`,
      );
      check(result.notes.length === 1 && /damaged/.test(result.notes[0]), `flip ${i}: ${result.notes}`);
    }
    // The server has nothing better: one re-fetch, then an error.
    const bytes = folder.files.get(onlyData(folder)[0]);
    bytes[5] ^= 1;
    const bad = at('lies=1', 'small');
    typed(await failure(bad.url, pinned, {store}), 'integrity', /SHA-256/);
    check(bad.state().requests === 1, `${bad.state().requests} requests`);
    check(folder.files.size === 0, 'nothing is left of it');
  });

  await test('flipped bits in records and in partial downloads', async () => {
    const pinned = {sha256: sha256(files.small)};
    const {store, folder} = memoryStore();
    const {url} = at('', 'small');
    await load(url, pinned, {store});
    const key = entryKey(url, pinned.sha256);
    const whole = new Map([...folder.files].map(([name, bytes]) => [name, bytes.slice()]));
    const record = whole.get(`${key}.json`);
    for (let bit = 0; bit < record.length * 8; bit += long ? 1 : 5) {
      folder.files = new Map([...whole].map(([name, bytes]) => [name, bytes.slice()]));
      folder.files.get(`${key}.json`)[bit >> 3] ^= 1 << (bit & 7);
      same(await load(url, pinned, {store}), 'small');
    }
    for (let i = 0; i < 100; ++i) {
      const cut = at('cut=50000&down=later', 'small');
      const partial = memoryStore();
      await failure(cut.url, pinned, {store: partial.store});
      const names = [...partial.folder.files.keys()];
      check(names.length === 2, `a partial download is two files (${names})`);
      const bytes = partial.folder.files.get(names[i % 2]);
      bytes[random(bytes.length)] ^= 1 << random(8);
      const again = at('', 'small');
      same(await load(again.url, pinned, {store: partial.store}), 'small');
      check(again.state().requests <= 2, `${again.state().requests} requests`);
    }
  });

  await test('a file of several pieces: flips anywhere, and a partial one that goes on', async () => {
    files.pieces = crypto.randomBytes((9 << 20) + 12345);
    const pinned = {sha256: sha256(files.pieces)};
    const {store, folder} = memoryStore();
    const cut = at('cut=6000000&down=later', 'pieces');
    await failure(cut.url, pinned, {store});
    same(await load(at('', 'pieces').url, pinned, {store}), 'pieces');
    const again = await load(at('', 'pieces').url, pinned, {store});
    same(again, 'pieces');
    check(again.from === 'store', JSON.stringify(again.notes));
    const {pieces} = JSON.parse(await folder.readText([...folder.files.keys()].find(name => name.endsWith('.json'))));
    check(pieces.length === 3 && pieces[2] === sha256(files.pieces.subarray(8 << 20)), `pieces: ${pieces}`);
    for (const place of [0, (4 << 20) - 1, 4 << 20, (8 << 20) + 5, files.pieces.length - 1]) {
      folder.files.get(onlyData(folder)[0])[place] ^= 128;
      const {url, state} = at('', 'pieces');
      const result = await load(url, pinned, {store});
      same(result, 'pieces');
      check(state().requests === 1 && /damaged/.test(result.notes[0]), `flip at ${place}: ${result.notes}`);
    }
  });

  await test('a new version of a file takes the place of the old one, and of no other', async () => {
    const {store, folder} = memoryStore();
    files.versioned = files.small;
    const {url} = at('', 'versioned');
    const elsewhere = at('', 'medium');
    await load(elsewhere.url, {sha256: sha256(files.medium)}, {store});
    await load(url, {sha256: sha256(files.small)}, {store});
    await load(url, {}, {store});
    check(onlyData(folder).length === 3, `entries: ${[...folder.files.keys()]}`);
    files.versioned = other.small;
    await load(url, {sha256: sha256(other.small)}, {store});
    check(onlyData(folder).length === 3, `entries: ${[...folder.files.keys()]}`);
    check(!(await store.find(entryKey(url, sha256(files.small)))), 'the old version is still there');
    check(await store.find(entryKey(url, sha256(other.small))), 'the new version is not there');
    check(await store.find(entryKey(elsewhere.url, sha256(files.medium))), 'another file is gone');
  });

  await test('eviction of any file is harmless', async () => {
    const pinned = {sha256: sha256(files.small)};
    for (const which of [0, 1]) {
      const {store, folder} = memoryStore();
      const {url} = at('', 'small');
      await load(url, pinned, {store});
      folder.files.delete([...folder.files.keys()][which]);
      const result = await load(url, pinned, {store});
      same(result, 'small');
      check(result.from === 'network' && folder.files.size === 2, `file ${which}`);
    }
  });

  await test('no room: the load goes on, and says so once', async () => {
    for (const limit of [0, 1, 70_000, 500_000, files.large.length - 1]) {
      const {store, folder} = memoryStore();
      folder.limit = limit;
      const result = await load(at('cut=600000').url, {sha256: sha256(files.large)}, {store});
      same(result);
      check(
        !result.stored && result.notes.length === 1 && /is full/.test(result.notes[0]),
        `limit ${limit}: ${result.notes}`,
      );
      check(folder.files.size === 0, `limit ${limit}: left behind ${[...folder.files.keys()]}`);
    }
  });

  await test('aborting, at any time, keeps what came', async () => {
    for (const after of [0, 1, 200_000, 700_000]) {
      const {store, folder} = memoryStore();
      const {url, state} = at('slow=10');
      const control = new AbortController();
      const reason = new Error('enough');
      if (after === 0) control.abort(reason);
      const error = await failure(
        url,
        {
          sha256: sha256(files.large),
          signal: control.signal,
          onProgress: ({loadedBytes}) => loadedBytes >= after && control.abort(reason),
        },
        {store},
      );
      typed(error, 'aborted', /enough/);
      check(error.cause === reason, 'the reason is the cause');
      check((await store.find(entryKey(url, sha256(files.large)))) === undefined, 'an entry is visible');
      const result = await load(at().url, {sha256: sha256(files.large)}, {store});
      same(result);
      if (after > 0) check(result.networkBytes < files.large.length, `after ${after}: all came again`);
    }
  });

  await test('side by side: one download, both right', async () => {
    const {store} = memoryStore();
    const {url, state} = at('slow=1');
    const results = await Promise.all([1, 2, 3].map(() => load(url, {sha256: sha256(files.large)}, {store})));
    results.forEach(result => same(result));
    check(state().requests === 1, `${state().requests} requests`);
  });

  await test('bytes, files, answers', async () => {
    const pinned = {sha256: sha256(files.large), sizeBytes: files.large.length};
    const response = () => fetch(at().url);
    for (const source of [files.large, files.large.slice().buffer, new Blob([files.large]), await response()]) {
      const result = await load(source, pinned);
      same(result);
    }
    same(await load(files.large));
    for (const source of [files.large, new Blob([files.large]), await response()]) {
      typed(await failure(source, {sha256: sha256(files.small)}), 'integrity', /SHA-256/);
    }
    typed(await failure(files.large, {sizeBytes: 5}), 'integrity', /5 expected/);
    typed(await failure(await fetch(at('status=404&always=1').url)), 'network', /404/);
    typed(await failure(await fetch(at('html=untyped').url)), 'network', /HTML/);
    typed(await failure(await fetch(at('cut=400000').url)), 'network', /breaks off/);
    const uncached = await load(at('cut=400000').url, {cache: false});
    same(uncached);
    check(!uncached.stored && uncached.notes.length === 0, 'not stored');
    // The platform hashes files of one piece in no time; for others nobody has asked.
    check(uncached.sha256 === sha256(files.large), `the hash of one piece is ${uncached.sha256}`);
    const pieces = await load(new Uint8Array(5 << 20));
    check(pieces.sha256 === undefined, 'two pieces, not asked for, are hashed');
  });

  await test('never more than a piece in memory', async () => {
    // A stream of 64 MiB into a sink that drops it.
    const chunk = new Uint8Array(1 << 20);
    let sent = 0;
    const body = new ReadableStream({pull: c => (sent++ < 64 ? c.enqueue(chunk.slice()) : c.close())});
    let held = 0;
    let most = 0;
    const folder = new MemoryFolder();
    folder.append = async () => ({keptBytes: 0, write: () => {}, flush: async () => {}, close: async () => {}});
    globalThis.gc?.();
    const base = process.memoryUsage().arrayBuffers;
    await loadModelWith(
      'http://x.invalid/',
      {
        begin: () => {},
        write: () => {
          held = process.memoryUsage().arrayBuffers - base;
          most = Math.max(most, held);
        },
      },
      {},
      {...fast, store: new ModelStore(folder), fetch: async () => new Response(body, {headers: {etag: '"x"'}})},
    );
    check(most < 48 << 20, `${(most / 1048576).toFixed(0)} MiB held`);
  });
}

async function inBrowser() {
  fs.writeFileSync(path.join(pageFolder, 'model.bin'), files.large);
  fs.writeFileSync(
    path.join(pageFolder, 'worker.js'),
    `
    import * as store from './store.mjs';
    let control;
    onmessage = async ({data}) => {
      if (data.abort) return control.abort(new Error('enough'));
      try {
        postMessage({id: data.id, ...(await commands[data.command](data))});
      } catch (error) {
        postMessage({id: data.id, error: {code: error.code, name: error.name, message: error.message}});
      }
    };
    const commands = {
      async load({source, options, storage}) {
        control = new AbortController();
        let pieces = [];
        let begins = 0;
        let received = 0;
        const sink = {
          begin() { ++begins; received = 0; pieces = []; },
          write(chunk) { pieces.push(chunk.slice()); postMessage({received: received += chunk.length}); },
        };
        const folder = storage === 'cache' ? await store.openCacheApi('test-cache') : await store.openOpfs('test-opfs');
        if (!folder) throw new Error('there is no ' + storage);
        const result = await store.loadModelWith(source, sink, {...options, signal: control.signal,
          onProgress: event => postMessage({progress: event})},
          {store: new store.ModelStore(folder), retryDelayMs: 1, checkpointBytes: 100000});
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(pieces).arrayBuffer()));
        return {result, begins, digest: Array.from(digest, b => b.toString(16).padStart(2, '0')).join('')};
      },
      // As the runtime does it: from the network or the store into WebAssembly memory.
      async place({source, options}) {
        let memory;
        let used = 0;
        const result = await store.loadModelWith(source, {
          begin(total) {
            memory ??= new WebAssembly.Memory({initial: Math.ceil(total / 65536)});
            used = 0;
          },
          write(chunk) {
            new Uint8Array(memory.buffer).set(chunk, used);
            used += chunk.length;
          },
        }, options, {store: new store.ModelStore(await store.openOpfs('test-opfs'))});
        return {result, used};
      },
      async flip({at, bit, storage}) {
        if (storage === 'cache') {
          const cache = await caches.open('test-cache');
          for (const {url} of await cache.keys()) {
            const [, begin, size] = /[.]data\\/(\\d+)[+](\\d+)$/.exec(url) ?? [];
            if (begin === undefined || at < Number(begin) || at >= Number(begin) + Number(size)) continue;
            const bytes = new Uint8Array(await (await cache.match(url)).arrayBuffer());
            bytes[at - Number(begin)] ^= 1 << bit;
            await cache.put(url, new Response(bytes));
            return {flipped: 1};
          }
          return {flipped: 0};
        }
        let flipped = 0;
        const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('test-opfs');
        for await (const [name, file] of folder.entries()) {
          if (!name.endsWith('.data')) continue;
          const handle = await file.createSyncAccessHandle();
          const byte = new Uint8Array(1);
          handle.read(byte, {at});
          byte[0] ^= 1 << bit;
          handle.write(byte, {at});
          handle.close();
          ++flipped;
        }
        return {flipped};
      },
      async list({storage}) {
        const folder = storage === 'cache' ? await store.openCacheApi('test-cache') : await store.openOpfs('test-opfs');
        return {names: (await folder.list()).sort()};
      },
      async clear() {
        await store.clearModels('test-opfs');
        await caches.delete('test-cache');
        return {};
      },
    };
  `,
  );
  fs.writeFileSync(
    path.join(pageFolder, 'main.js'),
    `
    import * as store from './store.mjs';
    const worker = new Worker('worker.js', {type: 'module'});
    const pending = new Map();
    window.progress = 0;
    worker.onmessage = ({data}) => {
      if (data.received !== undefined) window.received = data.received;
      else if (data.progress) window.progress = data.progress.loadedBytes;
      else pending.get(data.id)(data);
    };
    worker.onerror = event => console.error(event.message);
    let id = 0;
    window.call = (command, params = {}) => new Promise(resolve => {
      pending.set(++id, resolve);
      worker.postMessage({id, command, ...params});
    });
    window.abort = () => worker.postMessage({abort: true});
    // The same in the page's own thread, where there are no synchronous access handles.
    window.loadHere = async (source, options) => {
      let size = 0;
      const result = await store.loadModel(source, {begin() { size = 0; }, write(chunk) { size += chunk.length; }}, options);
      return {...result, size};
    };
    window.ready = true;
  `,
  );
  fs.writeFileSync(
    path.join(pageFolder, 'index.html'),
    '<!doctype html><meta charset="utf-8"><title>store</title><link rel="icon" href="data:,"><script type="module" src="main.js"></script>\n',
  );

  const digest = sha256(files.large);
  async function open() {
    const page = await web.page('pages/store/');
    // Cut and refused connections are what this is about.
    page.tolerate(/request failed|Failed to load resource|Cross-Origin Request|NetworkError|CORS/);
    await page.waitForFunction(() => window.ready);
    page.call = (command, params) => page.evaluate((c, p) => window.call(c, p), command, params);
    return page;
  }
  const own = `${web.url}pages/store/model.bin`;
  const right = answer =>
    check(
      answer.digest === digest,
      answer.error ? `${answer.error.code}: ${answer.error.message}` : 'the bytes differ',
    );

  for (const storage of ['opfs', 'cache']) {
    await test(`${storage}: stored, then no request at all`, async () => {
      const page = await open();
      await page.call('clear');
      const load = () => page.call('load', {source: own, storage, options: {sha256: digest}});
      const first = await load();
      right(first);
      check(first.result.from === 'network' && first.result.stored, JSON.stringify(first.result));
      const before = (await web.server.asked()).length;
      const second = await load();
      right(second);
      const more = (await web.server.asked()).slice(before);
      check(second.result.from === 'store' && more.length === 0, JSON.stringify([second.result, more]));
    });
    await test(`${storage}: from another origin, cut, resumed within and across loads`, async () => {
      const page = await open();
      const cuts = long
        ? Array.from({length: 200}, (_, i) => Math.floor(((files.large.length - 1) * i) / 199))
        : [0, 1, 99_999, 500_000, files.large.length - 1];
      for (const cut of cuts) {
        await page.call('clear');
        const {url, state} = at(`cut=${cut}`);
        right(await page.call('load', {source: url, storage, options: {sha256: digest}}));
        check(state().bytes <= files.large.length + cut, 'bytes came twice');
        await page.call('clear');
        // The connection ends when all that was sent has arrived, however long that takes.
        const gone = at(`cut=${cut}&down=later&held=1`);
        await page.evaluate(() => (window.received = 0));
        const failing = page.call('load', {source: gone.url, storage, options: {sha256: digest}});
        await page.waitForFunction(bytes => window.received >= bytes, {polling: 10}, cut);
        while (gone.state().requests === 0) await new Promise(resolve => setTimeout(resolve, 10));
        gone.cut();
        const failed = await failing;
        check(failed.error?.code === 'network', JSON.stringify(failed));
        const {names} = await page.call('list', {storage});
        check(!names.some(name => name.endsWith('.json')), `visible: ${names}`);
        const good = at();
        right(await page.call('load', {source: good.url, storage, options: {sha256: digest}}));
        if (cut > 1000) check(good.state().ranges[0] !== '', `cut ${cut}: not resumed`);
      }
    });
    await test(`${storage}: without a hash, across origins`, async () => {
      const page = await open();
      for (const query of [
        'cut=300000',
        'cut=300000&expose=1',
        'cut=300000&dated=1',
        'cut=300000&changes=1&expose=1',
        'cut=300000&norange=1',
        'gzip=1',
        'gzip=1&cut=90000',
      ]) {
        await page.call('clear');
        const answer = await page.call('load', {source: at(query).url, storage, options: {}});
        if (query.includes('changes')) check(answer.digest === sha256(other.large), JSON.stringify(answer));
        else right(answer);
      }
    });
  }

  for (const storage of ['opfs', 'cache']) {
    const last = files.large.length - 1;
    const places = [0, 12345, 700_000, last].map(place => [place, 2]);
    while (long && places.length < 1000) places.push([random(last + 1), random(8)]);
    await test(`${storage}: ${places.length} bits flip on the disk, one at a time: found, fetched again`, async () => {
      const page = await open();
      await page.call('clear');
      const {url, state} = at();
      const load = () => page.call('load', {source: url, storage, options: {sha256: digest}});
      await load();
      for (const [place, bit] of places) {
        const {flipped} = await page.call('flip', {at: place, bit, storage});
        check(flipped === 1, `${flipped} files were changed`);
        const before = state().requests;
        const answer = await load();
        right(answer);
        const {from, notes} = answer.result;
        check(from === 'network' && notes.length === 1 && /damaged/.test(notes[0]), JSON.stringify(answer.result));
        check(state().requests === before + 1, `${state().requests - before} requests`);
      }
    });
  }

  await test('aborting keeps what came', async () => {
    const page = await open();
    await page.call('clear');
    const slow = at('slow=40'); // a second and more, of which a third must not be missed
    const loading = page.call('load', {source: slow.url, options: {sha256: digest}});
    await page.waitForFunction(() => window.progress > 300_000);
    await page.evaluate(() => window.abort());
    check((await loading).error?.code === 'aborted', JSON.stringify(await loading));
    const good = at();
    right(await page.call('load', {source: good.url, options: {sha256: digest}}));
    check(good.state().ranges[0] !== '', 'not resumed');
  });

  await test('two tabs: one download, both right; a tab that dies leaves no harm', async () => {
    const [one, two] = [await open(), await open()];
    await one.call('clear');
    const shared = at('slow=10');
    const answers = await Promise.all(
      [one, two].map(page => page.call('load', {source: shared.url, options: {sha256: digest}})),
    );
    answers.forEach(right);
    check(shared.state().requests === 1, `${shared.state().requests} requests`);
    await one.call('clear');
    const dying = at('slow=40');
    one.call('load', {source: dying.url, options: {sha256: digest}}).catch(() => {});
    await one.waitForFunction(() => window.progress > 300_000);
    const waiting = two.call('load', {source: dying.url, options: {sha256: digest}});
    await one.close();
    const answer = await waiting;
    right(answer);
    check(answer.result.stored, JSON.stringify(answer.result));
  });

  await test("in the page's own thread", async () => {
    const page = await open();
    const answer = await page.evaluate(
      (url, sha) => window.loadHere(url, {sha256: sha, cache: {name: 'test-page'}}),
      own,
      digest,
    );
    check(answer.size === files.large.length && answer.stored, JSON.stringify(answer));
    const again = await page.evaluate(
      (url, sha) => window.loadHere(url, {sha256: sha, cache: {name: 'test-page'}}),
      own,
      digest,
    );
    check(again.from === 'store' && again.sha256 === digest, JSON.stringify(again));
  });

  if (web.isChromium) {
    await test('memory: at most 1.2 times the model and 64 MiB, from the network and from the store', async () => {
      const big = crypto.randomBytes(96 << 20);
      const file = path.join(pageFolder, 'big.bin');
      fs.writeFileSync(file, big);
      const options = {sha256: sha256(big)};
      const session = await web.browser.target().createCDPSession();
      for (const from of ['network', 'store']) {
        const page = await open(); // a fresh process for each
        if (from === 'network') await page.call('clear');
        const {processInfo} = await session.send('SystemInfo.getProcessInfo');
        const renderers = processInfo.filter(({type}) => type === 'renderer').map(({id}) => id);
        const kib = (pid, field) =>
          Number(new RegExp(`${field}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
        const before = new Map(renderers.map(pid => [pid, kib(pid, 'VmRSS')]));
        for (const pid of renderers) fs.writeFileSync(`/proc/${pid}/clear_refs`, '5'); // the peak counts from here
        const answer = await page.call('place', {source: `${web.url}pages/store/big.bin`, options});
        check(answer.result?.from === from && answer.used === big.length, JSON.stringify(answer));
        const grown = Math.max(...renderers.map(pid => kib(pid, 'VmHWM') - before.get(pid))) * 1024;
        const limit = 1.2 * big.length + (64 << 20);
        console.log(
          `        from the ${from}: ${(grown / 1048576).toFixed(0)} MiB for ${big.length >> 20} (limit ${(limit / 1048576).toFixed(0)})`,
        );
        check(grown > big.length * 0.9, 'the wrong process was watched');
        check(grown <= limit, `${grown} bytes (limit ${limit})`);
        await page.close();
      }
      await session.detach();
      fs.rmSync(file);
    });
    await test('no room in the browser: the load goes on, and says so once', async () => {
      const page = await open();
      await page.call('clear');
      const session = await page.createCDPSession();
      const origin = new URL(web.url).origin;
      for (const [storage, quotaSize] of [
        ['opfs', 400_000],
        ['opfs', 1000],
        ['cache', 400_000],
      ]) {
        await session.send('Storage.overrideQuotaForOrigin', {origin, quotaSize});
        const answer = await page.call('load', {source: own, storage, options: {sha256: digest}});
        right(answer);
        check(
          !answer.result.stored && answer.result.notes.length === 1 && /is full/.test(answer.result.notes[0]),
          `${storage} ${quotaSize}: ${JSON.stringify(answer.result)}`,
        );
        const {names} = await page.call('list', {storage});
        check(names.length === 0, `left behind: ${names}`);
      }
      await session.send('Storage.overrideQuotaForOrigin', {origin});
      const answer = await page.call('load', {source: own, options: {sha256: digest}});
      check(answer.result.stored, 'with room again, it is stored');
    });
  }
}
