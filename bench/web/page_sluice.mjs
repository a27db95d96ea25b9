// sluice-web in the comparison: Cutter for pictures, Session for the rest.
import {Session} from './sluice-web/index.js';
import {Cutter} from './sluice-web/cutout/index.js';
import {encode, offer, speechFeeds} from './page.mjs';

let cutter, session;
/** What the peers do, too: the matte scaled to the picture. Sluice's finer edges are timed apart (refined). */
const plain = {refine: false, cleanEdges: false};

async function cut(photo, options) {
  const {width, height, alpha, foreground, times} = await cutter.cut(photo, options);
  for (let i = 0; i < alpha.length; ++i) foreground[4 * i + 3] = alpha[i];
  return {blob: await encode(foreground, width, height), times};
}

offer({
  async create({threads, backend, model, manifest, photo}) {
    const options = {threads, backends: [backend]};
    if (photo) cutter = await Cutter.create({model: new URL(model, document.baseURI), manifest, ...options});
    else session = await Session.create(model, options);
    return (cutter ?? session).binding.console;
  },
  async job(photo) {
    if (cutter) return (await cut(photo, plain)).blob;
    const {output} = await session.run(speechFeeds((dtype, dims, data) => ({dtype, dims, data})));
    return [255 * output.data[0]];
  },
  async refined(photo) {
    const {times} = await cut(photo, {});
    const parts = Object.entries(times).map(([what, seconds]) => `${what} ${seconds.toFixed(2)} s`);
    return `with fine edges: ${parts.join(', ')}`;
  },
});
