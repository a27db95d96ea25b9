// Quick calls between two real threads: every call is answered once, in order, in place or by a message, whatever the
// other thread is doing meanwhile; no message waits for a worker that waits.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { QuickCaller } from '../../../build/web/stage/quick_calls.js';

// A worker as engine/ has it: results are numbers in shared memory. Of every 16 calls, one takes 2 ms, one lies
// elsewhere, and one fails.
const script = `
import {parentPort} from 'node:worker_threads';
import {QuickServer} from '${new URL('../../../build/web/stage/quick_calls.js', import.meta.url)}';
const server = new QuickServer();
const results = new Int32Array(new SharedArrayBuffer(8));
let received = 0;
const compute = () => {
  const given = results[0];
  const until = performance.now() + (given % 16 === 3 ? 2 : 0.02);
  while (performance.now() < until);
  if (given % 16 === 7) throw new Error('planted ' + given);
  results[1] = given * 2;
  return given % 16 !== 11;
};
const post = (call, error) => parentPort.postMessage({call, result: results[1], error: error?.message});
const runs = {run: session => session === 5 && compute(), post: call => post(call), refuse: post};
parentPort.on('message', ({call}) => {
  ++received;
  try {
    compute();
    post(call);
  } catch (error) {
    post(call, error);
  }
  server.serve(received, runs);
});
parentPort.postMessage({words: server.words, results});
`;

test('each call is answered once, with its own result, and messages arrive', async () => {
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
  const [{ words, results }] = await once(worker, 'message');
  const caller = new QuickCaller(words, 0);
  let posts = 0;
  const post = message => {
    worker.postMessage(message);
    caller.post(++posts);
  };
  const count = { answered: 0, called: 0, away: 0 };
  const end = performance.now() + 60_000;
  const aims = () => count.answered >= 30 && count.called >= 5 && count.away >= 20;
  let call = 0;
  for (; !aims() && performance.now() < end; ++call) {
    results[0] = call;
    const how = caller.call(call, 5);
    ++count[how];
    if (how === 'answered') {
      assert.equal(results[1], call * 2);
      assert.ok(![7, 11].includes(call % 16), `call ${call} was answered in place`);
      continue;
    }
    if (how === 'away') post({ call });
    const [answer] = await once(worker, 'message');
    caller.hear();
    assert.equal(answer.call, call);
    if (call % 16 === 7) assert.equal(answer.error, `planted ${call}`);
    else assert.equal(answer.result, call * 2);
  }
  assert.ok(aims(), `${call} calls: ${JSON.stringify(count)}`);
  await worker.terminate();
});

test('in a row of calls that are answered at once, both threads come back to their event loops', async () => {
  const words = new Int32Array(new SharedArrayBuffer(32));
  const row = new QuickCaller(words, 0);
  // The other end, played: waiting always, and answering before anybody looks.
  const { notify } = Atomics;
  let call = 0;
  Atomics.notify = () => {
    words[4] = call;
    words[0] = 1;
  };
  try {
    assert.equal(row.call(++call, 1), 'away', 'nobody waits');
    words[0] = 1;
    assert.equal(row.call(++call, 1), 'away', 'nothing was heard of the worker yet');
    row.hear();
    const begin = performance.now();
    let last = begin;
    while (row.call(++call, 1) === 'answered') last = performance.now();
    assert.ok(last > begin, 'the first call was not answered');
    assert.ok(last - begin < 1000, 'the row has no end');
    row.hear();
    assert.equal(row.call(++call, 1), 'answered');
  } finally {
    Atomics.notify = notify;
  }
});
