// SHA-256 (FIPS 180-4) of bytes that arrive in pieces. The platform's crypto.subtle.digest wants them all at
// once, which a model of hundreds of megabytes in a phone's tab can't afford.

/** The first 32 bits of the fractional parts of `root` of the first `count` primes, as the standard defines them. */
function fractions(count: number, root: (value: number) => number): Int32Array {
  const out = new Int32Array(count);
  for (let candidate = 2, found = 0; found < count; ++candidate) {
    let prime = true;
    for (let d = 2; d * d <= candidate && prime; ++d) prime = candidate % d !== 0;
    if (prime) out[found++] = Math.floor((root(candidate) % 1) * 2 ** 32);
  }
  return out;
}

const roundConstants = /* @__PURE__ */ fractions(64, Math.cbrt);
const initialState = /* @__PURE__ */ fractions(8, Math.sqrt);
const blockBytes = 64;

/** Incremental: update() any number of times; digest() at any time, also in between. */
export class Sha256 {
  private readonly state = initialState.slice();
  private readonly schedule = new Int32Array(64);
  private readonly rest = new Uint8Array(blockBytes);
  private restBytes = 0;
  private totalBytes = 0;

  update(bytes: Uint8Array): this {
    this.totalBytes += bytes.length;
    let at = 0;
    if (this.restBytes > 0) {
      at = Math.min(blockBytes - this.restBytes, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.restBytes);
      this.restBytes += at;
      if (this.restBytes < blockBytes) return this;
      this.compress(this.rest, 0, blockBytes);
      this.restBytes = 0;
    }
    const end = bytes.length - ((bytes.length - at) % blockBytes);
    this.compress(bytes, at, end);
    this.rest.set(bytes.subarray(end));
    this.restBytes = bytes.length - end;
    return this;
  }

  /** Lower-case hexadecimal, of everything so far. The hash may go on afterwards. */
  digest(): string {
    const tail = new Uint8Array(this.restBytes < 56 ? blockBytes : 2 * blockBytes);
    tail.set(this.rest.subarray(0, this.restBytes));
    tail[this.restBytes] = 0x80;
    const view = new DataView(tail.buffer);
    view.setUint32(tail.length - 8, Math.floor(this.totalBytes / 2 ** 29));
    view.setUint32(tail.length - 4, (this.totalBytes * 8) >>> 0);
    const before = this.state.slice();
    this.compress(tail, 0, tail.length);
    const text = Array.from(this.state, word => (word >>> 0).toString(16).padStart(8, '0')).join('');
    this.state.set(before);
    return text;
  }

  private compress(bytes: Uint8Array, begin: number, end: number): void {
    const {state, schedule: w} = this;
    const k = roundConstants;
    for (let at = begin; at < end; at += blockBytes) {
      for (let i = 0, p = at; i < 16; ++i, p += 4) {
        w[i] = (bytes[p] << 24) | (bytes[p + 1] << 16) | (bytes[p + 2] << 8) | bytes[p + 3];
      }
      for (let i = 16; i < 64; ++i) {
        const x = w[i - 15];
        const y = w[i - 2];
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      let a = state[0];
      let b = state[1];
      let c = state[2];
      let d = state[3];
      let e = state[4];
      let f = state[5];
      let g = state[6];
      let h = state[7];
      for (let i = 0; i < 64; ++i) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + (g ^ (e & (f ^ g))) + k[i] + w[i]) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + t1) | 0;
        d = c;
        c = b;
        b = a;
        a = (t1 + t2) | 0;
      }
      state[0] += a;
      state[1] += b;
      state[2] += c;
      state[3] += d;
      state[4] += e;
      state[5] += f;
      state[6] += g;
      state[7] += h;
    }
  }
}

/** Of a text's UTF-8 bytes, in lower-case hexadecimal. */
export function sha256OfText(text: string): string {
  return new Sha256().update(new TextEncoder().encode(text)).digest();
}
