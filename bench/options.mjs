// The command line of bench/run.
export const usage = `Sluice beside its peers on this machine: bench/run [options]

Each runtime gets the same inputs and is started (three times; once for long models): model load, session, first run.
Then the rounds go through all runtimes of a model in turn, so that a slow minute of the machine meets everybody alike;
ratios are taken round by round. Results are compared, too: a fast wrong answer is no result.

  --rounds N        rounds (5)
  --threads LIST    numbers of threads, each a comparison of its own (1,2)
  --only TEXT       models whose name contains TEXT; --list prints the names
  --places LIST     native: build/sluice and onnxruntime-node, each a process
                    page: sluice-web, onnxruntime-web and LiteRT.js in Chromium, each a browser with a fresh profile
                    node: the modules of build/wasm, onnxruntime-web and LiteRT.js in Node, without a browser
                    (native,page)
  --runtimes TEXT   of these, runtimes whose name contains TEXT
  --quick           no models whose runs take seconds; one start
  --starts N        cold starts of each runtime
  --json FILE       all numbers with machine, versions and flags; written after every model
  --resume          with --json: keeps what FILE has and goes on with what it lacks
  --html FILE       the page with plots (bench/report.mjs makes it of a JSON file, too)
  --peers DIR       npm packages of the peers (build/peers-node, fetched by npm where missing)
  --offline         fetches nothing
  --list, --help

What is missing (a model, a peer, a browser) is said, and the rest runs. Exit code: 0; 1 where a runtime failed or its
result is another; 2 for options that are none; 77 where there is nothing to run.

Columns: 'load' until the model's bytes are there (onnxruntime-node reads the file itself: part of 'create'); 'create'
the rest until the session is there; 'ready' in a page, from the navigation of a cold visit on; 'steady' the median of
the rounds, each a median of runs that fill a quarter of a second; 'processor' time of a run, all threads; 'memory' at
its peak, of the process or of the page's process; 'download' what the page fetched besides the model (brotli), or the
bytes of the program.
`;

export class UsageError extends Error {}

const withValue = ['rounds', 'threads', 'only', 'places', 'runtimes', 'starts', 'json', 'html', 'peers'];
const flags = ['quick', 'resume', 'offline', 'list', 'help'];

function count(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`--${name} takes a number from 1 on (found "${text}")`);
  return value;
}

/** Options of a command line, with their defaults; throws UsageError. */
export function parseOptions(args) {
  const given = {};
  for (let i = 0; i < args.length; ++i) {
    const name = args[i].replace(/^--/, '');
    if (!args[i].startsWith('--') || ![...withValue, ...flags].includes(name)) {
      throw new UsageError(`There is no option ${args[i]} (--help lists them)`);
    }
    if (flags.includes(name)) given[name] = true;
    else if (i + 1 === args.length) throw new UsageError(`--${name} takes a value`);
    else given[name] = args[++i];
  }
  const places = (given.places ?? 'native,page').split(',');
  for (const place of places) {
    if (!['native', 'page', 'node'].includes(place)) {
      throw new UsageError(`--places takes native, page and node (found "${place}")`);
    }
  }
  if (given.resume && !given.json) throw new UsageError('--resume goes on with the file that --json names');
  return {
    ...given,
    rounds: count('rounds', given.rounds ?? '5'),
    threads: (given.threads ?? '1,2').split(',').map(text => count('threads', text)),
    starts: given.starts ? count('starts', given.starts) : null,
    only: given.only ?? '',
    runtimes: given.runtimes ?? '',
    places,
    peers: given.peers ?? 'build/peers-node',
  };
}
