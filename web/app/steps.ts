// What Python's predict/steps.py does: slopes of an enlarged map that join two surfaces become
// steps. Its constants and functions have the same names here; why each is as it is, stands there.

import { clamped, resize, under, wrapped, type Plane, type Size } from "./sphere";

const HALF = 2.5;
const LEAST_JUMP = 0.12;
const LEAST_SHARE = 0.4;
const STEEPER = 1.5;
const CUT = 0.3;
const MOST_LATITUDE_DEG = 65;
const BESIDE = 3;
const REACH = 3;
const FADE = 1;
const PAST_END = 2;
const END_FADE = 1;
const AROUND = [-2, -1, 0, 1, 2];
const LEAST_ALIKE = 0.8;
const MOST_PAST = 1.25;
const MARGIN = 8;

interface Place {
  /** in pixels, of a pixel's centre */
  row: number;
  column: number;
  /** unit direction to the near side */
  down: number;
  right: number;
}

/** One step of a map, at the place where it is cut. */
interface Step extends Place {
  /** 1 / distance of its surfaces there, and their changes per pixel in its direction */
  far: number;
  near: number;
  farSlope: number;
  nearSlope: number;
}

/** The steps of a map of this size. */
export interface Steps extends Size {
  all: Step[];
  /** (height, width) number of the step within REACH pixels of each, -1 = none */
  nearest: Int32Array;
}

/** A network's map at the size of its picture, with the steps that it means; at another size that
 * is not larger it is resized alone. surface: 0 = sky. */
export function enlarged(distance: Plane, surface: Plane, size: Size): Plane {
  const larger = resize(distance, size, false);
  if (size.height > distance.height) cutSteps(larger, findSteps(distance, surface));
  return larger;
}

/** The steps of a network's map of distances > 0. surface: 0 = sky. */
export function findSteps(distance: Plane, surface: Plane): Steps {
  const { height, width } = distance;
  const inverse = padded({ height, width, values: distance.values.map((d) => 1 / d) });
  const around = Math.exp(-1 / (2 * 0.6 ** 2));
  const blur = [around, 1, around].map((weight) => weight / (1 + 2 * around));
  const smooth = filtered(inverse, blur, blur);
  const change = [-1 / 2, 0, 1 / 2];
  const beside = [3 / 16, 10 / 16, 3 / 16];
  const slopes = [filtered(smooth, change, beside), filtered(smooth, beside, change)];
  const lengths = slopes[0].values.map((down, i) => Math.hypot(down, slopes[1].values[i]));
  const steepness = { ...inverse, values: lengths };
  const cells: number[] = [];
  const measures: Float32Array[] = [];
  for (const place of mayBeSteps(inverse, slopes, steepness, padded(surface))) {
    const here = along(steepness, place, 0);
    if (here < along(steepness, place, -1) || here < along(steepness, place, 1)) continue;
    // What the surfaces themselves change says nothing of where the edge between them goes.
    const [down, right] = slopes.map(
      (slope) => along(slope, place, 0) - (along(slope, place, -HALF) + along(slope, place, HALF)) / 2,
    );
    const length = Math.max(Math.hypot(down, right), 1e-9);
    const values = measured(inverse, { ...place, down: down / length, right: right / length });
    if (!values) continue;
    cells.push((place.row - MARGIN) * width + place.column - MARGIN);
    measures.push(values);
  }
  const all = evened(measures, cells, distance);
  return { height, width, all, nearest: nearest(all, distance) };
}

/** Makes steps of the slopes of the enlarged map, in place. */
export function cutSteps(larger: Plane, steps: Steps): void {
  const { height, width, values } = larger;
  if (!steps.all.length) return;
  const ofColumn = Int32Array.from({ length: width }, (_, x) => under(x, steps.width, width));
  for (let y = 0; y < height; y++) {
    const start = under(y, steps.height, height) * steps.width;
    const row = ((y + 0.5) * steps.height) / height - 0.5;
    for (let x = 0; x < width; x++) {
      const number = steps.nearest[start + ofColumn[x]];
      if (number < 0) continue;
      const at = y * width + x;
      const column = ((x + 0.5) * steps.width) / width - 0.5;
      values[at] = cut(values[at], row, column, steps.all[number], steps.width);
    }
  }
}

