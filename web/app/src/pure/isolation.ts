// Why the CPU path has one thread: shared memory needs a cross-origin isolated page, which two
// response headers make. A page can read its own response's headers again to say which is missing.

export interface IsolationFacts {
  readonly isolated: boolean;
  readonly secure: boolean;
  /** Values of the page's own response; null where absent, undefined where they could not be read. */
  readonly opener?: string | null | undefined;
  readonly embedder?: string | null | undefined;
}

/** A sentence, or null when nothing is missing. */
export function isolationSentence(facts: IsolationFacts): string | null {
  if (facts.isolated) return null;
  const tail = 'so the CPU path uses one thread. The GPU path is not affected.';
  if (!facts.secure) return `This page was not loaded over https, ${tail}`;
  if (facts.opener === undefined && facts.embedder === undefined) {
    return `This page is not cross-origin isolated, ${tail}`;
  }
  const missing: string[] = [];
  if (facts.opener?.trim() !== 'same-origin') missing.push('Cross-Origin-Opener-Policy: same-origin');
  const embedder = facts.embedder?.trim();
  if (embedder !== 'require-corp' && embedder !== 'credentialless') {
    missing.push('Cross-Origin-Embedder-Policy: require-corp');
  }
  if (missing.length === 0) return `This page is not cross-origin isolated although its headers ask for it, ${tail}`;
  return `The server does not send ${missing.map(header => `“${header}”`).join(' and ')}, ${tail}`;
}
