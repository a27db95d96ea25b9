// The worker's side of the cutout: a picture decoded, handed to the core, run like any job of its session
// (failover included), and finished. One picture at a time, in order.
import type {Engine} from '../engine/engine.js';
import type {Host} from '../engine/host.js';
import {throwIfAborted} from '../errors.js';
import type {CutEvent, Layers, PictureSource} from './calls.js';
import {decodePicture} from './decode.js';

interface Placed {
  readonly pointer: number;
  readonly width: number;
  readonly height: number;
  readonly note: string;
  readonly seconds: number;
}

/** Decodes straight into the core's memory: a picture is large, and one copy is enough. */
async function placePicture(
  engine: Engine,
  source: PictureSource,
  maxPixels: number,
  signal: AbortSignal,
): Promise<Placed> {
  const begin = performance.now();
  const decoded = await decodePicture(source, maxPixels);
  const {core} = engine;
  const {width, height} = decoded;
  let pointer = 0;
  try {
    pointer = core.alloc(width * height * 4);
    const note = await decoded.read((tile, x, y, tileWidth, tileHeight) => {
      // The view anew for each tile: the memory may have grown between two.
      const {bytes} = core.memory;
      for (let row = 0; row < tileHeight; ++row) {
        const from = row * tileWidth * 4;
        bytes.set(tile.subarray(from, from + tileWidth * 4), pointer + ((y + row) * width + x) * 4);
      }
    }, signal);
    throwIfAborted(signal, 'The cutout');
    return {pointer, width, height, note, seconds: (performance.now() - begin) / 1000};
  } catch (thrown) {
    if (pointer !== 0) core.free(pointer);
    throw thrown;
  } finally {
    decoded.close();
  }
}

/** Adds the cutout's handlers. */
export function cutoutCalls(host: Host, engine: Engine): void {
  host.on('cutout.cut', ({session, manifest, picture, options}, {signal, event, transfer}) =>
    engine.exclusive(async () => {
      const loaded = engine.session(session);
      const first = engine.tell(session)['runs'] === 0;
      const tell = (phase: CutEvent['phase']) => {
        throwIfAborted(signal, 'The cutout');
        event({phase, first});
      };
      const {core} = engine;
      tell('decode');
      const placed = await placePicture(engine, picture, options.maxPixels, signal);
      const prepareBegin = performance.now();
      event({phase: 'prepare', first});
      const {width, height} = placed;
      const prepared = core.cutoutPrepare(session, manifest, placed.pointer, width, height);
      const runBegin = performance.now();
      tell('run');
      await loaded.runSet(signal);
      const refineBegin = performance.now();
      tell('refine');
      const {alpha, foreground} = core.cutoutFinish(session, {refine: options.refine, cleanEdges: options.cleanEdges});
      const end = performance.now();
      transfer.push(alpha.buffer, foreground.buffer);
      return {
        width,
        height,
        alpha,
        foreground: new Uint8ClampedArray(foreground.buffer),
        times: {
          decode: placed.seconds,
          prepare: (runBegin - prepareBegin) / 1000,
          run: (refineBegin - runBegin) / 1000,
          refine: (end - refineBegin) / 1000,
        },
        binding: engine.tell(session),
        note: [prepared.note, placed.note].filter(Boolean).join(' '),
      };
    }),
  );
  host.on('cutout.recolor', ({session, manifest, alpha, picture, maxPixels}, {signal, transfer}) =>
    engine.exclusive(async (): Promise<Layers> => {
      engine.session(session); // fails when it is disposed
      throwIfAborted(signal, 'Colouring');
      const {core} = engine;
      if (picture) {
        const placed = await placePicture(engine, picture, maxPixels, signal);
        core.cutoutPrepare(session, manifest, placed.pointer, placed.width, placed.height);
      }
      const out = core.cutoutRecolor(session, alpha);
      transfer.push(out.alpha.buffer, out.foreground.buffer);
      return {
        width: out.width,
        height: out.height,
        alpha: out.alpha,
        foreground: new Uint8ClampedArray(out.foreground.buffer),
      };
    }),
  );
}
