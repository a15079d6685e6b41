// A room's surface, rebuilt from the sphere in the vertex shader: no vertex is stored.

import {
  BufferGeometry,
  ClampToEdgeWrapping,
  DataTexture,
  DoubleSide,
  FloatType,
  FrontSide,
  GLSL3,
  Group,
  LinearFilter,
  LinearMipmapLinearFilter,
  Mesh,
  NearestFilter,
  Quaternion,
  RawShaderMaterial,
  RedFormat,
  RepeatWrapping,
  RGBAFormat,
  Texture,
  Vector2,
  Vector3,
} from "three";
import { NOTHING, SKY, type Room, type RoomInfo } from "./room";

export const COLOURS = ["photo", "distance", "normals"] as const;
export type Colour = (typeof COLOURS)[number];

/** What all rooms share; the uniforms of every surface are these objects. */
export const look = {
  uColour: { value: 0 },
  uSplit: { value: -1 }, // [px] from the left: photo left of it, distance right; -1 = none
  uEdge: { value: 0.17 }, // a triangle ends where ln(distance) changes by more from cell to cell
  uCut: { value: 1e9 }, // what is higher is not shown
  uStep: { value: 1 }, // cells of so many distances
  uTable: { value: null as Texture | null },
};

/** Whether surfaces are shown that were guessed behind edges. */
export const guesses = { shown: true };

const VERTEX = /* glsl */ `
precision highp float;
precision highp int;
precision highp sampler2D;
uniform mat4 modelMatrix, viewMatrix, projectionMatrix;
uniform sampler2D uDistance;
uniform ivec2 uGrid;
uniform vec2 uFirst, uFull, uPoles;
uniform float uStride, uEdge, uSky;
uniform int uStep, uColour;
out vec2 vUv;
out vec3 vWorld, vNormal;
out float vDistance;
flat out int vIsSky;

const ivec2 CORNERS[6] =
  ivec2[6](ivec2(0, 0), ivec2(0, 1), ivec2(1, 0), ivec2(1, 0), ivec2(0, 1), ivec2(1, 1));

// Row -1 and row uGrid.y are the poles; column uGrid.x is the first one again.
float distanceAt(ivec2 at) {
  if (at.y < 0) return uPoles.x;
  if (at.y >= uGrid.y) return uPoles.y;
  return texelFetch(uDistance, ivec2(at.x % uGrid.x, at.y), 0).r;
}

vec2 uvAt(ivec2 at) {
  float turn = at.x >= uGrid.x ? 1.0 : 0.0;
  vec2 uv = (vec2(at.x % uGrid.x, at.y) * uStride + uFirst + 0.5) / uFull + vec2(turn, 0);
  if (at.y < 0) uv.y = 0.0;
  if (at.y >= uGrid.y) uv.y = 1.0;
  return uv;
}

// x right, y up, z back
vec3 rayAt(vec2 uv) {
  float lon = (uv.x - 0.5) * 6.283185307179586, lat = (uv.y - 0.5) * 3.141592653589793;
  return vec3(cos(lat) * sin(lon), -sin(lat), -cos(lat) * cos(lon));
}

vec3 pointAt(ivec2 at, float otherwise) {
  at = ivec2((at.x + uGrid.x) % uGrid.x, clamp(at.y, 0, uGrid.y - 1));
  float d = distanceAt(at);
  return rayAt(uvAt(at)) * (d > 0.0 ? d : otherwise);
}

ivec2 vertex(ivec2 cell, int corner, int lines) {
  ivec2 at = cell + CORNERS[corner];
  int row = at.y == 0 ? -1 : at.y > lines ? uGrid.y : (at.y - 1) * uStep;
  return ivec2(min(at.x * uStep, uGrid.x), row);
}

void main() {
  int across = (uGrid.x + uStep - 1) / uStep, lines = (uGrid.y + uStep - 1) / uStep;
  int number = gl_VertexID / 6, corner = gl_VertexID % 6, first = corner < 3 ? 0 : 3;
  ivec2 cell = ivec2(number % across, number / across);
  float d[3];
  float low = 1e30, high = -1e30;
  for (int i = 0; i < 3; i++) {
    d[i] = distanceAt(vertex(cell, first + i, lines));
    low = min(low, d[i]);
    high = max(high, d[i]);
  }
  // From inside no gap may open: what borders on sky is sky, and a cut triangle is drawn as a piece
  // of what lies behind it.
  bool inside = uSky > 0.0, sky = inside && low < 0.0;
  bool whole = low > 0.0 && log(high / low) <= uEdge * float(uStep);
  bool surface = whole || (inside && low > 0.0);
  ivec2 at = vertex(cell, corner, lines);
  vUv = uvAt(at);
  vIsSky = sky ? 1 : 0;
  vDistance = sky ? uSky : whole ? d[corner - first] : high;
  vec3 point = rayAt(vUv) * vDistance;
  vNormal = vec3(0);
  if (uColour == 2 && surface) {
    vec3 n = cross(pointAt(at + ivec2(0, 2), vDistance) - pointAt(at - ivec2(0, 2), vDistance),
                   pointAt(at + ivec2(2, 0), vDistance) - pointAt(at - ivec2(2, 0), vDistance));
    vNormal = (dot(n, point) > 0.0 ? -n : n) / max(length(n), 1e-20);
  }
  vec4 world = modelMatrix * vec4(point, 1);
  vWorld = world.xyz;
  gl_Position = sky || surface ? projectionMatrix * viewMatrix * world : vec4(2, 2, 2, 1);
}`;

