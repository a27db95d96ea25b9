// A thread of the module: see src/wasm/abi.h.
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const { module, memory, block, index } = workerData;
const refuse = () => {
  throw new Error('a worker has called the host');
};
const env = { memory, sluice_now: () => performance.now(), sluice_wall: () => Date.now(), sluice_message: refuse };
const { exports: x } = await WebAssembly.instantiate(module, { env });
x.__stack_pointer.value = block + x.sluice_thread_block_bytes();
x.__wasm_init_tls(block);
try {
  x.sluice_thread_main(index);
} catch (error) {
  writeSync(2, `thread ${index}: ${error.stack}\n`);  // the owner sleeps and can't be told
  x.sluice_thread_failed();
}
