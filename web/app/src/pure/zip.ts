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
    const crc = await checksum(entry.data, signal);
    const size = entry.data.size;
    const stamp = dosTime(entry.modified ?? new Date());
    const wideSize = size >= this.max32;
    const local = new Fields()
      .u32(0x04034b50)
      .u16(wideSize ? 45 : 20)
      .u16(kUtf8)
      .u16(0)
      .u16(stamp.time)
      .u16(stamp.date)
      .u32(crc)
      .u32(wideSize ? kMax32 : size)
      .u32(wideSize ? kMax32 : size)
      .u16(name.length)
      .u16(wideSize ? 20 : 0)
      .raw(name);
    if (wideSize) local.u16(1).u16(16).u64(size).u64(size);
    const header = local.done();
    this.parts.push(header, entry.data);

    const wideOffset = this.offset >= this.max32;
    const extra = new Fields();
    if (wideSize || wideOffset) {
      extra.u16(1).u16((wideSize ? 16 : 0) + (wideOffset ? 8 : 0));
      if (wideSize) extra.u64(size).u64(size);
      if (wideOffset) extra.u64(this.offset);
    }
    const wide = extra.done();
    this.directory.push(
      new Fields()
        .u32(0x02014b50)
        .u16(45)
        .u16(wideSize || wideOffset ? 45 : 20)
        .u16(kUtf8)
        .u16(0)
        .u16(stamp.time)
        .u16(stamp.date)
        .u32(crc)
        .u32(wideSize ? kMax32 : size)
        .u32(wideSize ? kMax32 : size)
        .u16(name.length)
        .u16(wide.length)
        .u16(0)
        .u16(0)
        .u16(0)
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
