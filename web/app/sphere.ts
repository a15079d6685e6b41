// What Python's geometry/resizing.py and predict/predictor.py do to a picture and its distances.

export interface Size {
  height: number;
  width: number;
}

/** Values on a panorama's grid, row by row. */
export interface Plane extends Size {
  values: Float32Array;
}

export const clamped = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));
export const wrapped = (value: number, length: number) => ((value % length) + length) % length;
/** The pixel, of `length`, under the centre of a place among `of`. */
export const under = (place: number, length: number, of: number) =>
  Math.floor(((2 * place + 1) * length) / (2 * of));

interface Taps {
  index: number[][];
  weights: number[][];
}

/** For each of `count` new pixels along an axis of `length`: a triangle one old pixel wide to both
 * sides, or as wide as the ratio where it shrinks. cut: nothing lies beyond the border. */
function taps(length: number, count: number, cut: boolean): Taps {
  const scale = length / count;
  const support = Math.max(scale, 1);
  const found: Taps = { index: [], weights: [] };
  for (let i = 0; i < count; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.floor(centre - support + 0.5);
    const index = Array.from({ length: Math.ceil(2 * support) }, (_, k) => first + k);
    const raw = index.map((at) => {
      const inside = !cut || (at >= 0 && at < length);
      return inside ? Math.max(0, 1 - Math.abs(at + 0.5 - centre) / support) : 0;
    });
    const total = raw.reduce((a, b) => a + b);
    found.index.push(index);
    found.weights.push(raw.map((weight) => weight / total));
  }
  return found;
}

function rows(plane: Plane, height: number, cut: boolean): Plane {
  const { width, values } = plane;
  const { index, weights } = taps(plane.height, height, cut);
  const out = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    index[y].forEach((at, k) => {
      const weight = weights[y][k];
      if (!weight) return;
      // Over a pole the picture goes on half a turn away.
      const beyond = at < 0 || at >= plane.height;
      const row = at < 0 ? -1 - at : at >= plane.height ? 2 * plane.height - 1 - at : at;
      const turn = beyond ? width >> 1 : 0;
      for (let x = 0; x < width; x++) {
        out[y * width + x] += weight * values[row * width + ((x + turn) % width)];
      }
    });
  }
  return { height, width, values: out };
}

function columns(plane: Plane, width: number, cut: boolean): Plane {
  const { height, values } = plane;
  const { index, weights } = taps(plane.width, width, cut);
  const out = new Float32Array(height * width);
  for (let x = 0; x < width; x++) {
    index[x].forEach((at, k) => {
      const weight = weights[x][k];
      const column = ((at % plane.width) + plane.width) % plane.width;
      for (let y = 0; y < height; y++) {
        out[y * width + x] += weight * values[y * plane.width + column];
      }
    });
  }
  return { height, width, values: out };
}

/** A panorama at another size, closed over the seam and the poles unless `cut`. Widths are even. */
export function resize(plane: Plane, size: Size, cut: boolean): Plane {
  const rowsFirst = size.height < plane.height;
  const tall = (p: Plane) => (p.height === size.height ? p : rows(p, size.height, cut));
  const wide = (p: Plane) => (p.width === size.width ? p : columns(p, size.width, cut));
  return rowsFirst ? wide(tall(plane)) : tall(wide(plane));
}

/** To the nearest whole number; of two, the even one or the larger. */
function rounded(value: number, even: boolean): number {
  const nearest = Math.round(value);
  return even && nearest - value === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

/** The mean of whole k x k boxes, in 8 bits, while both sides stay at or above the least: what
 * Python's `ImageData.shrunk` does. OpenCV rounds halves up in boxes of 2 x 2, else to even. */
export function shrunk(plane: Plane, least: Size): Plane {
  const { height, width, values } = plane;
  let k = Math.max(1, Math.floor(Math.min(height / least.height, width / least.width)));
  while (height % k || width % k) k--;
  if (k === 1) return plane;
  const out = new Float32Array((height / k) * (width / k));
  for (let y = 0; y < height; y++) {
    const start = Math.floor(y / k) * (width / k);
    for (let x = 0; x < width; x++) out[start + Math.floor(x / k)] += 255 * values[y * width + x];
  }
  const share = Math.fround(1 / (k * k));
  out.forEach((sum, i) => (out[i] = rounded(Math.fround(Math.round(sum) * share), k > 2) / 255));
  return { height: height / k, width: width / k, values: out };
}

const REACH = Math.PI / 6; // from a pole: rows beyond stay as they are
const BLUR = 3; // pixels of the equator, at the pole

/** What distances at the poles cannot mean, in place: the package's `geometry.poles`. */
export function settlePoles({ height, width, values }: Plane): void {
  levelZenith({ height, width, values });
  const circle = Array.from({ length: width }, (_, x) => Math.min(x, width - x));
  for (let y = 0; y < height; y++) {
    const polar = ((y + 0.5) * Math.PI) / height;
    const narrow = 1 / Math.sin(polar) ** 2 - 1 / Math.sin(REACH) ** 2;
    if (narrow <= 0) continue;
    const weights = circle.map((away) => Math.exp(-(away ** 2) / (2 * BLUR ** 2 * narrow)));
    const total = weights.reduce((sum, w) => sum + w, 0);
    const logs = Array.from(values.subarray(y * width, (y + 1) * width), Math.log);
    for (let x = 0; x < width; x++) {
      const sum = logs.reduce((s, log, i) => s + log * weights[(i - x + width) % width], 0);
      values[y * width + x] = Math.exp(sum / total);
    }
  }
}

/** The top row gets the height of the row below it, in place. */
function levelZenith({ height, width, values }: Plane): void {
  if (height < 4) return;
  const half = Math.PI / 2 / height;
  const ratio = Math.cos(3 * half) / Math.cos(half);
  for (let x = 0; x < width; x++) values[x] = values[width + x] * ratio;
}

/** The value below which a share `q` of the values lies, linear between them. */
export function quantile(values: Float32Array, q: number): number {
  const sorted = values.slice().sort();
  const place = q * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}
