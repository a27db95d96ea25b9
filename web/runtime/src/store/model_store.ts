// Models that were downloaded once, under a key (their SHA-256, or their address): what a Folder holds for
// this package.
//   <key>.json        the record of a whole, checked file; written last, so that nothing partial is ever found
//   <key>.part        the record of a download under way: how far it is, and the hash so far
//   <key>.<id>.data   the bytes; a new download takes a new id, so a reader elsewhere never meets a mixture
// What doesn't fit together (the browser may evict single files; a write may have been cut) is as good as absent.
import {openCacheApi} from './cache_api.js';
import {openOpfs} from './opfs.js';
import {pieceBytes, sha256OfPiece} from './piece_digests.js';
import {Sha256, sha256OfText} from './sha256.js';
import type {Appender, Folder, StoredFile} from './storage.js';
import type {Hasher} from './types.js';

/** What the server said about a file's version. */
export interface Version {
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface EntryRecord extends Version {
  readonly format: 1;
  readonly data: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Of each piece of pieceBytes: what the platform can check several times faster than Sha256 the whole. */
  readonly pieces?: readonly string[];
  readonly url: string;
}

export interface PartialRecord extends Version {
  readonly format: 1;
  readonly data: string;
  /** Bytes that are surely there, and their hash. */
  readonly bytes: number;
  readonly sha256: string;
  readonly totalBytes?: number;
  readonly url: string;
}

/** The stored bytes are not those that were stored. */
export class DamagedError extends Error {
  override readonly name = 'DamagedError';
}

export function entryKey(url: string, sha256: string | undefined): string {
  return sha256 ? `sha256-${sha256}` : `url-${sha256OfText(url)}`;
}

export class ModelStore {
  constructor(private readonly folder: Folder) {}

  /** undefined: this page can store nothing. */
  static async open(name: string): Promise<ModelStore | undefined> {
    const folder = (await openOpfs(name)) ?? (await openCacheApi(name));
    return folder && new ModelStore(folder);
  }

  async find(key: string): Promise<EntryRecord | undefined> {
    const record = await this.record<EntryRecord>(`${key}.json`, key);
    if (!record) return undefined;
    const file = await this.folder.open(record.data);
    return file?.bytes === record.bytes ? record : undefined;
  }

  /** How far an earlier download came. */
  async partial(key: string): Promise<PartialRecord | undefined> {
    const record = await this.record<PartialRecord>(`${key}.part`, key);
    if (!record) return undefined;
    const file = await this.folder.open(record.data);
    return file && file.bytes >= record.bytes ? record : undefined;
  }

  /**
   * Hands an entry's bytes to `take`, piece by piece.
   * @throws DamagedError when they are not those of the record: then all of it is void.
   */
  async readEntry(record: EntryRecord, take: (chunk: Uint8Array) => void): Promise<void> {
    const {pieces} = record;
    if (!pieces || pieces.length !== Math.ceil(record.bytes / pieceBytes)) {
      await this.readHashed(record, new Sha256(), take);
      return;
    }
    const file = await this.folder.open(record.data, true);
    try {
      let judged = Promise.resolve();
      for (const [i, wanted] of pieces.entries()) {
        const chunk = await readPiece(file, record, i * pieceBytes);
        const digest = sha256OfPiece(chunk);
        take(chunk);
        await judged; // of the piece before, while this one's digest is under way
        judged = digest.then(found => {
          if (found !== wanted) {
            throw new DamagedError(`The stored bytes from ${i * pieceBytes} on have changed`);
          }
        });
        judged.catch(() => {}); // awaited in the next round
      }
      await judged;
    } finally {
      file?.close?.();
    }
  }

  /** The same for any record, by the hash of the whole, which begins here and may go on. */
  async readHashed(
    record: EntryRecord | PartialRecord,
    hash: Hasher,
    take: (chunk: Uint8Array) => void,
  ): Promise<void> {
    const file = await this.folder.open(record.data, true);
    try {
      for (let at = 0; at < record.bytes; at += pieceBytes) {
        const chunk = await readPiece(file, record, at);
        take(chunk);
        hash.update(chunk);
      }
    } finally {
      file?.close?.();
    }
    if ((await hash.digest()) !== record.sha256) throw new DamagedError('The stored bytes have another SHA-256');
  }

