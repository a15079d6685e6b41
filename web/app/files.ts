// The files that the page offers: the viewer's page, arrays, and the point cloud.

import type { Distances } from "./network";
import { quantile } from "./sphere";

const MESH_COLUMNS = 720; // vertices round the equator at most
const CUT_RATIO = 1.3; // of the distances of a triangle's corners
const [NEAREST, FARTHEST, SKY] = [1, 65534, 65535]; // codes, as export/html/packing.py has them

const FRAME = "x right, y down, z forward";

/** Distances as files hold them. */
export interface Sized extends Distances {
  unit: "m" | "relative";
}

/** perUnit: metres for one of the network's units; NaN = nobody knows. */
export function sized(found: Distances, perUnit: number): Sized {
  if (!(perUnit > 0)) return { ...found, unit: "relative" };
  const values = found.distance.values.map((value) => value * perUnit);
  return { ...found, distance: { ...found.distance, values }, unit: "m" };
}

/** What a file says of its distances, in the words of `predict`'s, so that `view` and `align` take it. */
const meta = (unit: string) =>
  JSON.stringify({
    ...{ generator: "panodepth", quantity: "Euclidean distance along the ray", unit, frame: FRAME },
    prediction: { backend: "browser", quality: "standard" },
  });

export interface Picture {
  name: string;
  /** (H, W, 4) */
  pixels: Uint8ClampedArray;
  jpeg: Blob;
}

/** `panodepth view`'s page of one room, before and after what depends on the unit. */
export interface View {
  before: Blob;
  room: Record<string, unknown> & { near: number; far: number; colours: number[]; width: number; height: number };
  after: Blob;
}

/** template: viewer.html. table: (256, 3) colours, base64. */
export async function viewOf(
  template: string,
  table: string,
  picture: Picture,
  { distance, sky }: Distances,
): Promise<View> {
  const { width, height, values } = distance;
  const known = values.filter((_, i) => !sky[i]);
  const near = known.reduce((a, b) => Math.min(a, b), Infinity);
  const far = Math.max(known.reduce((a, b) => Math.max(a, b), 0), near * 1.001);
  const room = {
    ...{ name: picture.name, width, height, columns: width, rows: height, stride: 1, first: [0, 0] },
    ...{ near, far, up: [0, -1, 0], place: null },
    colours: [quantile(known, 0.01), quantile(known, 0.99)],
  };
  const packed = await base64(await deflated(planes(distance.values, sky, width, near, far)));
  const parts = Object.entries({ table, "distance-0": packed, "photo-0": await base64(picture.jpeg) }).map(
    ([id, text]) => `<script type="text/plain" id="${id}">${text}</script>`,
  );
  const [before, after] = template.split("<!--rooms-->");
  return { before: new Blob([before]), room, after: new Blob([parts.join("\n"), after]) };
}

/** perUnit: as for `sized`. */
export function pageOf({ before, room, after }: View, perUnit: number): Blob {
  const metres = perUnit > 0;
  const scale = metres ? perUnit : 1;
  const scaled = {
    ...room,
    ...{ near: room.near * scale, far: room.far * scale, colours: room.colours.map((c) => c * scale) },
    unit: metres ? "m" : "relative",
    about: `${room.width} × ${room.height} · ${metres ? "metres by a given length" : "relative distances"} · in this browser`,
  };
  const json = JSON.stringify([scaled]).replace(/</g, "\\u003c");
  const told = `<script type="application/json" id="rooms">${json}</script>\n`;
  return new Blob([before, told, after], { type: "text/html" });
}

function planes(values: Float32Array, sky: Uint8Array, width: number, near: number, far: number) {
  const steps = (FARTHEST - NEAREST) / Math.log(far / near);
  const codes = Uint16Array.from(values, (d, i) =>
    sky[i] ? SKY : Math.min(FARTHEST, Math.round(Math.log(d / near) * steps) + NEAREST),
  );
  const count = values.length;
  const out = new Uint8Array(2 * count);
  for (let i = 0; i < count; i++) {
    const x = i % width;
    const left = x ? codes[i - 1] : 0;
    const above = i >= width ? codes[i - width] : 0;
    const both = x && i >= width ? codes[i - width - 1] : 0;
    const rest = codes[i] - left - above + both;
    [out[i], out[count + i]] = [rest & 255, (rest >> 8) & 255];
  }
  return out;
}

async function deflated(bytes: Uint8Array<ArrayBuffer>): Promise<Blob> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Response(stream).blob();
}

async function base64(blob: Blob): Promise<string> {
  const reader = new FileReader();
  const done = new Promise((resolve) => (reader.onload = resolve));
  reader.readAsDataURL(blob);
  await done;
  return (reader.result as string).split(",")[1];
}

