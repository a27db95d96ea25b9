// Makes a linked WebAssembly module smaller without changing what it does. The linker leaves room for five bytes in
// each index and address, and keeps identical functions, of which templates make many, apart. Here functions whose
// bytes are the same, once their calls go to the same functions, become one (their addresses stay apart, since those
// are places in a table), the most called ones get the shortest indices, and every number takes the bytes that it
// needs. Format: the core specification, "Binary Format", with threads and relaxed SIMD.
import {createHash} from 'node:crypto';

export const IMPORTS = 2;
const CUSTOM = 0, FUNCTIONS = 3, EXPORTS = 7, START = 8, ELEMENTS = 9, CODE = 10;

// Indices below this take one byte.
const ONE_BYTE = 128;

export class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }
  byte() {
    return this.bytes[this.at++];
  }
  /** Up to 53 bits. */
  unsigned() {
    let value = 0, scale = 1, byte;
    do {
      byte = this.bytes[this.at++];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte & 128);
    return value;
  }
  /** Of 32 bits. */
  signed() {
    let value = 0, shift = 0, byte;
    do {
      byte = this.byte();
      if (shift < 32) value |= (byte & 127) << shift;
      shift += 7;
    } while (byte & 128);
    return shift < 32 && byte & 64 ? value | (-1 << shift) : value;
  }
  /** A number of any length, passed over. */
  number() {
    while (this.bytes[this.at++] & 128);
  }
  name() {
    const length = this.unsigned();
    this.at += length;
  }
  limits() {
    const flag = this.byte();
    this.number();
    if (flag & 1) this.number();
  }
}

function unsigned(value) {
  const out = [];
  for (; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) + 128);
  return Buffer.from([...out, value]);
}

function signed(value) {
  const out = [];
  for (; value < -64 || value > 63; value >>= 7) out.push((value & 127) | 128);
  return Buffer.from([...out, value & 127]);
}

const list = items => Buffer.concat([unsigned(items.length), ...items]);

// What follows an opcode, a letter each: f index of a function, u another index or an offset that the linker pads, s a
// constant that it pads, n a number as the compiler wrote it, and bytes by their number. Opcodes that are not here and
// lie in a table's range have nothing.
const MEMORY = 'nu'; // alignment, offset
const range = (from, to, form) => Array.from({length: to - from + 1}, (_, i) => [from + i, form]);
const PLAIN = new Map([
  ...range(0x00, 0x01, ''), ...range(0x02, 0x04, 'n'), [0x05, ''], [0x0b, ''], ...range(0x0c, 0x0d, 'n'),
  [0x0e, 'table'], [0x0f, ''], [0x10, 'f'], [0x11, 'uu'], ...range(0x1a, 0x1b, ''),
  ...range(0x20, 0x22, 'n'), ...range(0x23, 0x26, 'u'), ...range(0x28, 0x3e, MEMORY), ...range(0x3f, 0x40, 'n'),
  [0x41, 's'], [0x42, 'n'], [0x43, 4], [0x44, 8], ...range(0x45, 0xc4, ''), [0xd2, 'f'],
]);
const BULK = new Map([
  ...range(0, 7, ''), [8, 'nn'], [9, 'n'], [10, 'nn'], [11, 'n'], [12, 'nu'], [13, 'n'], [14, 'uu'], ...range(15, 17, 'u'),
]);
const VECTOR = new Map([
  ...range(0, 11, MEMORY), ...range(12, 13, 16), ...range(14, 20, ''), ...range(21, 34, 1), ...range(35, 83, ''),
  ...range(84, 91, 'nu1'), ...range(92, 93, MEMORY), ...range(94, 0x113, ''),
]);
const ATOMIC = new Map([...range(0, 2, MEMORY), [3, 1], ...range(0x10, 0x4e, MEMORY)]);
const PREFIXED = new Map([[0xfc, BULK], [0xfd, VECTOR], [0xfe, ATOMIC]]);

// Where the numbers of a body are that may be written anew: {at, end, form, value}.
function numbersIn(bytes, begin, end) {
  const reader = new Reader(bytes, begin);
  const numbers = [];
  for (let left = reader.unsigned(); left > 0; --left) reader.number(), reader.number(); // local variables
  while (reader.at < end) {
    const at = reader.at;
    let opcode = reader.byte();
    const table = PREFIXED.get(opcode) ?? PLAIN;
    if (table !== PLAIN) opcode = reader.unsigned();
    const form = table.get(opcode);
    if (form === undefined) throw new Error(`the instruction at byte ${at} (${opcode}) is not known here`);
    if (typeof form === 'number') reader.at += form;
    else if (form === 'table') for (let left = reader.unsigned() + 1; left > 0; --left) reader.number();
    else {
      for (const part of form) {
        const from = reader.at;
        if (part === 'n') reader.number();
        else if (part === '1') ++reader.at;
        else numbers.push({at: from, form: part, value: part === 's' ? reader.signed() : reader.unsigned(), end: reader.at});
      }
    }
  }
  if (reader.at !== end) throw new Error(`the function at byte ${begin} ends within an instruction`);
  return numbers;
}

/** [{id, begin, end}] of a module: where their bodies lie. */
export function sectionsOf(bytes) {
  const sections = [];
  const reader = new Reader(bytes, 8);
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const length = reader.unsigned();
    sections.push({id, begin: reader.at, end: reader.at + length});
    reader.at += length;
  }
  return sections;
}

