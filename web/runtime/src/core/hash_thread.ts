// HashThread: SHA-256 on a thread of its own, of what lies in the module's shared memory, while the owner goes on. The
// thread (thread.ts) answers each piece in order; nothing that it may read moves or goes before settled().
import {SluiceError} from '../errors.js';

/** A piece for the thread: module memory that is added to a hash's state; null: the thread is to end. */
export type HashPiece = {readonly state: number; readonly at: number; readonly bytes: number} | null;

export class HashThread {
  /** It runs. One that never does costs nothing: nobody has given it anything. */
  ready = false;
  private underWay = 0;
  private failed = false;
  private ended = false;
  private waiting: (() => void)[] = [];

  /** @param free gives back what the thread's stack was, once it needs none */
  constructor(
    private readonly port: MessagePort,
    private readonly free: () => void,
  ) {
    port.onmessage = ({data: done}: MessageEvent<boolean>) => {
      if (this.ready) --this.underWay;
      this.ready = true;
      this.failed ||= !done;
      if (this.ended) this.close();
      if (this.underWay > 0 && !this.failed) return;
      for (const go of this.waiting.splice(0)) go();
    };
  }

  /** One state's pieces are taken in the order of these calls. Only when it is ready. */
  hash(state: number, at: number, bytes: number): void {
    ++this.underWay;
    this.port.postMessage({state, at, bytes} satisfies HashPiece);
  }

  /** All pieces are taken. */
  async settled(): Promise<void> {
    if (this.underWay > 0 && !this.failed) await new Promise<void>(resolve => this.waiting.push(resolve));
    if (this.failed) throw new SluiceError('internal', 'The thread that hashes has failed');
  }

  /** After settled(). The thread may still be on its way. */
  end(): void {
    this.ended = true;
    if (this.ready) this.close();
  }

  private close(): void {
    this.port.postMessage(null satisfies HashPiece);
    this.port.close();
    this.free();
  }
}
