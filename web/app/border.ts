// What Python's predict/sky/border.py does: the sky's border goes where the picture has it, by the
// colours of the sky and of what is before it. Its constants and functions have the same names here;
// why each is as it is, stands there.

import { clamped, resize, shrunk, under, wrapped, type Plane, type Size } from "./sphere";

const MOST_ROWS = 512;
const CELL_ROWS = 128;
const REACH = 3;
const SURE = 1;
const LEAST_SHARE = 0.02;
const LEAST_VARIANCE = 4e-3;
const MOST = 6;

/** What the pixels of one side look like in the neighbourhood of each cell. */
interface Colours {
  /** of all pixels */
  share: Float32Array;
  /** of each channel */
  mean: Float32Array[];
  /** of one channel */
  variance: Float32Array;
}

/** The logit at the picture's size, > 0 = sky, with what the picture's colours add. planes: red,
 * green, blue. The page has no masks: all pixels are seen. */
export function alongPicture(logit: Plane, planes: Plane[]): Plane {
  const height = Math.min(logit.height, MOST_ROWS);
  const size = { height, width: Math.max(1, Math.floor((logit.width * height) / logit.height)) };
  const image = planes.map((plane) => resize(shrunk(plane, size), size, false));
  const added = resize(byColour(image, nearest(logit, size)), logit, false);
  return { ...logit, values: logit.values.map((value, i) => value + added.values[i]) };
}

/** At another size, the pixel under the centre of each new one: `resize_erp(mode="nearest")`. */
function nearest(plane: Plane, { height, width }: Size): Plane {
  const ofColumn = Int32Array.from({ length: width }, (_, x) => under(x, plane.width, width));
  const values = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const start = under(y, plane.height, height) * plane.width;
    for (let x = 0; x < width; x++) values[y * width + x] = plane.values[start + ofColumn[x]];
  }
  return { height, width, values };
}

/** What colours add to a logit of their size. */
function byColour(image: Plane[], logit: Plane): Plane {
  const { height, width } = logit;
  const cell = Math.max(1, Math.floor(height / CELL_ROWS));
  const cells = { height: Math.ceil(height / cell), width: Math.ceil(width / cell) };
  const step = Math.max(1, cell >> 1);
  const few = image.map((plane) => every(plane, step));
  const said = every(logit, step);
  const side = (has: (value: number) => boolean) => said.values.map((value) => (has(value) ? 1 : 0));
  const sky = colours(few, side((value) => value > SURE), cells);
  const surface = colours(few, side((value) => value < -SURE), cells);
  const both = sky.share.map((share, i) => Number(Math.min(share, surface.share[i]) > LEAST_SHARE));
  const values = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const place = Math.floor(y / cell) * cells.width + Math.floor(x / cell);
      if (!both[place] || !(Math.abs(logit.values[i]) < MOST)) continue;
      const more = unlikeness(surface, image, i, place) - unlikeness(sky, image, i, place);
      values[i] = clamped(more, -MOST, MOST);
    }
  }
  return { height, width, values };
}

/** Every so many-th pixel of every so many-th row. */
function every({ height, width, values }: Plane, step: number): Plane {
  const few = { height: Math.ceil(height / step), width: Math.ceil(width / step) };
  const at = (i: number) => Math.floor(i / few.width) * step * width + (i % few.width) * step;
  return { ...few, values: Float32Array.from({ length: few.height * few.width }, (_, i) => values[at(i)]) };
}

/** Half the negative log likelihood of a pixel's colour in a cell. */
function unlikeness({ mean, variance }: Colours, image: Plane[], pixel: number, cell: number): number {
  let square = 0;
  for (let k = 0; k < 3; k++) square += (image[k].values[pixel] - mean[k][cell]) ** 2;
  return (0.5 / variance[cell]) * square + 1.5 * Math.log(variance[cell]);
}

/** Of one side, where it is 1, in so many cells. */
function colours(image: Plane[], side: Float32Array, cells: Size): Colours {
  const near = (values: Float32Array) => nearby({ ...image[0], values }, cells);
  const seen = image.map(({ values }) => values.map((value, i) => value * side[i]));
  const squares = side.map((_, i) => seen[0][i] ** 2 + seen[1][i] ** 2 + seen[2][i] ** 2);
  const share = near(side);
  const count = share.map((value) => Math.max(value, 1e-6));
  const mean = seen.map((values) => near(values).map((sum, i) => sum / count[i]));
  const variance = near(squares).map((square, i) => {
    const ofMean = mean[0][i] ** 2 + mean[1][i] ** 2 + mean[2][i] ** 2;
    return Math.max(square / count[i] - ofMean, 0) / 3 + LEAST_VARIANCE;
  });
  return { share, mean, variance };
}

/** The mean over the neighbourhood of each of so many cells; the outermost rows count again. */
function nearby(layer: Plane, cells: Size): Float32Array {
  const { height, width } = cells;
  const small = boxes(layer, cells);
  const around = Array.from({ length: 2 * REACH + 1 }, (_, k) => k - REACH);
  const mean = (sum: (k: number) => number) => around.reduce((s, k) => s + sum(k), 0) / around.length;
  const wide = small.map((_, i) => {
    const x = i % width;
    return mean((k) => small[i - x + wrapped(x + k, width)]);
  });
  return wide.map((_, i) => {
    const y = Math.floor(i / width);
    return mean((k) => wide[i + (clamped(y + k, 0, height - 1) - y) * width]);
  });
}

/** The mean over the box of each of fewer pixels: OpenCV's INTER_AREA. */
function boxes({ height, width, values }: Plane, few: Size): Float32Array {
  const down = shares(height, few.height);
  const right = shares(width, few.width);
  const out = new Float32Array(few.height * few.width);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (const [row, part] of down[Math.floor(i / few.width)]) {
      for (const [column, share] of right[i % few.width]) sum += part * share * values[row * width + column];
    }
    out[i] = sum;
  }
  return out;
}

/** The pixels of an axis of `length` that each of `count` new ones covers, and their shares of it. */
function shares(length: number, count: number): [number, number][][] {
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = [(i * length) / count, ((i + 1) * length) / count];
    const first = Math.floor(start);
    return Array.from({ length: Math.ceil(end) - first }, (_, k) => {
      const covered = Math.min(end, first + k + 1) - Math.max(start, first + k);
      return [first + k, covered / (end - start)] as [number, number];
    });
  });
}
