// Out of one linked module, which imports a shared memory: NAME-threads.wasm, stripped of custom
// sections, and NAME.wasm, the same for an unshared memory. Only the flag of the import differs.
//   node tools/wasm_variants.mjs LINKED NAME
import { readFileSync, writeFileSync } from 'node:fs';

const [linked, name] = process.argv.slice(2);
const bytes = readFileSync(linked);

function leb(at, from = bytes) {
  let value = 0, shift = 0, byte;
  do {
    byte = from[at++];
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

const kept = [bytes.subarray(0, 8)];
let flag = -1, size = 8;
for (let at = 8; at < bytes.length; ) {
  const [length, body] = leb(at + 1);
  const end = body + length;
  if (bytes[at] === 2) flag = size + memoryFlag(body) - at;
  if (bytes[at] !== 0) {
    kept.push(bytes.subarray(at, end));
    size += end - at;
  }
  at = end;
}
const section = 'sluice.pages';
const pages = Buffer.alloc(4);
pages.writeUInt32LE(leb(flag + 1, Buffer.concat(kept))[0]);
kept.push(Buffer.from([0, 1 + section.length + 4, section.length]), Buffer.from(section), pages);
const out = Buffer.concat(kept);
for (const { module, name: wanted } of WebAssembly.Module.imports(new WebAssembly.Module(bytes))) {
  if (module !== 'env') throw new Error(`${linked}: imports ${module}.${wanted}, which no host brings (src/wasm/host.cc)`);
}
if (out[flag] !== 3) throw new Error(`${linked}: the memory's limits have flag ${out[flag]} (3, shared with a maximum, is expected)`);
writeFileSync(`${name}-threads.wasm`, out);
out[flag] = 1;
writeFileSync(`${name}.wasm`, out);
