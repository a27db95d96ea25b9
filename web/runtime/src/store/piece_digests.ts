// SHA-256 of a file's pieces by the platform's own code. What is read from the store is checked with these: the
// hash of the whole would have to be computed in JavaScript, at a third of the speed or less.

export const pieceBytes = 4 << 20;

/** Lower-case hexadecimal. The bytes are taken before it returns. */
export async function sha256OfPiece(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('');
}

/** Cuts what comes into pieces, and keeps their digests. */
export class PieceDigests {
  private piece: Uint8Array; // grows to pieceBytes
  private filled = 0;
  private readonly done: string[] = [];
  private last: Promise<void> = Promise.resolve();

  /** @param totalBytes how many will come, if that is known */
  constructor(totalBytes = 1 << 16) {
    this.piece = new Uint8Array(Math.min(totalBytes, pieceBytes));
  }

  /** Gives a promise when a piece is full: of at most one more the digest is under way then. */
  update(chunk: Uint8Array): Promise<void> | undefined {
    let wait: Promise<void> | undefined;
    for (let at = 0; at < chunk.length;) {
      const count = Math.min(chunk.length - at, pieceBytes - this.filled);
      if (this.filled + count > this.piece.length) this.grow(this.filled + count);
      this.piece.set(chunk.subarray(at, at + count), this.filled);
      this.filled += count;
      at += count;
      if (this.filled === pieceBytes) {
        wait = this.last;
        this.close();
      }
    }
    return wait;
  }

  /** The first bytes, as long as no more than a piece has come. */
  first(bytes: number): Uint8Array {
    return this.piece.subarray(0, bytes);
  }

  async finish(): Promise<readonly string[]> {
    if (this.filled > 0) this.close();
    await this.last;
    return this.done;
  }

  private grow(bytes: number): void {
    const piece = new Uint8Array(Math.min(pieceBytes, Math.max(bytes, 2 * this.piece.length)));
    piece.set(this.piece.subarray(0, this.filled));
    this.piece = piece;
  }

  private close(): void {
    const digest = sha256OfPiece(this.piece.subarray(0, this.filled));
    this.filled = 0;
    this.last = this.last.then(async () => {
      this.done.push(await digest);
    });
    this.last.catch(() => {}); // finish() tells
  }
}
