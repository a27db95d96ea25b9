// A ZIP file of stored (uncompressed) entries, made of references to Blobs: pictures are compressed
// already, and Blobs that lie on disk never enter memory. ZIP64 records where a number needs them
// (APPNOTE 6.3, sections 4.3 and 4.5.3). Names are UTF-8.

import {crc32} from './crc32.js';

export interface ZipEntry {
  readonly name: string;
  readonly data: Blob;
  readonly modified?: Date;
}

const kMax16 = 0xffff;
const kMax32 = 0xffffffff;
const kUtf8 = 0x0800;
const kVersion = 20;
const kZip64Version = 45;

class Fields {
  private readonly bytes: number[] = [];
  u16(value: number): this {
    this.bytes.push(value & 255, (value >>> 8) & 255);
    return this;
  }
  u32(value: number): this {
    return this.u16(value & 0xffff).u16(Math.floor(value / 0x10000) & 0xffff);
  }
  u64(value: number): this {
    return this.u32(value % 0x100000000).u32(Math.floor(value / 0x100000000));
  }
  raw(data: Uint8Array): this {
    for (const byte of data) this.bytes.push(byte);
    return this;
  }
  done(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.bytes);
  }
}

// DOS date and time, local, to two seconds; the format starts in 1980.
function dosTime(date: Date): {time: number; date: number} {
  const year = Math.min(Math.max(date.getFullYear(), 1980), 2107);
  return {
    time: (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1),
    date: ((year - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate(),
  };
}

/** What the record before an entry and the one in the directory both say. */
interface Entry {
  readonly version: number;
  readonly stamp: {readonly time: number; readonly date: number};
  readonly crc: number;
  /** kMax32 when a ZIP64 record tells it. */
  readonly size: number;
  readonly name: Uint8Array;
}

function head(fields: Fields, entry: Entry, extra: Uint8Array): Fields {
  return fields
    .u16(entry.version)
    .u16(kUtf8)
    .u16(0) // stored
    .u16(entry.stamp.time)
    .u16(entry.stamp.date)
    .u32(entry.crc)
    .u32(entry.size)
    .u32(entry.size)
    .u16(entry.name.length)
    .u16(extra.length);
}

/** The extra field with numbers that are too large for their places; nothing when there are none. */
function zip64(numbers: readonly number[]): Uint8Array<ArrayBuffer> {
  if (numbers.length === 0) return new Uint8Array(0);
  const fields = new Fields().u16(1).u16(numbers.length * 8);
  for (const number of numbers) fields.u64(number);
  return fields.done();
}

async function checksum(data: Blob, signal?: AbortSignal): Promise<number> {
  const reader = data.stream().getReader();
  let crc = 0;
  for (;;) {
    signal?.throwIfAborted();
    const {done, value} = await reader.read();
    if (done) return crc;
    crc = crc32(value, crc);
  }
}

/** Writes entries one by one; `finish` gives the file. Limits: lowered by tests to force ZIP64. */
export class ZipWriter {
  private readonly parts: BlobPart[] = [];
  private readonly directory: Uint8Array<ArrayBuffer>[] = [];
  private offset = 0;

  constructor(
    private readonly max32 = kMax32,
    private readonly max16 = kMax16,
  ) {}

  async add(entry: ZipEntry, signal?: AbortSignal): Promise<void> {
    const name = new TextEncoder().encode(entry.name);
    if (name.length > kMax16) throw new RangeError(`The name of an entry has ${name.length} bytes (limit ${kMax16}).`);
    const size = entry.data.size;
    const wideSize = size >= this.max32;
    const about: Entry = {
      version: wideSize ? kZip64Version : kVersion,
      stamp: dosTime(entry.modified ?? new Date()),
      crc: await checksum(entry.data, signal),
      size: wideSize ? kMax32 : size,
      name,
    };
    const sizes = wideSize ? [size, size] : [];
    const extra = zip64(sizes);
    const header = head(new Fields().u32(0x04034b50), about, extra).raw(name).raw(extra).done();
    this.parts.push(header, entry.data);

    const wideOffset = this.offset >= this.max32;
    const wide = zip64(wideOffset ? [...sizes, this.offset] : sizes);
    const version = wideSize || wideOffset ? kZip64Version : kVersion;
    this.directory.push(
      head(new Fields().u32(0x02014b50).u16(kZip64Version), {...about, version}, wide)
        .u16(0) // comment's length
        .u16(0) // disk
        .u16(0) // attributes
        .u32(0)
        .u32(wideOffset ? kMax32 : this.offset)
        .raw(name)
        .raw(wide)
        .done(),
    );
    this.offset += header.length + size;
  }

  finish(): Blob {
    const start = this.offset;
    const count = this.directory.length;
    const size = this.directory.reduce((sum, record) => sum + record.length, 0);
    const tail = new Fields();
    if (count >= this.max16 || size >= this.max32 || start >= this.max32) {
      tail.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(count).u64(count).u64(size).u64(start);
      tail
        .u32(0x07064b50)
        .u32(0)
        .u64(start + size)
        .u32(1);
    }
    const short = (value: number): number => (value >= this.max16 ? kMax16 : value);
    const long = (value: number): number => (value >= this.max32 ? kMax32 : value);
    tail.u32(0x06054b50).u16(0).u16(0).u16(short(count)).u16(short(count)).u32(long(size)).u32(long(start)).u16(0);
    return new Blob([...this.parts, ...this.directory, tail.done()], {type: 'application/zip'});
  }
}