/** With MARGIN pixels round it: across the seam, and the outermost rows again. */
function padded({ height, width, values }: Plane): Plane {
  const wide = width + 2 * MARGIN;
  const tall = height + 2 * MARGIN;
  const out = new Float32Array(tall * wide);
  for (let y = 0; y < tall; y++) {
    const row = clamped(y - MARGIN, 0, height - 1) * width;
    for (let x = 0; x < wide; x++) out[y * wide + x] = values[row + wrapped(x - MARGIN, width)];
  }
  return { height: tall, width: wide, values: out };
}

/** Weighed over three rows and three columns; the outermost pixels, which nothing reads, are 0. */
function filtered({ height, width, values }: Plane, down: number[], right: number[]): Plane {
  const out = new Float32Array(values.length);
  for (let i = width + 1; i < values.length - width - 1; i++) {
    for (let y = 0; y < 3; y++) {
      if (!down[y]) continue;
      const k = i + (y - 1) * width;
      out[i] += down[y] * (right[0] * values[k - 1] + right[1] * values[k] + right[2] * values[k + 1]);
    }
  }
  return { height, width, values: out };
}

/** Steep places of the padded map but for its margin, the poles and what is no surface. */
function* mayBeSteps(
  inverse: Plane, slopes: Plane[], steepness: Plane, surface: Plane,
): Generator<Place> {
  const { height, width } = inverse;
  for (let row = MARGIN; row < height - MARGIN; row++) {
    const latitudeDeg = ((row - MARGIN + 0.5) / (height - 2 * MARGIN) - 0.5) * 180;
    if (Math.abs(latitudeDeg) > MOST_LATITUDE_DEG) continue;
    for (let column = MARGIN; column < width - MARGIN; column++) {
      const i = row * width + column;
      const steep = steepness.values[i];
      if (!(steep > (LEAST_JUMP / 6) * inverse.values[i]) || !allSurface(surface, i)) continue;
      yield { row, column, down: slopes[0].values[i] / steep, right: slopes[1].values[i] / steep };
    }
  }
}

function allSurface({ width, values }: Plane, at: number): boolean {
  for (let y = -BESIDE; y <= BESIDE; y++) {
    for (let x = -BESIDE; x <= BESIDE; x++) if (!values[at + y * width + x]) return false;
  }
  return true;
}

/** The value so many pixels in the direction of a place. Bilinear. */
function along({ width, values }: Plane, { row, column, down, right }: Place, pixels: number): number {
  const y = row + pixels * down;
  const x = column + pixels * right;
  const i = Math.floor(y) * width + Math.floor(x);
  const part = x - Math.floor(x);
  const upper = values[i] * (1 - part) + values[i + 1] * part;
  const lower = values[i + width] * (1 - part) + values[i + width + 1] * part;
  return upper + (lower - upper) * (y - Math.floor(y));
}

/** down, right, how far on it is cut, far, near, farSlope, nearSlope; null where it is no step. */
function measured(inverse: Plane, place: Place): Float32Array | null {
  const [before, far, back, here, forth, near, after] = [
    -HALF - 1, -HALF, -1, 0, 1, HALF, HALF + 1,
  ].map((pixels) => along(inverse, place, pixels));
  const farSlope = far - before;
  const nearSlope = after - near;
  const steepness = (forth - back) / 2;
  const farHere = far + HALF * farSlope;
  const nearHere = near - HALF * nearSlope;
  const jump = nearHere - farHere;
  if (!(jump > LEAST_JUMP * Math.min(far, near)) || !(jump > LEAST_SHARE * (near - far))) return null;
  if (!(steepness > STEEPER * Math.max(Math.abs(farSlope), Math.abs(nearSlope)))) return null;
  // Where the slope passes the share of the jump at which it is cut.
  const off = clamped((farHere + CUT * jump - here) / Math.max(steepness, 1e-9), -1, 1);
  const surfaces = [farHere + off * farSlope, nearHere + off * nearSlope];
  if (!(Math.min(...surfaces) > 0)) return null;
  return Float32Array.of(place.down, place.right, off, ...surfaces, farSlope, nearSlope);
}

