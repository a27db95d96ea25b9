// A stored alpha plane (gzip of one byte a pixel), unpacked.

export async function gunzipPlane(blob: Blob, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const buffer = await new Response(blob.stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
  if (buffer.byteLength !== size) throw new Error('A stored result is damaged.');
  return new Uint8Array(buffer);
}