/** [{kind, at}] of the import section, which may be missing: 0 a function, 1 a table, 2 a memory, 3 a global; at: where its type lies. */
export function importsOf(bytes, section) {
  if (!section) return [];
  const reader = new Reader(bytes, section.begin);
  return Array.from({length: reader.unsigned()}, () => {
    reader.name();
    reader.name();
    const kind = reader.byte();
    const at = reader.at;
    if (kind === 0) reader.number();
    else if (kind === 1) reader.number(), reader.limits();
    else if (kind === 2) reader.limits();
    else if (kind === 3) reader.at += 2;
    else throw new Error(`an import is of kind ${kind}, which is not known here`);
    return {kind, at};
  });
}

/** Defined functions: {type, begin, end, numbers}. */
function functionsOf(bytes, sections) {
  const [types, code] = [FUNCTIONS, CODE].map(id => new Reader(bytes, sections.find(section => section.id === id).begin));
  types.number();
  return Array.from({length: code.unsigned()}, () => {
    const length = code.unsigned();
    const begin = code.at;
    code.at += length;
    return {type: types.unsigned(), begin, end: code.at, numbers: numbersIn(bytes, begin, code.at)};
  });
}

/** For each function the first one that does the same. */
function foldIdentical(bytes, functions, imported) {
  let same = functions.map((_, i) => i);
  for (let changed = true; changed;) {
    const first = new Map();
    const next = functions.map(({type, begin, end, numbers}, i) => {
      const hash = createHash('sha256').update(`${type}:`);
      let from = begin;
      for (const {form, at, end: after, value} of numbers) {
        if (form !== 'f') continue;
        hash.update(bytes.subarray(from, at)).update(`<${value < imported ? value : imported + same[value - imported]}>`);
        from = after;
      }
      const key = hash.update(bytes.subarray(from, end)).digest('base64');
      if (!first.has(key)) first.set(key, i);
      return first.get(key);
    });
    changed = next.some((one, i) => one !== same[i]);
    same = next;
  }
  return same;
}

/** The functions that stay, in their new order, and the new index of an old one. */
function numberAnew(functions, same, imported) {
  const calls = functions.map(() => 0);
  const kept = functions.map((_, i) => i).filter(i => same[i] === i);
  for (const i of kept) {
    for (const {form, value} of functions[i].numbers) if (form === 'f' && value >= imported) ++calls[same[value - imported]];
  }
  const most = new Set([...kept].sort((a, b) => calls[b] - calls[a] || a - b).slice(0, Math.max(0, ONE_BYTE - imported)));
  const order = [...kept.filter(i => most.has(i)), ...kept.filter(i => !most.has(i))];
  const place = new Map(order.map((old, i) => [old, imported + i]));
  return {order, indexOf: old => (old < imported ? old : place.get(same[old - imported]))};
}

function codeOf(bytes, functions, order, indexOf) {
  return list(
    order.map(i => {
      const {begin, end, numbers} = functions[i];
      const parts = [];
      let from = begin;
      for (const {at, end: after, form, value} of numbers) {
        parts.push(bytes.subarray(from, at), form === 's' ? signed(value) : unsigned(form === 'f' ? indexOf(value) : value));
        from = after;
      }
      const body = Buffer.concat([...parts, bytes.subarray(from, end)]);
      return Buffer.concat([unsigned(body.length), body]);
    }),
  );
}

function exportsOf(bytes, {begin}, indexOf) {
  const reader = new Reader(bytes, begin);
  return list(
    Array.from({length: reader.unsigned()}, () => {
      const from = reader.at;
      reader.name();
      const kind = reader.byte();
      const head = bytes.subarray(from, reader.at);
      const index = reader.unsigned();
      return Buffer.concat([head, unsigned(kind === 0 ? indexOf(index) : index)]);
    }),
  );
}

// Tables of functions that begin at a constant: what the linker writes.
function elementsOf(bytes, {begin}, indexOf) {
  const reader = new Reader(bytes, begin);
  return list(
    Array.from({length: reader.unsigned()}, () => {
      const from = reader.at;
      const flags = reader.unsigned();
      const opcode = reader.byte();
      reader.number();
      if (flags !== 0 || opcode !== 0x41 || reader.byte() !== 0x0b) {
        throw new Error(`a part of a table is of a form (flags ${flags}) that is not known here`);
      }
      const head = bytes.subarray(from, reader.at);
      const indices = Array.from({length: reader.unsigned()}, () => unsigned(indexOf(reader.unsigned())));
      return Buffer.concat([head, list(indices)]);
    }),
  );
}

/**
 * @param {Buffer} bytes a module
 * @returns {Buffer} one that does the same, smaller, without custom sections
 * @throws {Error} where it holds something that is not known here
 */
export function squeeze(bytes) {
  const sections = sectionsOf(bytes);
  const imported = importsOf(bytes, sections.find(({id}) => id === IMPORTS)).filter(({kind}) => kind === 0).length;
  const functions = functionsOf(bytes, sections);
  const {order, indexOf} = numberAnew(functions, foldIdentical(bytes, functions, imported), imported);
  const contents = section => {
    switch (section.id) {
      case FUNCTIONS:
        return list(order.map(i => unsigned(functions[i].type)));
      case EXPORTS:
        return exportsOf(bytes, section, indexOf);
      case START:
        return unsigned(indexOf(new Reader(bytes, section.begin).unsigned()));
      case ELEMENTS:
        return elementsOf(bytes, section, indexOf);
      case CODE:
        return codeOf(bytes, functions, order, indexOf);
      default:
        return bytes.subarray(section.begin, section.end);
    }
  };
  const out = [bytes.subarray(0, 8)];
  for (const section of sections) {
    if (section.id === CUSTOM) continue;
    const body = contents(section);
    out.push(Buffer.from([section.id]), unsigned(body.length), body);
  }
  return Buffer.concat(out);
}