/** NumPy's archive of `distance` float32 and `mask`, `sky` bool, (H, W) each, and `meta`, JSON. */
export function npz({ distance, sky, unit }: Sized): Blob {
  const { height, width, values } = distance;
  const shape = `(${height}, ${width})`;
  const mask = sky.map((is) => 1 - is);
  const said = Uint32Array.from(meta(unit), (letter) => letter.charCodeAt(0)); // UTF-32
  const entries: [string, Uint8Array][] = [
    ["distance.npy", npy("<f4", shape, new Uint8Array(values.buffer))],
    ["mask.npy", npy("|b1", shape, mask)],
    ["sky.npy", npy("|b1", shape, sky)],
    ["meta.npy", npy(`<U${said.length}`, "()", new Uint8Array(said.buffer))],
  ];
  return zip(entries);
}

function npy(kind: string, shape: string, content: Uint8Array): Uint8Array {
  const said = `{'descr': '${kind}', 'fortran_order': False, 'shape': ${shape}, }`;
  const length = 64 * Math.ceil((10 + said.length + 1) / 64) - 10;
  const header = new TextEncoder().encode(said.padEnd(length - 1) + "\n");
  return joined([
    Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, length & 255, length >> 8),
    header,
    content,
  ]);
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  return out;
}

/** A ZIP archive without compression (PKWARE's APPNOTE, 4.3). */
function zip(entries: [string, Uint8Array][]): Blob {
  const files: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const [name, content] of entries) {
    const title = new TextEncoder().encode(name);
    const common = numbers([20, 2], [0, 2], [0, 2], [0, 2], [0x21, 2], [crc32(content), 4],
      [content.length, 4], [content.length, 4], [title.length, 2], [0, 2]);
    const local = joined([numbers([0x04034b50, 4]), common, title, content]);
    const rest = numbers([0, 2], [0, 2], [0, 2], [0, 4], [at, 4]);
    central.push(joined([numbers([0x02014b50, 4], [20, 2]), common, rest, title]));
    files.push(local);
    at += local.length;
  }
  const directory = joined(central);
  const count = entries.length;
  const end = numbers([0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2],
    [directory.length, 4], [at, 4], [0, 2]);
  return new Blob([joined([...files, directory, end])]);
}

/** Little-endian numbers of so many bytes. */
function numbers(...given: [number, number][]): Uint8Array {
  const bytes = given.flatMap(([value, size]) =>
    Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) & 255),
  );
  return Uint8Array.from(bytes);
}

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return (crc ^ -1) >>> 0;
}

/** OpenEXR, not compressed: Y, the distance, 1e10 in the sky, and A, 1 where a surface is. */
export function exr({ distance, sky, unit }: Sized): Blob {
  const { height, width, values } = distance;
  const text = new TextEncoder();
  const entry = (name: string, kind: string, content: Uint8Array) =>
    joined([text.encode(`${name}\0${kind}\0`), numbers([content.length, 4]), content]);
  const float = (...given: number[]) => new Uint8Array(Float32Array.from(given).buffer);
  const channel = (name: string) => joined([text.encode(`${name}\0`), numbers([2, 4], [0, 4], [1, 4], [1, 4])]);
  const window = numbers([0, 4], [0, 4], [width - 1, 4], [height - 1, 4]);
  const header = joined([
    numbers([20000630, 4], [2, 4]),
    entry("channels", "chlist", joined([channel("A"), channel("Y"), Uint8Array.of(0)])),
    entry("compression", "compression", Uint8Array.of(0)),
    entry("dataWindow", "box2i", window),
    entry("displayWindow", "box2i", window),
    entry("lineOrder", "lineOrder", Uint8Array.of(0)),
    entry("pixelAspectRatio", "float", float(1)),
    entry("screenWindowCenter", "v2f", float(0, 0)),
    entry("screenWindowWidth", "float", float(1)),
    ...Object.entries({ panodepth: meta(unit), unit }).map(([name, said]) => entry(name, "string", text.encode(said))),
    Uint8Array.of(0),
  ]);
  const line = 8 + 8 * width;
  const first = header.length + 8 * height;
  const rows = new DataView(new ArrayBuffer(height * (8 + line)));
  for (let y = 0; y < height; y++) {
    rows.setBigUint64(8 * y, BigInt(first + y * line), true);
    const at = 8 * height + y * line;
    rows.setInt32(at, y, true);
    rows.setInt32(at + 4, 8 * width, true);
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      rows.setFloat32(at + 8 + 4 * x, sky[i] ? 0 : 1, true);
      rows.setFloat32(at + 8 + 4 * (width + x), sky[i] ? 1e10 : values[i], true);
    }
  }
  return new Blob([header, rows]);
}

/** A binary PLY of coloured points: x right, y down, z forward. */
export function ply({ distance, sky, unit }: Sized, pixels: Uint8ClampedArray): Blob {
  const { height, width, values } = distance;
  const count = sky.reduce((sum, is) => sum + 1 - is, 0);
  const header =
    `ply\nformat binary_little_endian 1.0\ncomment frame: ${FRAME}\ncomment unit: ${unit}\n` +
    `element vertex ${count}\nproperty float x\nproperty float y\nproperty float z\n` +
    "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n";
  const body = new DataView(new ArrayBuffer(15 * count));
  let at = 0;
  values.forEach((d, i) => {
    if (sky[i]) return;
    const lon = (((i % width) + 0.5) / width - 0.5) * 2 * Math.PI;
    const lat = ((Math.floor(i / width) + 0.5) / height - 0.5) * Math.PI;
    const ray = [Math.cos(lat) * Math.sin(lon), Math.sin(lat), Math.cos(lat) * Math.cos(lon)];
    ray.forEach((part, k) => body.setFloat32(at + 4 * k, d * part, true));
    for (let k = 0; k < 3; k++) body.setUint8(at + 12 + k, pixels[4 * i + k]);
    at += 15;
  });
  return new Blob([header, body]);
}