/** Steps of the mean of each one's values and those of steps around that go the same way. */
function evened(measures: Float32Array[], cells: number[], { height, width }: Size): Step[] {
  const numbers = new Int32Array(height * width).fill(-1);
  cells.forEach((cell, number) => (numbers[cell] = number));
  return measures.map((own, number) => {
    const row = Math.floor(cells[number] / width);
    const column = cells[number] % width;
    const total = new Float64Array(own.length);
    let weights = 0;
    for (const y of AROUND) {
      for (const x of AROUND) {
        const other = numbers[clamped(row + y, 0, height - 1) * width + wrapped(column + x, width)];
        if (other < 0) continue;
        const theirs = measures[other];
        if (!(own[0] * theirs[0] + own[1] * theirs[1] > LEAST_ALIKE)) continue;
        const weight = Math.exp(-(y * y + x * x) / 4);
        for (let k = 0; k < total.length; k++) total[k] += weight * theirs[k];
        weights += weight;
      }
    }
    const [toDown, toRight, off, far, near, farSlope, nearSlope] = total.map((sum) => sum / weights);
    const length = Math.hypot(toDown, toRight);
    const [down, right] = [toDown / length, toRight / length];
    const place = { row: row + off * down, column: column + off * right, down, right };
    return { ...place, far, near, farSlope, nearSlope };
  });
}

// The moves to pixels above and before (Borgefors 1986, 5 x 5), and their lengths in whole parts of a
// pixel: which of two steps that are equally near is found must be the same as in Python.
const PARTS = 65536;
const [STRAIGHT, DIAGONAL, KNIGHT] = [1, 1.4, 2.1969].map((pixels) => Math.round(pixels * PARTS));
const MOVES = [
  [-2, -1, KNIGHT], [-2, 1, KNIGHT], [-1, -2, KNIGHT], [-1, -1, DIAGONAL],
  [-1, 0, STRAIGHT], [-1, 1, DIAGONAL], [-1, 2, KNIGHT], [0, -1, STRAIGHT],
];

/** (h, w) number of the nearest of the steps, -1 beyond REACH pixels. */
function nearest(steps: Step[], { height, width }: Size): Int32Array {
  const border = 2; // beyond which no move goes
  const margin = REACH + border;
  const wide = width + 2 * margin;
  const numbers = new Int32Array((height + 2 * border) * wide).fill(-1);
  const away = new Int32Array(numbers.length).fill(1 << 30);
  steps.forEach(({ row, column }, number) => {
    const y = clamped(Math.round(row), 0, height - 1) + border;
    const x = wrapped(Math.round(column), width) + margin;
    for (const copy of [x - width, x, x + width]) {
      if (copy < border || copy >= wide - border) continue;
      numbers[y * wide + copy] = number;
      away[y * wide + copy] = 0;
    }
  });
  for (const sign of [1, -1]) {
    const moves = Int32Array.from(MOVES, ([y, x]) => sign * (y * wide + x));
    const lengths = Int32Array.from(MOVES, ([, , length]) => length);
    for (let row = 0; row < height; row++) {
      const start = ((sign > 0 ? row : height - 1 - row) + border) * wide;
      for (let column = border; column < wide - border; column++) {
        const at = start + (sign > 0 ? column : wide - 1 - column);
        for (let k = 0; k < 8; k++) {
          const other = at + moves[k];
          if (away[other] + lengths[k] >= away[at]) continue;
          away[at] = away[other] + lengths[k];
          numbers[at] = numbers[other];
        }
      }
    }
  }
  const found = numbers.map((number, at) => (away[at] < REACH * PARTS ? number : -1));
  const out = new Int32Array(height * width);
  for (let y = 0; y < height; y++) {
    const start = (y + border) * wide + margin;
    out.set(found.subarray(start, start + width), y * width);
  }
  return out;
}

/** The distance at a place of the map, `width` wide, beside a step. */
function cut(distance: number, row: number, column: number, step: Step, width: number): number {
  const { down, right, far, near, farSlope, nearSlope } = step;
  const y = row - step.row;
  const x = wrapped(column - step.column + width / 2, width) - width / 2;
  const ahead = y * down + x * right;
  const beside = Math.abs(x * down - y * right);
  const on = ahead < 0 ? far + farSlope * ahead : near + nearSlope * ahead;
  const surface = clamped(on, Math.min(far, near) / MOST_PAST, Math.max(far, near) * MOST_PAST);
  const across = clamped((REACH - Math.abs(ahead)) / FADE, 0, 1);
  const weight = across * clamped((PAST_END - beside) / END_FADE, 0, 1);
  return 1 / ((1 - weight) / distance + weight * surface);
}
