// The network in the browser: ONNX Runtime's WebAssembly on the processor.

import * as ort from "onnxruntime-web/wasm";
import { alongPicture } from "./border";
import { quantile, resize, settlePoles, shrunk, type Plane, type Size } from "./sphere";
import { enlarged } from "./steps";

/** What config.json says of the model. */
export interface Config extends Size {
  model: string;
  edges: "sphere" | "cut";
  quantile: number;
  /** of what the first picture needs */
  bytes: number;
}

export interface Distances {
  /** relative, at the picture's size; in the sky no nearer than the farthest surface */
  distance: Plane;
  sky: Uint8Array;
}

const ROUGH = 2; // a picture is averaged in boxes down to no less than this many times the network's size

let session: Promise<ort.InferenceSession> | null = null;
let config: Config;

/** Is told how many bytes have come, of how many. */
type Watch = (come: number, all: number) => void;
/** Is awaited before each part of the work. from, to: shares of the whole. */
type Part = (from: number, to: number) => Promise<void>;

/** count: is told of each piece's length. */
async function unpacked(name: string, count: (length: number) => void): Promise<ArrayBuffer> {
  const response = await fetch(name);
  if (!response.ok || !response.body) throw new Error(`${name}: ${response.status}`);
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(piece, stream) {
      count(piece.length);
      stream.enqueue(piece);
    },
  });
  const stream = response.body.pipeThrough(counted).pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Whether the model is there, or on its way. */
export const loaded = () => session !== null;

/** Loads runtime and model once; both stay in the browser's cache. */
export function load(watch?: Watch): Promise<ort.InferenceSession> {
  session ??= (async () => {
    config = await (await fetch("config.json")).json();
    let come = 0;
    const count = (length: number) => watch?.((come += length), config.bytes);
    const [wasm, model] = await Promise.all(["ort.wasm.bin", "model.bin"].map((name) => unpacked(name, count)));
    ort.env.wasm.wasmBinary = wasm;
    // Threads need headers that plain hosts do not send.
    ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
    return ort.InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"] });
  })();
  session.catch(() => (session = null));
  return session;
}

/** planes: red, green, blue in [0, 1], sRGB-coded, of a whole panorama. */
export async function predict(planes: Plane[], part: Part): Promise<Distances> {
  const run = await load();
  await part(0, 0.3);
  const { height, width } = config;
  const cut = config.edges === "cut";
  const pixels = new Float32Array(3 * height * width);
  const enough = { height: ROUGH * height, width: ROUGH * width };
  planes.forEach((plane, i) => {
    const small = resize(shrunk(plane, enough), config, cut).values.map((v) => Math.min(1, Math.max(0, v)));
    pixels.set(small, i * height * width);
  });
  const seen = await look(run, pixels);
  if (!cut) {
    // As `predict` does by default: two looks at the picture and one at its mirror image, in thirds of a patch.
    await part(0.3, 0.55);
    const other = await look(run, rolled(mirrored(pixels), -5));
    await part(0.55, 0.8);
    const third = await look(run, rolled(pixels, 9));
    const both = (one: Float32Array, two: Float32Array, three: Float32Array) =>
      mean(mean(one, rolled(three, -9)), mirrored(rolled(two, 5)));
    seen.log = both(seen.log, other.log, third.log);
    if (seen.logit && other.logit && third.logit) seen.logit = both(seen.logit, other.logit, third.logit);
  }
  await part(0.8, 0.95);
  const { log, logit } = seen;
  const small = { height, width, values: log.map(Math.exp) };
  if (!cut) settlePoles(small);
  const surface = small.values.map((_, i) => (!logit || logit[i] <= 0 ? 1 : 0));
  const surfaces = small.values.filter((_, i) => surface[i]);
  if (!surfaces.length) throw new NothingThere();
  const unit = quantile(surfaces, config.quantile);
  small.values.forEach((d, i) => (small.values[i] = d / unit));
  const distance = cut
    ? resize(small, planes[0], cut)
    : enlarged(small, { height, width, values: surface }, planes[0]);
  const sky = new Uint8Array(distance.values.length);
  if (logit) {
    const said = resize({ height, width, values: Float32Array.from(logit) }, planes[0], cut);
    const full = said.values.some((v) => v > 0) ? alongPicture(said, planes) : said;
    full.values.forEach((v, i) => (sky[i] = v > 0 ? 1 : 0));
  }
  const farthest = distance.values.reduce((far, d, i) => (sky[i] ? far : Math.max(far, d)), 0);
  sky.forEach((is, i) => {
    if (is) distance.values[i] = Math.max(distance.values[i], farthest);
  });
  return { distance, sky };
}

interface Look {
  log: Float32Array;
  logit?: Float32Array;
}

/** What the network says of pixels, 3 planes of its size: log distance, and sky logit if it has one. */
async function look(run: ort.InferenceSession, pixels: Float32Array): Promise<Look> {
  const image = new ort.Tensor("float32", pixels, [1, 3, config.height, config.width]);
  const outputs = await run.run({ [run.inputNames[0]]: image });
  const logit = outputs.sky_logit?.data as Float32Array | undefined;
  const log = (outputs.distance.data as Float32Array).map(Math.log);
  return { log, logit: logit && Float32Array.from(logit) };
}

/** Rows as wide as the network's size, left and right exchanged. */
function mirrored(values: Float32Array): Float32Array {
  const { width } = config;
  return values.map((_, i) => values[i - (i % width) + (width - 1 - (i % width))]);
}

/** Rows as wide as the network's size, moved to the right by so many columns. */
function rolled(values: Float32Array, columns: number): Float32Array {
  const { width } = config;
  return values.map((_, i) => values[i - (i % width) + (((i % width) - columns + width) % width)]);
}

function mean(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => 0.5 * (value + b[i]));
}

/** All of the picture is sky. */
export class NothingThere extends Error {}