  /** Appends to `from`, or begins anew. Whatever else there was under the key is removed. */
  async writer(key: string, from: PartialRecord | undefined): Promise<EntryWriter> {
    const data = from?.data ?? `${key}.${randomName()}.data`;
    for (const name of await this.folder.list()) {
      if (name.startsWith(`${key}.`) && name !== data) await this.folder.remove(name);
    }
    const appender = await this.folder.append(data, from?.bytes ?? 0);
    if (from && appender.keptBytes !== from.bytes) {
      await appender.close();
      await this.remove(key);
      throw new DamagedError(`The stored part has ${appender.keptBytes} bytes (${from.bytes} expected)`);
    }
    return new EntryWriter(this.folder, key, data, appender);
  }

  async remove(key: string): Promise<void> {
    await this.folder.remove(`${key}.json`); // first: without it the rest is not found
    for (const name of await this.folder.list()) {
      if (name.startsWith(`${key}.`)) await this.folder.remove(name);
    }
  }

  /** Removes every model. Bytes that another tab is writing stay. */
  async clear(): Promise<void> {
    for (const name of await this.folder.list()) await this.folder.remove(name).catch(() => {});
  }

  private async record<T extends EntryRecord | PartialRecord>(name: string, key: string): Promise<T | undefined> {
    const text = await this.folder.readText(name);
    if (!text) return undefined;
    try {
      const record = JSON.parse(text) as Partial<T>;
      const valid =
        record.format === 1 &&
        typeof record.data === 'string' &&
        record.data.startsWith(`${key}.`) &&
        Number.isSafeInteger(record.bytes) &&
        /^[0-9a-f]{64}$/.test(record.sha256 ?? '');
      return valid ? (record as T) : undefined;
    } catch {
      return undefined; // a write that was cut
    }
  }
}

/** A download on its way into the store. Found by nobody before commit(). */
export class EntryWriter {
  constructor(
    private readonly folder: Folder,
    private readonly key: string,
    private readonly data: string,
    private readonly appender: Appender,
  ) {}

  write(chunk: Uint8Array): Promise<void> | void {
    return this.appender.write(chunk);
  }

  /** Makes sure that the download can go on from here another day. */
  async checkpoint(facts: Omit<PartialRecord, 'format' | 'data'>): Promise<void> {
    await this.appender.flush();
    await this.folder.writeText(`${this.key}.part`, JSON.stringify({format: 1, data: this.data, ...facts}));
  }

  /** The bytes are whole and right. */
  async commit(facts: Omit<EntryRecord, 'format' | 'data'>): Promise<void> {
    await this.appender.flush();
    await this.appender.close();
    await this.folder.writeText(`${this.key}.json`, JSON.stringify({format: 1, data: this.data, ...facts}));
    await this.folder.remove(`${this.key}.part`);
    if (this.key.startsWith('sha256-')) await this.dropOlder(facts.url).catch(() => {}); // tidiness only
  }

  /** Versions under other hashes that came from the same address: nobody will ask for them again. */
  private async dropOlder(url: string): Promise<void> {
    const names = await this.folder.list();
    for (const name of names) {
      const [key, kind] = [name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.'))];
      if (!key.startsWith('sha256-') || key === this.key || (kind !== '.json' && kind !== '.part')) continue;
      const record = JSON.parse((await this.folder.readText(name)) ?? '{}') as Partial<EntryRecord>;
      if (record.url !== url) continue;
      await this.folder.remove(name);
      for (const other of names) if (other.startsWith(`${key}.`)) await this.folder.remove(other);
    }
  }

  /** Ends writing; what the last checkpoint says stays. */
  async close(): Promise<void> {
    await this.appender.close();
  }

  async discard(): Promise<void> {
    await this.appender.close().catch(() => {});
    await this.folder.remove(`${this.key}.part`).catch(() => {});
    await this.folder.remove(this.data).catch(() => {});
  }
}

/** pieceBytes from `at` on, or what there is left. */
async function readPiece(
  file: StoredFile | undefined,
  record: EntryRecord | PartialRecord,
  at: number,
): Promise<Uint8Array> {
  const wanted = Math.min(pieceBytes, record.bytes - at);
  const chunk = await file?.read(at, wanted);
  if (chunk?.length !== wanted) throw new DamagedError(`The stored file ends at byte ${at + (chunk?.length ?? 0)}`);
  return chunk;
}

function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), byte => byte.toString(16).padStart(2, '0')).join('');
}
