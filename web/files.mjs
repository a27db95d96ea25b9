// Files of built sites: large ones are linked, not copied.
import fs from 'node:fs';
import path from 'node:path';

/** `target` becomes the file `from`: a hard link where the file system has them, else a copy. */
export function placeFile(from, target) {
  fs.mkdirSync(path.dirname(target), {recursive: true});
  fs.rmSync(target, {force: true});
  try {
    fs.linkSync(fs.realpathSync(from), target);
  } catch {
    fs.copyFileSync(from, target);
  }
}

export function readJson(file) {
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}
