// Where a ray meets a room's surface, without the graphics card: along the ray, what is nearer to
// the camera's place than the distance in that direction is in front of the surface.

import { Matrix4, Vector3 } from "three";
import { look, type Surface } from "./surface";

export interface Hit {
  /** in the world */
  point: Vector3;
  /** from the place of the room's camera, along the panorama's ray, in the prediction's unit */
  distance: number;
  /** of that ray in the panorama [deg], right and up positive */
  right: number;
  up: number;
  surface: Surface;
}

const DEGREES = 180 / Math.PI;
const BISECTIONS = 24;

/** The first hit of a ray in the world. bothSides: as inside, where backs of walls count too. */
export function hit(
  surface: Surface,
  origin: Vector3,
  direction: Vector3,
  bothSides: boolean,
): Hit | null {
  const toLocal = new Matrix4().copy(surface.group.matrixWorld).invert();
  const o = origin.clone().applyMatrix4(toLocal);
  const d = direction.clone().transformDirection(toLocal);
  if (o.length() < 1e-4 * surface.room.info.near) {
    const found = distanceIn(surface, d, bothSides);
    return found > 0 ? visible(surface, d.multiplyScalar(found)) : null;
  }
  // The angle along the ray as the camera's place sees it: tan(angle) = (t - nearest) / aside.
  const nearest = -o.dot(d);
  const aside = Math.max(Math.sqrt(Math.max(o.lengthSq() - nearest * nearest, 0)), 1e-7);
  const step = (2 * Math.PI) / surface.room.info.columns;
  const at = (angle: number) =>
    o.clone().addScaledVector(d, Math.max(0, nearest + aside * Math.tan(angle)));
  /** > 0 behind the surface, < 0 in front of it, NaN where there is none */
  const behind = (angle: number): number => {
    const p = angle >= Math.PI / 2 - 1e-9 ? d.clone().multiplyScalar(1e12) : at(angle);
    const found = distanceIn(surface, p, bothSides);
    return found > 0 ? p.length() - found : NaN;
  };
  let angle = Math.atan(-nearest / aside);
  let was = behind(angle);
  while (angle < Math.PI / 2 - 1e-9) {
    const next = Math.min(angle + step, Math.PI / 2);
    const is = behind(next);
    if ((was < 0 && is >= 0) || (bothSides && was > 0 && is <= 0)) {
      let [low, high] = [angle, next];
      for (let i = 0; i < BISECTIONS; i++) {
        const middle = (low + high) / 2;
        const there = behind(middle);
        if (Number.isNaN(there) || there >= 0 === is >= 0) high = middle;
        else low = middle;
      }
      const found = visible(surface, at(low));
      if (found) return found;
    }
    [angle, was] = [next, is];
  }
  return null;
}

/** A point of the room's own frame as a hit, unless it is cut away. */
function visible(surface: Surface, local: Vector3): Hit | null {
  const point = local.clone().applyMatrix4(surface.group.matrixWorld);
  if (point.y > look.uCut.value) return null;
  const distance = local.length();
  const right = Math.atan2(local.x, -local.z) * DEGREES;
  return { point, distance, right, up: Math.asin(local.y / distance) * DEGREES, surface };
}

/** The distance in the direction of a point (x right, y up, z back); 0 where no surface is drawn.
 * Its inverse is interpolated, which is exact on planes but for the grid's bend. filled: a cut edge
 * is as far as what lies behind it, as it is drawn inside. */
function distanceIn(surface: Surface, p: Vector3, filled: boolean): number {
  const { info, distance } = surface.room;
  const lon = Math.atan2(p.x, -p.z);
  const lat = Math.asin(Math.min(1, Math.max(-1, -p.y / p.length())));
  const u = ((lon / (2 * Math.PI) + 0.5) * info.width - 0.5 - info.first[0]) / info.stride;
  const v = ((lat / Math.PI + 0.5) * info.height - 0.5 - info.first[1]) / info.stride;
  const clamped = Math.min(Math.max(v, 0), info.rows - 1);
  const x = Math.floor(u);
  const y = Math.min(Math.floor(clamped), Math.max(0, info.rows - 2));
  const [fx, fy] = [u - x, clamped - y];
  let [inverse, low, high] = [0, Infinity, 0];
  for (let i = 0; i < 4; i++) {
    const column = (((x + (i & 1)) % info.columns) + info.columns) % info.columns;
    const row = Math.min(y + (i >> 1), info.rows - 1);
    const found = distance[row * info.columns + column];
    if (!(found > 0)) return 0;
    low = Math.min(low, found);
    high = Math.max(high, found);
    inverse += (i & 1 ? fx : 1 - fx) * (i >> 1 ? fy : 1 - fy) * (1 / found);
  }
  if (Math.log(high / low) <= look.uEdge.value) return 1 / inverse;
  return filled ? high : 0;
}
