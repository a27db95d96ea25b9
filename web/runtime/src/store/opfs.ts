// Folder on the origin private file system. In a dedicated worker, files are written through synchronous
// access handles, which append without copying what is there; elsewhere through writable streams.
import {QuotaError} from './storage.js';
import type {Appender, Folder, StoredFile} from './storage.js';

/** Known to dedicated workers only, hence not to the compiler's library for pages. */
interface SyncAccessHandle {
  read(bytes: Uint8Array, options: {at: number}): number;
  write(bytes: Uint8Array, options: {at: number}): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
type SyncFile = FileSystemFileHandle & {createSyncAccessHandle?(): Promise<SyncAccessHandle>};
type ListedFolder = FileSystemDirectoryHandle & {
  keys(): {next(): Promise<{done?: boolean; value?: string}>};
};

/** undefined: this browser has none here (an insecure page, a private window, an old engine). */
export async function openOpfs(name: string): Promise<Folder | undefined> {
  const storage = (globalThis.navigator as Navigator | undefined)?.storage;
  if (typeof storage?.getDirectory !== 'function') return undefined;
  try {
    const top = await storage.getDirectory();
    const folder = new OpfsFolder(await top.getDirectoryHandle(name, {create: true}));
    return (await folder.canWrite()) ? folder : undefined;
  } catch {
    return undefined;
  }
}

class OpfsFolder implements Folder {
  constructor(private readonly folder: FileSystemDirectoryHandle) {}

  /** Safari's pages can open files but not write them. */
  async canWrite(): Promise<boolean> {
    const prototype = (globalThis as {FileSystemFileHandle?: {prototype: object}}).FileSystemFileHandle?.prototype;
    return !!prototype && ('createSyncAccessHandle' in prototype || 'createWritable' in prototype);
  }

  async readText(name: string): Promise<string | undefined> {
    const file = await this.file(name);
    return file === undefined ? undefined : (await file.getFile()).text();
  }

  async writeText(name: string, text: string): Promise<void> {
    const out = await this.append(name, 0);
    try {
      await out.write(new TextEncoder().encode(text));
      await out.flush();
    } finally {
      await out.close();
    }
  }

  async open(name: string, forReading = false): Promise<StoredFile | undefined> {
    const handle: SyncFile | undefined = await this.file(name);
    if (handle === undefined) return undefined;
    // Refused where somebody else has one; a File is always to be had, but each read makes a buffer of its own.
    const direct = forReading ? await handle.createSyncAccessHandle?.().catch(() => undefined) : undefined;
    if (direct) return new SyncFileReader(direct);
    const file = await handle.getFile();
    return {
      bytes: file.size,
      read: async (offset, length) => new Uint8Array(await file.slice(offset, offset + length).arrayBuffer()),
    };
  }

  async append(name: string, keepBytes: number): Promise<Appender> {
    const file: SyncFile = await this.folder.getFileHandle(name, {create: true});
    if (typeof file.createSyncAccessHandle === 'function') {
      return new SyncAppender(await file.createSyncAccessHandle(), keepBytes);
    }
    const kept = Math.min(keepBytes, (await file.getFile()).size);
    const stream = await file.createWritable({keepExistingData: true});
    await stream.truncate(kept);
    await stream.seek(kept);
    return new StreamAppender(file, stream, kept);
  }

  async remove(name: string): Promise<void> {
    try {
      await this.folder.removeEntry(name);
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
    }
  }

  async list(): Promise<string[]> {
    const names: string[] = [];
    const keys = (this.folder as ListedFolder).keys();
    for (let next = await keys.next(); !next.done; next = await keys.next()) {
      if (next.value !== undefined) names.push(next.value);
    }
    return names;
  }

  private async file(name: string): Promise<FileSystemFileHandle | undefined> {
    try {
      return await this.folder.getFileHandle(name);
    } catch (thrown) {
      if (isNotFound(thrown)) return undefined;
      throw thrown;
    }
  }
}

class SyncFileReader implements StoredFile {
  readonly bytes: number;
  private buffer = new Uint8Array(0);

  constructor(private readonly handle: SyncAccessHandle) {
    this.bytes = handle.getSize();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.buffer.length < length) this.buffer = new Uint8Array(length);
    const count = this.handle.read(this.buffer.subarray(0, length), {at: offset});
    return this.buffer.subarray(0, count);
  }

  close(): void {
    this.handle.close();
  }
}

class SyncAppender implements Appender {
  readonly keptBytes: number;
  private size: number;

  constructor(
    private readonly handle: SyncAccessHandle,
    keepBytes: number,
  ) {
    this.size = this.keptBytes = Math.min(keepBytes, handle.getSize());
    try {
      handle.truncate(this.size);
    } catch (thrown) {
      handle.close();
      throw thrown;
    }
  }

  write(chunk: Uint8Array): void {
    const written = this.handle.write(chunk, {at: this.size});
    this.size += written;
    if (written < chunk.length) throw new QuotaError(`Only ${written} of ${chunk.length} bytes are written`);
  }

  async flush(): Promise<void> {
    this.handle.flush();
  }

  async close(): Promise<void> {
    this.handle.close();
  }
}

/** A stream's bytes reach the file when it is closed: a flush closes it and opens the next. */
class StreamAppender implements Appender {
  private size: number;

  constructor(
    private readonly file: FileSystemFileHandle,
    private stream: FileSystemWritableFileStream,
    readonly keptBytes: number,
  ) {
    this.size = keptBytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.size += chunk.length;
    await this.stream.write(chunk.slice());
  }

  async flush(): Promise<void> {
    await this.stream.close();
    this.stream = await this.file.createWritable({keepExistingData: true});
    await this.stream.seek(this.size);
  }

  close(): Promise<void> {
    return this.stream.close();
  }
}

function isNotFound(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'NotFoundError';
}
