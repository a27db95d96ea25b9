// Time left in a batch: an average of the latest pictures, so that a slow first one is soon forgotten.

const kWeight = 0.25;

export class Estimate {
  private average = 0;
  private seen = 0;

  /** After a picture. The first one carries compilation and is replaced by the second. */
  add(seconds: number): void {
    this.average = this.seen < 2 ? seconds : this.average * (1 - kWeight) + seconds * kWeight;
    ++this.seen;
  }

  /** Seconds, or null while nothing is known. */
  left(pictures: number): number | null {
    return this.seen === 0 ? null : this.average * pictures;
  }
}
