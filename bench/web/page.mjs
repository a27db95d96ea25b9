// What the pages of the comparison share: window.bench = {create, first, again}, timed in the page.
const cutoutSide = 1024;

export const now = () => performance.now() / 1000;
export async function bytesOf(address) {
  return new Uint8Array(await (await fetch(address)).arrayBuffer());
}

/** PNG of RGBA pixels: the end of every job with a picture. */
export async function encode(rgba, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d').putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas.convertToBlob({type: 'image/png', quality: 0.8});
}

/** Alpha of a cut-out on 64 x 64 pixels, to compare runtimes with each other. */
async function thumbOf(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(64, 64);
  const context = canvas.getContext('2d');
  context.drawImage(bitmap, 0, 0, 64, 64);
  return Array.from(context.getImageData(0, 0, 64, 64).data.filter((_, i) => i % 4 === 3));
}

/** Feeds of a call of silero VAD: the same for both runtimes. */
export function speechFeeds(tensor) {
  const samples = Float32Array.from({length: 512}, (_, i) => 0.3 * Math.sin(i * 0.11) * Math.sin(i * 0.013));
  return {
    input: tensor('float32', [1, 512], samples),
    state: tensor('float32', [2, 1, 128], new Float32Array(256)),
    sr: tensor('int64', [], BigInt64Array.of(16000n)),
  };
}

export {cutoutSide};

/**
 * `create(settings)` makes the session and gives a line about it; `job(photo)` gives a Blob (pictures) or a list of
 * numbers in 0 .. 255 (others).
 */
export function offer({create, job, ...more}) {
  let settings, photo;
  const result = async () => {
    let last;
    for (let call = 0; call < settings.calls; ++call) last = await job(photo);
    return last;
  };
  window.bench = {
    async create(given) {
      settings = given;
      const begin = now();
      const about = await create(settings);
      return {seconds: now() - begin, at: now(), about};
    },
    async first() {
      if (settings.photo) photo = await (await fetch(settings.photo)).blob();
      const begin = now();
      const made = await job(photo);
      const at = now();
      return {seconds: at - begin, at, thumb: made instanceof Blob ? await thumbOf(made) : made};
    },
    async again() {
      const begin = now();
      await result();
      return (now() - begin) / settings.calls;
    },
    ...more,
    refined: more.refined ? () => more.refined(photo) : undefined,
  };
}
