// The page's side of the worker that predicts, and the page's thread where no worker can start.

import { NOT_RUN, type Answer, type Last, type Progress } from "./answers";

const SCRIPT = "worker.js"; // beside the page
const IDLE_MS = 120_000; // that a worker keeps the model, some 200 MB, for the next picture

type Watch = (progress: Progress) => void;

let worker: Worker | null = null; // kept for the next picture
let here: typeof import("./worker") | null = null; // the same, on this thread
let stop = () => {};
let idle = 0; // a timer

/** The last answer about a picture, null after `cancel`. One at a time. */
export async function ask(file: File, watch: Watch): Promise<Last | null> {
  if (!here) {
    const said = await askWorker(file, watch);
    if (!(said instanceof NoWorker)) return said;
    console.warn(`panodepth predicts on the page's thread, which stands still meanwhile: ${said.message}`);
  }
  return askHere(file, watch);
}

/** Ends the work on the picture that was asked about, and frees what it holds. */
export function cancel(): void {
  stop();
}

class NoWorker extends Error {}

function askWorker(file: File, watch: Watch): Promise<Last | null | NoWorker> {
  clearTimeout(idle);
  return new Promise((resolve) => {
    let alive = worker !== null;
    const last = (said: Last | null | NoWorker, spent: boolean) => {
      if (spent) end();
      else idle = window.setTimeout(end, IDLE_MS);
      stop = () => {};
      resolve(said);
    };
    try {
      worker ??= new Worker(SCRIPT, { type: "module" });
    } catch (error) {
      last(new NoWorker(String(error)), true);
      return;
    }
    stop = () => last(null, true);
    worker.onerror = (event) => {
      event.preventDefault();
      const why = event.message || `${SCRIPT} cannot be loaded as a worker`;
      last(alive ? { failed: NOT_RUN, spent: true } : new NoWorker(why), true);
    };
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      alive = true;
      if ("progress" in data) watch(data.progress);
      else last(data, "spent" in data && data.spent);
    };
    worker.postMessage(file);
  });
}

function end(): void {
  if (!worker) return;
  worker.onmessage = worker.onerror = null;
  worker.terminate();
  worker = null;
}

/** Stops between the parts of the work alone. */
async function askHere(file: File, watch: Watch): Promise<Last | null> {
  let stopped = false;
  stop = () => (stopped = true);
  try {
    here ??= (await import(new URL(SCRIPT, document.baseURI).href)) as typeof import("./worker");
  } catch {
    return { failed: NOT_RUN, spent: true };
  }
  const said = await here.answer(file, async (progress) => {
    watch(progress);
    await new Promise((resolve) => setTimeout(resolve, 50)); // so that it is shown
    if (stopped) throw new Error("stopped");
  });
  return stopped ? null : said;
}
