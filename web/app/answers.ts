// What passes between the page and the worker that predicts for it.

import type { Distances } from "./network";
import type { Picture, View } from "./files";

/** What is being done. from, to: shares of the whole work, where it stands and where this part ends. */
export interface Progress {
  text: string;
  /** how much of it has come, in words */
  amount?: string;
  from: number;
  to: number;
}

export interface Made {
  picture: Picture;
  found: Distances;
  view: View;
}

/** Of one picture: progress any number of times, then what was made of it or, in words, why nothing.
 * spent: the network's memory may be in any state, a next picture needs another one. */
export type Answer = { progress: Progress } | { made: Made } | { failed: string; spent: boolean };
export type Last = Exclude<Answer, { progress: Progress }>;

export const NOT_RUN = "The model could not be loaded or run; reload the page while you are on line.";
