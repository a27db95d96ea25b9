// Out of one linked module, which imports a shared memory: NAME-threads.wasm, squeezed and without custom
// sections, and NAME.wasm, the same for an unshared memory. Only the flag of the import differs.
//   node tools/wasm_variants.mjs LINKED NAME
import {readFileSync, writeFileSync} from 'node:fs';
import {IMPORTS, Reader, importsOf, sectionsOf, squeeze} from './wasm_squeeze.mjs';

const [linked, name] = process.argv.slice(2);
const bytes = squeeze(readFileSync(linked));

// Of the memory import: its limits' flag, then how many pages it begins with.
const memory = importsOf(bytes, sectionsOf(bytes).find(({id}) => id === IMPORTS)).find(({kind}) => kind === 2);
if (!memory) throw new Error(`${linked}: no memory is imported`);
const flag = memory.at;
const section = 'sluice.pages';
const pages = Buffer.alloc(4);
pages.writeUInt32LE(new Reader(bytes, flag + 1).unsigned());
const out = Buffer.concat([bytes, Buffer.from([0, 1 + section.length + 4, section.length]), Buffer.from(section), pages]);
for (const {module, name: wanted} of WebAssembly.Module.imports(new WebAssembly.Module(bytes))) {
  if (module !== 'env') throw new Error(`${linked}: imports ${module}.${wanted}, which no host brings (src/wasm/host.cc)`);
}
if (out[flag] !== 3) throw new Error(`${linked}: the memory's limits have flag ${out[flag]} (3, shared with a maximum, is expected)`);
writeFileSync(`${name}-threads.wasm`, out);
out[flag] = 1;
writeFileSync(`${name}.wasm`, out);
