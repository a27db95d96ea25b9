// Blobs on disk: the origin private file system, one folder for each tab. What a tab leaves behind is
// removed by the next one; a Web Lock tells which tabs live. Without such a file system, or when it is
// full, a Blob stays in memory.

interface SyncHandle {
  write(bytes: Uint8Array, options: {at: number}): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
interface SyncFile {
  createSyncAccessHandle(): Promise<SyncHandle>;
}

const kPrefix = 'sluice-results-';

export class BlobStore {
  private folder: Promise<FileSystemDirectoryHandle | null> | null = null;
  private next = 0;

  /** The same bytes, as a File on disk if that works. */
  async keep(blob: Blob): Promise<Blob> {
    const folder = await (this.folder ??= this.open());
    if (!folder) return blob;
    // The file system gives a File's type by its extension.
    const name = `${++this.next}.${blob.type === 'image/png' ? 'png' : blob.type === 'image/jpeg' ? 'jpg' : blob.type === 'image/webp' ? 'webp' : 'bin'}`;
    try {
      const file = await folder.getFileHandle(name, {create: true});
      const handle = await (file as unknown as SyncFile).createSyncAccessHandle();
      try {
        const reader = blob.stream().getReader();
        let at = 0;
        for (;;) {
          const {done, value} = await reader.read();
          if (done) break;
          let written = 0;
          while (written < value.length) {
            const count = handle.write(value.subarray(written), {at: at + written});
            if (count <= 0) throw new Error('The disk takes no more');
            written += count;
          }
          at += value.length;
        }
        handle.flush();
      } finally {
        handle.close();
      }
      return await file.getFile();
    } catch {
      await folder.removeEntry(name).catch(() => undefined);
      return blob;
    }
  }

  /** Frees what keep() put on disk. */
  async drop(blobs: readonly Blob[]): Promise<void> {
    const folder = await this.folder;
    if (!folder) return;
    for (const blob of blobs) {
      if (blob instanceof File) await folder.removeEntry(blob.name).catch(() => undefined);
    }
  }

  private async open(): Promise<FileSystemDirectoryHandle | null> {
    try {
      const root = await navigator.storage.getDirectory();
      await this.sweep(root);
      const name = `${kPrefix}${crypto.randomUUID()}`;
      await new Promise<void>((resolve, reject) => {
        // Held until this worker ends.
        navigator.locks
          .request(name, () => {
            resolve();
            return new Promise<never>(() => undefined);
          })
          .catch(reject);
      });
      return await root.getDirectoryHandle(name, {create: true});
    } catch {
      return null;
    }
  }

  private async sweep(root: FileSystemDirectoryHandle): Promise<void> {
    const {held = []} = await navigator.locks.query();
    const alive = new Set(held.map(lock => lock.name));
    const keys = (root as unknown as {keys(): AsyncIterator<string>}).keys();
    const dead: string[] = [];
    for (let step = await keys.next(); !step.done; step = await keys.next()) {
      if (step.value.startsWith(kPrefix) && !alive.has(step.value)) dead.push(step.value);
    }
    for (const name of dead) await root.removeEntry(name, {recursive: true}).catch(() => undefined);
  }
}
