// worker.js: takes pictures in a worker, one after the other. The page imports `answer` where no
// worker can start, and ONNX Runtime starts the file again for each of its own threads.

import type { Answer, Last } from "./answers";
import { answer } from "./make";

export { answer };

if (typeof document === "undefined" && !self.name.startsWith("em-pthread")) {
  const post = (said: Answer, transfer: Transferable[] = []) => self.postMessage(said, { transfer });
  self.onmessage = async ({ data }: MessageEvent<File>) => {
    const last = await answer(data, async (progress) => post({ progress }));
    post(last, arrays(last));
  };
}

/** What goes over to the page without a copy. */
function arrays(last: Last): Transferable[] {
  if (!("made" in last)) return [];
  const { picture, found } = last.made;
  return [picture.pixels.buffer, found.distance.values.buffer, found.sky.buffer];
}
