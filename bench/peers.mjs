// The peers that bench/web/package.json pins, in build/peers-node.
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const source = 'bench/web';

/** Fetches them where they are missing or not of that list, if `fetching`; whether they are there. */
export function preparePeers(folder, fetching = true) {
  const lock = fs.readFileSync(path.join(source, 'package-lock.json'));
  const done = path.join(folder, '.done');
  if (fs.existsSync(done) && fs.readFileSync(done).equals(lock)) return true;
  if (!fetching) return false;
  fs.mkdirSync(folder, {recursive: true});
  for (const name of ['package.json', 'package-lock.json']) {
    fs.copyFileSync(path.join(source, name), path.join(folder, name));
  }
  const npm = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const {status} = spawnSync('npm', npm, {cwd: folder, stdio: ['ignore', 'ignore', 'inherit']});
  if (status === 0) fs.writeFileSync(done, lock);
  return status === 0;
}
