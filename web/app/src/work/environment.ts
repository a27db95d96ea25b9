// What this browser and this page's hosting are like.

import {isolationSentence} from '../pure/isolation.js';
import {tierOf, type Tier} from '../pure/tiers.js';

interface HintedNavigator {
  readonly deviceMemory?: number;
  readonly userAgentData?: {readonly mobile: boolean};
}

export function deviceTier(): Tier {
  const hinted = navigator as HintedNavigator;
  const mobile =
    hinted.userAgentData?.mobile ??
    (/Android|iPhone|iPad|Mobile/.test(navigator.userAgent) ||
      (/Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1));
  return tierOf({...(hinted.deviceMemory !== undefined ? {memory: hinted.deviceMemory} : {}), mobile});
}

/** Which header is missing for threads; null when none is. Asks the page's own address again only when it must. */
export async function isolation(): Promise<string | null> {
  if (globalThis.crossOriginIsolated) return null;
  if (!globalThis.isSecureContext) return isolationSentence({isolated: false, secure: false});
  try {
    // The same document, out of the cache where it can be.
    const response = await fetch(location.pathname, {method: 'GET', cache: 'force-cache'});
    return isolationSentence({
      isolated: false,
      secure: true,
      opener: response.headers.get('cross-origin-opener-policy'),
      embedder: response.headers.get('cross-origin-embedder-policy'),
    });
  } catch {
    return isolationSentence({isolated: false, secure: true});
  }
}