const FRAGMENT = /* glsl */ `
precision highp float;
precision highp int;
uniform sampler2D uPhoto, uTable;
uniform int uColour;
uniform float uSplit, uCut;
uniform vec2 uRange;
in vec2 vUv;
in vec3 vWorld, vNormal;
in float vDistance;
flat in int vIsSky;
out vec4 colour;

void main() {
  if (vWorld.y > uCut) discard;
  bool left = gl_FragCoord.x < uSplit;
  vec3 photo = texture(uPhoto, vUv).rgb;
  int kind = uSplit >= 0.0 ? (left ? 0 : 1) : uColour;
  if (kind == 0) {
    colour = vec4(photo, 1);
  } else if (vIsSky == 1) {
    colour = vec4(vec3(0.47), 1);
  } else if (kind == 1) {
    float far = clamp((log(vDistance) - uRange.x) / max(uRange.y - uRange.x, 1e-6), 0.0, 1.0);
    colour = vec4(texture(uTable, vec2((far * 255.0 + 0.5) / 256.0, 0.5)).rgb, 1);
  } else {
    colour = vec4(normalize(vNormal) * 0.5 + 0.5, 1);
  }
}`;

export class Surface {
  readonly group = new Group();
  readonly mesh: Mesh<BufferGeometry, RawShaderMaterial>;
  readonly room: Room;
  /** what nearer things hide, as far as it was guessed */
  private readonly behind: Mesh<BufferGeometry, RawShaderMaterial> | null;

  constructor(room: Room, anisotropy: number) {
    this.room = room;
    const { info } = room;
    this.mesh = sphere(room, anisotropy);
    this.behind = room.behind ? sphere(room.behind, anisotropy) : null;
    this.group.add(this.mesh, ...(this.behind ? [this.behind] : []));
    const { place, up } = info;
    const level = new Quaternion().setFromUnitVectors(
      new Vector3(up[0], -up[1], -up[2]).normalize(),
      new Vector3(0, 1, 0),
    );
    const yaw = place ? (-place.yaw_deg * Math.PI) / 180 : 0;
    this.group.quaternion.setFromAxisAngle(new Vector3(0, 1, 0), yaw).multiply(level);
    if (place) {
      const [x, y, z] = place.position;
      this.group.position.set(x, -y, -z);
      this.group.scale.setScalar(place.scale);
    }
    this.group.updateMatrixWorld();
  }

  /** Before a frame. inside: seen from the camera's place, with the sky, and both sides of walls;
   * from outside the walls in front are not drawn. */
  prepare(inside: boolean): void {
    show(this.mesh, this.room.info, inside);
    this.mesh.material.uniforms.uSky.value = inside ? 1.5 * this.room.info.far : 0;
    if (this.behind && this.room.behind) {
      // Its own gaps stay open: what is in front of them is drawn.
      show(this.behind, this.room.behind.info, inside);
      this.behind.visible = guesses.shown;
    }
  }
}

function show(mesh: Mesh<BufferGeometry, RawShaderMaterial>, info: RoomInfo, inside: boolean) {
  const step = look.uStep.value;
  const cells = Math.ceil(info.columns / step) * (Math.ceil(info.rows / step) + 1);
  mesh.geometry.setDrawRange(0, 6 * cells);
  mesh.material.side = inside ? DoubleSide : FrontSide;
}

function sphere(room: Room, anisotropy: number): Mesh<BufferGeometry, RawShaderMaterial> {
  const { info } = room;
  const grid = new DataTexture(room.distance, info.columns, info.rows, RedFormat, FloatType);
  grid.needsUpdate = true;
  const uniforms = {
    ...look,
    uDistance: { value: grid },
    uPhoto: { value: photoTexture(room.photo, anisotropy) },
    uGrid: { value: new Vector2(info.columns, info.rows) },
    uFirst: { value: new Vector2(...info.first) },
    uFull: { value: new Vector2(info.width, info.height) },
    uStride: { value: info.stride },
    uPoles: { value: new Vector2(pole(room, 0), pole(room, info.rows - 1)) },
    uSky: { value: 0 },
    uRange: { value: new Vector2(Math.log(info.colours[0]), Math.log(info.colours[1])) },
  };
  const material = new RawShaderMaterial({
    glslVersion: GLSL3,
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    uniforms,
    side: DoubleSide,
  });
  const mesh = new Mesh(new BufferGeometry(), material);
  mesh.frustumCulled = false;
  return mesh;
}

/** The mean distance of a row, where most of it is a surface. */
function pole(room: Room, row: number): number {
  const { columns } = room.info;
  const values = [...room.distance.subarray(row * columns, (row + 1) * columns)];
  const known = values.filter((d) => d > 0);
  if (2 * known.length > columns) return known.reduce((a, b) => a + b) / known.length;
  return 2 * values.filter((d) => d === SKY).length > columns ? SKY : NOTHING;
}

function photoTexture(photo: ImageBitmap, anisotropy: number): Texture {
  const texture = new Texture(photo);
  texture.flipY = false;
  texture.wrapS = RepeatWrapping;
  texture.minFilter = LinearMipmapLinearFilter;
  texture.anisotropy = anisotropy;
  texture.needsUpdate = true;
  return texture;
}

export function tableTexture(rgb: Uint8Array): Texture {
  const rgba = new Uint8Array(4 * 256).fill(255);
  for (let i = 0; i < 256; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  const texture = new DataTexture(rgba, 256, 1, RGBAFormat);
  texture.magFilter = LinearFilter;
  texture.minFilter = NearestFilter;
  texture.wrapS = ClampToEdgeWrapping;
  texture.needsUpdate = true;
  return texture;
}
