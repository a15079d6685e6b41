// A page that turns a panorama into its distances and shows them; nothing leaves the machine.

import { exr, glb, npz, ply, viewerPage, type Picture } from "./files";
import { save } from "../viewer/save";
import { load, NothingThere, predict, type Distances } from "./network";

const MOST_COLUMNS = 2048; // larger pictures are reduced
const find = <T extends Element>(selector: string) => document.querySelector(selector) as T;
const say = (text: string) => (find("#status").textContent = text);

let made: { picture: Picture; found: Distances; page: Blob } | null = null;
let assets: Promise<[string, string]> | null = null;
let busy = false;
let next: File | null = null;

/** One picture after the other; of those given meanwhile the last alone. */
async function give(file: File): Promise<void> {
  next = file;
  if (busy) return;
  busy = true;
  document.body.classList.add("busy");
  while (next) {
    const now: File = next;
    next = null;
    await open(now);
    if (!next) document.body.dataset.done = now.name;
  }
  document.body.classList.remove("busy");
  busy = false;
}

/** What is dropped on this page, or on the viewer in it, is the next picture. */
function takeDrops(target: EventTarget): void {
  target.addEventListener("dragover", (event) => event.preventDefault());
  target.addEventListener("drop", (event) => {
    event.preventDefault();
    const file = (event as DragEvent).dataTransfer?.files[0];
    if (file) void give(file);
  });
}

async function open(file: File): Promise<void> {
  try {
    say("Reading the picture …");
    const { picture, width, height } = await read(file);
    await load((share) => say(`Loading the model … ${Math.round(100 * share)} %`));
    say("Finding distances …");
    await new Promise((resolve) => setTimeout(resolve, 50)); // so that it is shown
    const planes = [0, 1, 2].map((channel) => ({
      height,
      width,
      values: Float32Array.from({ length: width * height }, (_, i) => picture.pixels[4 * i + channel] / 255),
    }));
    const found = await predict(planes);
    assets ??= Promise.all(["viewer.html", "table.txt"].map(async (n) => (await fetch(n)).text())) as Promise<[string, string]>;
    const [template, table] = await assets;
    const about = `${width} × ${height} · relative distances · in this browser`;
    const page = await viewerPage(template, table, picture, found, about);
    made = { picture, found, page };
    const frame = find<HTMLIFrameElement>("iframe");
    URL.revokeObjectURL(frame.src);
    frame.src = URL.createObjectURL(page);
    frame.onload = () => takeDrops(frame.contentWindow!);
    document.body.classList.add("shown");
    say("");
  } catch (error) {
    say(sentence(error, file.name));
  }
}

/** A panorama's pixels, at most MOST_COLUMNS wide. */
async function read(file: File): Promise<{ picture: Picture; width: number; height: number }> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Sentence("this is no picture that the browser can read, or one too large for it.");
  }
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
}

class Sentence extends Error {}

function sentence(error: unknown, name: string): string {
  if (error instanceof Sentence) return `${name}: ${error.message}`;
  if (error instanceof NothingThere) return `${name}: all of it is sky.`;
  if (error instanceof RangeError) return `${name}: there is not enough memory for it.`;
  return "The model could not be loaded or run; reload the page while you are on line.";
}

const input = find<HTMLInputElement>("input");
input.onchange = () => {
  if (input.files?.[0]) void give(input.files[0]);
  input.value = "";
};
takeDrops(window);
const offer = (button: string, ending: string, make: () => Blob | Promise<Blob>) => {
  find<HTMLElement>(button).onclick = async () => {
    const name = made!.picture.name + ending;
    save(await make(), name);
  };
};
offer("#html", ".html", () => made!.page);
offer("#npz", "_distance.npz", () => npz(made!.found));
offer("#exr", "_distance.exr", () => exr(made!.found));
offer("#glb", ".glb", () => glb(made!.found, made!.picture.jpeg));
offer("#ply", "_points.ply", () => ply(made!.found, made!.picture.pixels));
Object.assign(window, { panodepth: { predict, load } });
if ("serviceWorker" in navigator) void navigator.serviceWorker.register("sw.js");
