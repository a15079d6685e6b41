// From a picture's file to what the page shows: in the worker, or on the page's thread without one.

import { NOT_RUN, type Last, type Made, type Progress } from "./answers";
import { viewOf, type Picture } from "./files";
import { load, loaded, NothingThere, predict } from "./network";

const MOST_COLUMNS = 2048; // larger pictures are reduced
const READ = 0.05; // of the work, as progress shows it
const [COME, LOADED] = [0.4, 0.5]; // where the model has to come first, and to be compiled
const MEMORY = /bad_alloc|out of memory|allocat/i; // what ONNX Runtime says when it has not enough

let assets: Promise<string[]> | null = null;

/** The last answer about a picture; never throws. tell: is awaited between the parts of the work, and
 * ends it by throwing. */
export async function answer(file: File, tell: (progress: Progress) => Promise<void>): Promise<Last> {
  try {
    return { made: await make(file, tell) };
  } catch (error) {
    const ofPicture = error instanceof Sentence || error instanceof NothingThere;
    return { failed: sentence(error, file.name), spent: !ofPicture };
  }
}

async function make(file: File, tell: (progress: Progress) => Promise<void>): Promise<Made> {
  await tell({ text: "Reading the picture …", from: 0, to: READ });
  const { picture, width, height } = await read(file);
  const start = loaded() ? READ : LOADED;
  await load((come, all) => {
    const amount = `${megabytes(come)} of ${megabytes(all)} MB`;
    const from = READ + ((COME - READ) * come) / all;
    const coming = { text: "Loading the model …", amount, from, to: from };
    const whole = { text: "Starting the model …", amount, from: COME, to: LOADED };
    // What a stopped work throws here, it throws again at the next part.
    tell(come < all ? coming : whole).catch(() => undefined);
  });
  const part = (text: string) => (from: number, to: number) =>
    tell({ text, from: start + (1 - start) * from, to: start + (1 - start) * to });
  const planes = [0, 1, 2].map((channel) => ({
    height,
    width,
    values: Float32Array.from({ length: width * height }, (_, i) => picture.pixels[4 * i + channel] / 255),
  }));
  const found = await predict(planes, part("Finding distances …"));
  await part("Building the view …")(0.95, 1);
  assets ??= Promise.all(["viewer.html", "table.txt"].map(text));
  assets.catch(() => (assets = null));
  const [template, table] = await assets;
  return { picture, found, view: await viewOf(template, table, picture, found) };
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

async function text(name: string): Promise<string> {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response.text();
}

/** A panorama's pixels, at most MOST_COLUMNS wide. */
async function read(file: File): Promise<{ picture: Picture; width: number; height: number }> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Sentence("this is no picture that the browser can read, or one too large for it.");
  }
  try {
    if (Math.abs(bitmap.width / bitmap.height - 2) > 0.01) {
      const size = `${bitmap.width} × ${bitmap.height}`;
      throw new Sentence(`${size} is no whole panorama, which is twice as wide as high.`);
    }
    const height = Math.min(bitmap.height, MOST_COLUMNS / 2);
    const width = 2 * height;
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d", { willReadFrequently: true })!;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(bitmap, 0, 0, width, height);
    const pixels = pen.getImageData(0, 0, width, height).data;
    const jpeg = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
    return { picture: { name: file.name.replace(/\.\w+$/, ""), pixels, jpeg }, width, height };
  } finally {
    bitmap.close();
  }
}

class Sentence extends Error {}

function sentence(error: unknown, name: string): string {
  if (error instanceof Sentence) return `${name}: ${error.message}`;
  if (error instanceof NothingThere) return `${name}: all of it is sky.`;
  const memory = error instanceof RangeError || MEMORY.test(String(error));
  return memory ? `${name}: there is not enough memory for it.` : NOT_RUN;
}
