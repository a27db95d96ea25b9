// Out of one linked module, which imports a shared memory: NAME-threads.wasm, squeezed and without custom
// sections, and NAME.wasm, the same for an unshared memory. Only the flag of the import differs.
//   node tools/wasm_variants.mjs LINKED NAME
import {readFileSync, writeFileSync} from 'node:fs';
import {squeeze} from './wasm_squeeze.mjs';

const [linked, name] = process.argv.slice(2);
const bytes = squeeze(readFileSync(linked));

function leb(at) {
  let value = 0, shift = 0, byte;
  do {
    byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    shift += 7;
  } while (byte & 128);
  return [value, at];
}

// Position of the limits flag of the memory import, inside the import section's body.
function memoryFlag(at) {
  let count, length, kind, flag;
  [count, at] = leb(at);
  for (let i = 0; i < count; ++i) {
    for (let part = 0; part < 2; ++part) {
      [length, at] = leb(at);
      at += length;
    }
    kind = bytes[at++];
    if (kind === 2) return at;
    if (kind === 0) [, at] = leb(at);
    else if (kind === 3) at += 2;
    else if (kind === 1) {
      [flag, at] = leb(at + 1);
      [, at] = leb(at);
      if (flag & 1) [, at] = leb(at);
    } else throw new Error(`${linked}: import ${i} is of kind ${kind}, which is not known here`);
  }
  throw new Error(`${linked}: no memory is imported`);
}

let flag = -1;
for (let at = 8; at < bytes.length; ) {
  const [length, body] = leb(at + 1);
  if (bytes[at] === 2) flag = memoryFlag(body);
  at = body + length;
}
const section = 'sluice.pages';
const pages = Buffer.alloc(4);
pages.writeUInt32LE(leb(flag + 1)[0]);
const out = Buffer.concat([bytes, Buffer.from([0, 1 + section.length + 4, section.length]), Buffer.from(section), pages]);
for (const {module, name: wanted} of WebAssembly.Module.imports(new WebAssembly.Module(bytes))) {
  if (module !== 'env') throw new Error(`${linked}: imports ${module}.${wanted}, which no host brings (src/wasm/host.cc)`);
}
if (out[flag] !== 3) throw new Error(`${linked}: the memory's limits have flag ${out[flag]} (3, shared with a maximum, is expected)`);
writeFileSync(`${name}-threads.wasm`, out);
out[flag] = 1;
writeFileSync(`${name}.wasm`, out);
