// Files into the page: dropped (folders too), pasted, picked.

import {modelKind} from '../pure/models.js';

export interface Incoming {
  readonly pictures: readonly File[];
  /** A model file among them, with whatever manifest came along. */
  readonly models: readonly File[];
  /** Names of what is neither. */
  readonly refused: readonly string[];
  /** Names of folders in which no picture was found. */
  readonly empty?: readonly string[];
}

const kPicture = /\.(png|jpe?g|webp|avif|gif|bmp|heic|heif|tiff?|svg|ico)$/i;

export function sortFiles(files: readonly File[]): Incoming {
  const models = files.filter(file => modelKind(file.name) !== null);
  if (models.length > 0)
    return {
      pictures: [],
      models: files.filter(file => models.includes(file) || /\.json$/i.test(file.name)),
      refused: [],
    };
  const isPicture = (file: File): boolean => file.type.startsWith('image/') || kPicture.test(file.name);
  return {
    pictures: files.filter(isPicture),
    models: [],
    refused: files.filter(file => !isPicture(file)).map(file => file.name),
  };
}

/** Listens for drops and pastes on the whole page. */
export function incoming(page: Document, take: (news: Incoming) => void, over: (over: boolean) => void): void {
  let depth = 0;
  const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
  page.addEventListener('dragenter', event => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    ++depth;
    over(true);
  });
  page.addEventListener('dragover', event => {
    if (hasFiles(event)) event.preventDefault();
  });
  page.addEventListener('dragleave', event => {
    if (!hasFiles(event)) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) over(false);
  });
  page.addEventListener('drop', event => {
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    depth = 0;
    over(false);
    void droppedFiles(event.dataTransfer).then(({files, empty}) => {
      take({...sortFiles(files), empty});
    });
  });
  page.addEventListener('paste', event => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    take(sortFiles(files));
  });
}

// Folders are walked, in the order of their names.
async function droppedFiles(transfer: DataTransfer): Promise<{files: File[]; empty: string[]}> {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (!entries.some(entry => entry?.isDirectory)) return {files: plain, empty: []};
  const files: File[] = [];
  const empty: string[] = [];
  for (const entry of entries) {
    if (!entry) continue;
    const before = files.length;
    await walk(entry, files);
    if (entry.isDirectory && files.length === before) empty.push(entry.name);
  }
  return {files, empty};
}

// As people count: 9 before 10.
const byName = new Intl.Collator(undefined, {numeric: true});

async function walk(entry: FileSystemEntry, out: File[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File | null>(resolve => {
      (entry as FileSystemFileEntry).file(resolve, () => {
        resolve(null);
      });
    });
    if (file && kPicture.test(file.name)) out.push(file);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>(resolve => {
      reader.readEntries(resolve, () => {
        resolve([]);
      });
    });
    if (some.length === 0) break;
    found.push(...some);
  }
  found.sort((a, b) => byName.compare(a.name, b.name));
  for (const one of found) await walk(one, out);
}

/** Asks for files; nothing comes back if the user thinks better of it. */
export function pickFiles(options: {multiple?: boolean} = {}): Promise<Incoming> {
  const input = document.createElement('input');
  input.type = 'file';
  input.accept = 'image/*,.heic,.heif';
  input.multiple = options.multiple ?? true;
  input.hidden = true;
  // In the document: some browsers forget an input that lies nowhere.
  document.body.append(input);
  return new Promise(resolve => {
    const answer = (): void => {
      input.remove();
      resolve(sortFiles([...(input.files ?? [])]));
    };
    input.addEventListener('change', answer);
    input.addEventListener('cancel', answer);
    input.click();
  });
}
