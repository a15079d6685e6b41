// How large a room is, and whether it has a ceiling: from a thinned set of its points.

import { Vector3 } from "three";
import type { Extent } from "./views";
import type { Surface } from "./surface";

const SAMPLES = 4000;
const MOST = 0.9; // of the points lie within the radius; a street runs on

export interface Measured extends Extent {
  /** heights in the world; the ceiling's is null in the open */
  floor: number;
  ceiling: number | null;
  top: number;
}

export function measure(surfaces: Surface[]): Measured {
  const points: Vector3[] = [];
  const above: number[] = [];
  let looksUp = 0;
  for (const surface of surfaces) {
    const { info, distance } = surface.room;
    const step = Math.max(1, Math.round(Math.sqrt((info.rows * info.columns) / SAMPLES)));
    for (let y = step >> 1; y < info.rows; y += step) {
      const lat = ((y * info.stride + info.first[1] + 0.5) / info.height - 0.5) * Math.PI;
      // Fewer toward the poles, where pixels are narrow.
      const along = Math.max(1, Math.round(step / Math.max(Math.cos(lat), 1 / info.columns)));
      for (let x = 0; x < info.columns; x += along) {
        const up = lat < -Math.PI / 4;
        looksUp += up ? 1 : 0;
        const d = distance[y * info.columns + x];
        if (!(d > 0)) continue;
        const lon = ((x * info.stride + info.first[0] + 0.5) / info.width - 0.5) * 2 * Math.PI;
        const ray = [Math.cos(lat) * Math.sin(lon), -Math.sin(lat), -Math.cos(lat) * Math.cos(lon)];
        const p = new Vector3(...ray).multiplyScalar(d).applyMatrix4(surface.group.matrixWorld);
        points.push(p);
        if (up) above.push(p.y);
      }
    }
  }
  const eye = surfaces[0].group.position.clone();
  if (!points.length) return { centre: eye, radius: 1, eye, floor: -1, ceiling: null, top: 1 };
  const axes = (["x", "y", "z"] as const).map((axis) => sorted(points.map((p) => p[axis])));
  const [low, high] = [0.03, 0.97].map((q) => new Vector3(...axes.map((v) => quantile(v, q))));
  const centre = low.clone().add(high).multiplyScalar(0.5);
  const radius = quantile(sorted(points.map((p) => p.distanceTo(centre))), MOST);
  const floor = quantile(axes[1], 0.01);
  const covered = above.length > 0.6 * looksUp;
  const ceiling = covered ? quantile(sorted(above), 0.5) : null;
  return { centre, radius, eye, floor, ceiling, top: quantile(axes[1], 0.995) };
}

const sorted = (values: number[]) => Float64Array.from(values).sort();
const quantile = (values: Float64Array, q: number) => values[Math.round(q * (values.length - 1))];