/** A binary glTF: the textured surface, y up, closed over the seam, cut at edges. */
export async function glb({ distance, sky, unit }: Sized, jpeg: Blob): Promise<Blob> {
  const { height, width, values } = distance;
  const stride = Math.ceil(width / MESH_COLUMNS);
  const [columns, rows] = [Math.floor(width / stride), Math.floor(height / stride)];
  const count = (columns + 1) * rows; // the first column is there twice
  const [points, uv, lengths] = [3, 2, 1].map((n) => new Float32Array(n * count));
  for (let i = 0; i < count; i++) {
    const [x, y] = [i % (columns + 1), Math.floor(i / (columns + 1))];
    const at = y * stride * width + (x % columns) * stride;
    const turn = Math.floor(x / columns);
    const [u, v] = [turn + ((x % columns) * stride + 0.5) / width, (y * stride + 0.5) / height];
    const [lon, lat] = [(u - 0.5) * 2 * Math.PI, (v - 0.5) * Math.PI];
    const ray = [Math.cos(lat) * Math.sin(lon), -Math.sin(lat), -Math.cos(lat) * Math.cos(lon)];
    lengths[i] = sky[at] ? NaN : values[at];
    points.set(ray.map((part) => (sky[at] ? 0 : values[at] * part)), 3 * i);
    uv.set([u, v], 2 * i);
  }
  const faces: number[] = [];
  for (let i = 0; i < count - columns - 1; i++) {
    if (i % (columns + 1) === columns) continue;
    const below = i + columns + 1;
    for (const face of [[i, below, i + 1], [i + 1, below, below + 1]]) {
      const corners = face.map((k) => lengths[k]);
      if (Math.max(...corners) / Math.min(...corners) < CUT_RATIO) faces.push(...face);
    }
  }
  const image = new Uint8Array(await jpeg.arrayBuffer());
  return gltf(points, uv, Uint32Array.from(faces), image, unit);
}

/** The container of glTF 2.0. */
function gltf(
  points: Float32Array,
  uv: Float32Array,
  faces: Uint32Array,
  jpeg: Uint8Array,
  unit: string,
): Blob {
  const pieces = [points, uv, faces].map((array) => new Uint8Array(array.buffer)).concat(jpeg);
  const padded = pieces.map((piece) => joined([piece, new Uint8Array(-piece.length & 3)]));
  let byteOffset = 0;
  const bufferViews = pieces.map((piece, i) => {
    const view = { buffer: 0, byteOffset, byteLength: piece.length };
    byteOffset += padded[i].length;
    return view;
  });
  const bounds = (pick: (a: number, b: number) => number) =>
    [0, 1, 2].map((k) => points.reduce((a, b, i) => (i % 3 === k ? pick(a, b) : a), points[k]));
  const accessor = (bufferView: number, componentType: number, count: number, type: string) => ({
    ...{ bufferView, componentType, count, type },
  });
  const tree = {
    asset: { version: "2.0", generator: "panodepth", extras: { unit } },
    extensionsUsed: ["KHR_materials_unlit"],
    ...{ scene: 0, scenes: [{ nodes: [0] }], nodes: [{ mesh: 0 }], buffers: [{ byteLength: byteOffset }] },
    meshes: [{ primitives: [{ attributes: { POSITION: 0, TEXCOORD_0: 1 }, indices: 2, material: 0 }] }],
    materials: [{
      pbrMetallicRoughness: { baseColorTexture: { index: 0 }, metallicFactor: 0 },
      ...{ doubleSided: true, extensions: { KHR_materials_unlit: {} } },
    }],
    textures: [{ source: 0 }],
    images: [{ bufferView: 3, mimeType: "image/jpeg" }],
    accessors: [
      { ...accessor(0, 5126, points.length / 3, "VEC3"), min: bounds(Math.min), max: bounds(Math.max) },
      accessor(1, 5126, uv.length / 2, "VEC2"),
      accessor(2, 5125, faces.length, "SCALAR"),
    ],
    bufferViews,
  };
  const text = new TextEncoder().encode(JSON.stringify(tree));
  const json = joined([text, new Uint8Array(-text.length & 3).fill(32)]);
  const header = numbers([0x46546c67, 4], [2, 4], [28 + json.length + byteOffset, 4],
    [json.length, 4], [0x4e4f534a, 4]);
  return new Blob([joined([header, json, numbers([byteOffset, 4], [0x004e4942, 4]), ...padded])]);
}
