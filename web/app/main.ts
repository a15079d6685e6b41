// A page that turns a panorama into its distances and shows them; nothing leaves the machine.

import { save } from "../viewer/save";
import type { Made, Progress } from "./answers";
import { ask, cancel } from "./ask";
import { exr, glb, npz, pageOf, ply, sized } from "./files";

const TICK_MS = 200; // of the bar
const CREEP = 0.05; // of what is left, at each
const find = <T extends Element>(selector: string) => document.querySelector(selector) as T;
const say = (text: string) => (find("#status").textContent = text);

let made: Made | null = null;
let shown = ""; // the address of its page
let busy = false;
let next: File | null = null;

/** One picture after the other; of those given meanwhile the last alone. */
async function give(file: File): Promise<void> {
  next = file;
  find("#next").textContent = busy ? `Next: ${file.name}` : "";
  if (busy) return;
  busy = true;
  document.body.classList.add("busy");
  const ticking = setInterval(creep, TICK_MS);
  while (next) {
    const now: File = next;
    next = null;
    find("#next").textContent = "";
    await open(now);
    if (!next) document.body.dataset.done = now.name;
  }
  clearInterval(ticking);
  if (document.activeElement === find("#cancel")) input.focus();
  document.body.classList.remove("busy");
  busy = false;
}

/** What is dropped on this page, or on the viewer in it, is the next picture; Escape cancels. */
function takeFrom(target: EventTarget): void {
  target.addEventListener("keydown", (event) => {
    if ((event as KeyboardEvent).key === "Escape") cancel();
  });
  target.addEventListener("dragover", (event) => event.preventDefault());
  target.addEventListener("drop", (event) => {
    event.preventDefault();
    const file = (event as DragEvent).dataTransfer?.files[0];
    if (file) void give(file);
  });
}

/** The picture that is shown is given as if it had been dropped. */
async function example({ src, alt }: HTMLImageElement): Promise<void> {
  try {
    const response = await fetch(src);
    if (!response.ok) throw new Error(String(response.status));
    await give(new File([await response.blob()], `${alt}.jpg`));
  } catch {
    say(`${alt}: the example cannot be loaded.`);
  }
}

async function open(file: File): Promise<void> {
  const said = await ask(file, show);
  if (!said) {
    say(`${file.name}: cancelled.`);
  } else if ("failed" in said) {
    say(said.failed);
  } else {
    made = said.made;
    const frame = find<HTMLIFrameElement>("iframe");
    URL.revokeObjectURL(shown);
    shown = URL.createObjectURL(pageOf(made.view, NaN));
    frame.onload = () => takeFrom(frame.contentWindow!);
    frame.contentWindow!.location.replace(shown); // a step back goes to what was before this page
    document.body.classList.add("shown");
    say("");
  }
}

const bar = find<HTMLProgressElement>("progress");
let goal = 0; // where the part of the work ends that is being done

function show({ text, amount, from, to }: Progress): void {
  if (find("#status").textContent !== text) say(text); // a screen reader says what is written there
  find("#amount").textContent = amount ?? "";
  bar.value = from;
  goal = to;
}

/** Nobody knows how far a part is; the bar goes ever more slowly towards its end. */
function creep(): void {
  bar.value += (goal - bar.value) * CREEP;
}

const input = find<HTMLInputElement>("input");
input.onchange = () => {
  if (input.files?.[0]) void give(input.files[0]);
  input.value = "";
};
find<HTMLElement>("#cancel").onclick = cancel;
for (const image of document.querySelectorAll<HTMLImageElement>("#examples img")) {
  image.parentElement!.onclick = () => void example(image);
}
takeFrom(window);
/** NaN until the length of something is given in the view. */
const metresPerUnit = () => Number(find<HTMLIFrameElement>("iframe").contentDocument?.body.dataset.metresPerUnit);
const found = () => sized(made!.found, metresPerUnit());
const offer = (button: string, ending: string, make: () => Blob | Promise<Blob>) => {
  find<HTMLElement>(button).onclick = async () => {
    const name = made!.picture.name + ending;
    save(await make(), name);
  };
};
offer("#html", ".html", () => pageOf(made!.view, metresPerUnit()));
offer("#npz", "_distance.npz", () => npz(found()));
offer("#exr", "_distance.exr", () => exr(found()));
offer("#glb", ".glb", () => glb(found(), made!.picture.jpeg));
offer("#ply", "_points.ply", () => ply(found(), made!.picture.pixels));
if ("serviceWorker" in navigator) void navigator.serviceWorker.register("sw.js");
