// Feeds of zeros for a warm-up: the declared shapes, with 1 for every extent that is open.
import type {DType, Tensor, ValueInfo} from '../types.js';
import {zeros} from '../core/values.js';

export function zeroFeeds(
  inputs: readonly ValueInfo[],
  shapes: Readonly<Record<string, readonly number[]>>,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const {name, dtype, dims} of inputs) {
    const extents = shapes[name] ?? (dims ?? []).map(extent => (typeof extent === 'number' ? extent : 1));
    feeds[name] = zeros(dtype as DType, extents);
  }
  return feeds;
}
