// What the threads of a browser are doing, for the log of a test that hangs: who computes, and who waits in what.
import fs from 'node:fs';

const kSampleMs = 1000;
const kTick = 100; // of the processor times in /proc, a second

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

/** {comm, state, parent, ticks} out of a stat file; comm may hold anything. */
function parse(stat) {
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const [state, parent] = fields;
  return {
    comm: stat.slice(stat.indexOf('(') + 1, end),
    state,
    parent: Number(parent),
    ticks: Number(fields[11]) + Number(fields[12]),
  };
}

/** `pid` and everything that it has started. */
function family(pid) {
  const parents = new Map();
  for (const name of fs.readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : '';
    if (stat) parents.set(Number(name), parse(stat).parent);
  }
  const all = [pid];
  for (const one of all) for (const [child, parent] of parents) if (parent === one) all.push(child);
  return all;
}

function threads(pids) {
  const found = new Map();
  for (const pid of pids) {
    let names = [];
    try {
      names = fs.readdirSync(`/proc/${pid}/task`);
    } catch {
      continue;
    }
    for (const tid of names) {
      const stat = read(`/proc/${pid}/task/${tid}/stat`);
      if (stat) found.set(`${pid} ${tid}`, {...parse(stat), pid, wait: read(`/proc/${pid}/task/${tid}/wchan`)});
    }
  }
  return found;
}

/** Lines about the threads that compute and about all workers' among the family of `pid`, over a second. */
export async function threadsOf(pid) {
  if (!fs.existsSync('/proc/self/stat')) return [];
  const pids = family(pid);
  const before = threads(pids);
  await new Promise(resolve => setTimeout(resolve, kSampleMs));
  const lines = [];
  for (const [key, {comm, state, ticks, wait, pid: owner}] of threads(pids)) {
    const busy = ((ticks - (before.get(key)?.ticks ?? ticks)) / kTick / kSampleMs) * 1e5;
    if (busy < 2 && !/worker/i.test(comm)) continue;
    lines.push(`thread ${key.split(' ')[1]} "${comm}" of ${owner}: ${busy.toFixed(0)} %, ${state} ${wait}`.trim());
  }
  return lines;
}
