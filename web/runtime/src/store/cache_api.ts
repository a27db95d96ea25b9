// Folder on the Cache API, for browsers without a writable origin private file system. A response can't be
// appended to, so a file is a row of pieces, each a response of its own.
import type {Appender, Folder, StoredFile} from './storage.js';

const pieceBytes = 4 << 20;
// Keys must be http(s) addresses; this host exists nowhere, and nothing is ever fetched from it.
const base = 'https://sluice.invalid/';

export async function openCacheApi(name: string): Promise<Folder | undefined> {
  const storage = (globalThis as {caches?: CacheStorage}).caches;
  if (!storage) return undefined;
  try {
    return new CacheFolder(await storage.open(name));
  } catch {
    return undefined;
  }
}

interface Piece {
  readonly address: string;
  readonly begin: number;
  readonly bytes: number;
}

class CacheFolder implements Folder {
  constructor(private readonly cache: Cache) {}

  async readText(name: string): Promise<string | undefined> {
    return (await this.cache.match(`${base}${name}/text`))?.text();
  }

  async writeText(name: string, text: string): Promise<void> {
    await this.cache.put(`${base}${name}/text`, new Response(text));
  }

  async open(name: string): Promise<StoredFile | undefined> {
    const pieces = await this.pieces(name);
    if (pieces.length === 0) return undefined;
    const last = pieces[pieces.length - 1] as Piece;
    const bytes = last.begin + last.bytes;
    return {
      bytes,
      read: async (offset, length) => {
        const out = new Uint8Array(Math.max(0, Math.min(length, bytes - offset)));
        for (const piece of pieces) {
          const begin = Math.max(offset, piece.begin);
          const end = Math.min(offset + out.length, piece.begin + piece.bytes);
          if (begin >= end) continue;
          const response = await this.cache.match(piece.address);
          if (!response) throw new Error('A piece of the stored file is gone');
          const body = new Uint8Array(await response.arrayBuffer());
          if (body.length !== piece.bytes) throw new Error('A piece of the stored file has another size');
          out.set(body.subarray(begin - piece.begin, end - piece.begin), begin - offset);
        }
        return out;
      },
    };
  }

  async append(name: string, keepBytes: number): Promise<Appender> {
    let kept = 0;
    for (const piece of await this.pieces(name)) {
      if (piece.begin === kept && kept + piece.bytes <= keepBytes) kept += piece.bytes;
      else await this.cache.delete(piece.address);
    }
    return new PieceAppender(this.cache, `${base}${name}/`, kept);
  }

  async remove(name: string): Promise<void> {
    await this.cache.delete(`${base}${name}/text`);
    for (const piece of await this.pieces(name)) await this.cache.delete(piece.address);
  }

  async list(): Promise<string[]> {
    const names = (await this.cache.keys()).map(request => request.url.slice(base.length).split('/')[0] ?? '');
    return [...new Set(names)];
  }

  /** In order. A piece's address says where it lies: <name>/<begin>+<bytes>. */
  private async pieces(name: string): Promise<Piece[]> {
    const found: Piece[] = [];
    for (const {url} of await this.cache.keys()) {
      const match = /^([^/]+)\/(\d+)\+(\d+)$/.exec(url.slice(base.length));
      if (match && match[1] === name) found.push({address: url, begin: Number(match[2]), bytes: Number(match[3])});
    }
    return found.sort((a, b) => a.begin - b.begin);
  }
}

class PieceAppender implements Appender {
  private piece = new Uint8Array(pieceBytes);
  private filled = 0;
  private begin: number;

  constructor(
    private readonly cache: Cache,
    private readonly prefix: string,
    readonly keptBytes: number,
  ) {
    this.begin = keptBytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const count = Math.min(chunk.length - at, pieceBytes - this.filled);
      this.piece.set(chunk.subarray(at, at + count), this.filled);
      this.filled += count;
      at += count;
      if (this.filled === pieceBytes) await this.flush();
    }
  }

  async flush(): Promise<void> {
    if (this.filled === 0) return;
    const bytes = this.piece.slice(0, this.filled);
    await this.cache.put(`${this.prefix}${this.begin}+${this.filled}`, new Response(bytes));
    this.begin += this.filled;
    this.filled = 0;
  }

  close(): Promise<void> {
    return this.flush();
  }
}
