// What the page holds of each room, unpacked.

export interface RoomInfo {
  name: string;
  unit: "m" | "relative";
  about: string;
  /** of the panorama [px] */
  width: number;
  height: number;
  /** every `stride`-th pixel has a distance, from `first` (column, row) on */
  columns: number;
  rows: number;
  stride: number;
  first: [number, number];
  /** distances of the codes 1 and 65534, in equal steps of the logarithm */
  near: number;
  far: number;
  /** distances at the ends of the colours */
  colours: [number, number];
  /** where up is: x right, y down, z forward */
  up: [number, number, number];
  /** of what nearer things hide, as far as it was guessed */
  behind?: RoomInfo;
  place: { yaw_deg: number; position: [number, number, number]; scale: number } | null;
}

export const NOTHING = 0;
export const SKY = -1;

const FARTHEST_CODE = 65534;
const SKY_CODE = 65535;

export interface Room {
  info: RoomInfo;
  /** (rows, columns): > 0, NOTHING or SKY */
  distance: Float32Array<ArrayBuffer>;
  photo: ImageBitmap;
  behind?: Room;
}

export async function readRooms(): Promise<Room[]> {
  const infos = JSON.parse(textOf("rooms")) as RoomInfo[];
  if (!infos.length) throw new Error("no rooms");
  return Promise.all(
    infos.map(async (info, i) => {
      const room = await readRoom(info, `distance-${i}`, `photo-${i}`);
      if (info.behind) room.behind = await readRoom(info.behind, `behind-${i}`, `behind-photo-${i}`);
      return room;
    }),
  );
}

async function readRoom(info: RoomInfo, distances: string, photo: string): Promise<Room> {
  return {
    info,
    distance: unpack(await inflate(bytesOf(distances)), info),
    photo: await createImageBitmap(new Blob([bytesOf(photo)], { type: "image/jpeg" }), {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    }),
  };
}

/** The colours of distances, near to far: (256, 3). */
export const readTable = () => bytesOf("table");

function textOf(id: string): string {
  const element = document.getElementById(id);
  if (!element) throw new Error(`${id} is missing`);
  return element.textContent ?? "";
}

function bytesOf(id: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(textOf(id)), (c) => c.charCodeAt(0));
}

async function inflate(packed: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Low bytes, then high bytes, of 16-bit codes; each the difference to its left and upper
 * neighbours, which neighbouring distances share. */
function unpack(planes: Uint8Array, info: RoomInfo): Float32Array<ArrayBuffer> {
  const { columns, rows, near, far } = info;
  const count = columns * rows;
  if (planes.length !== 2 * count) throw new Error("distances are cut short");
  const steps = Math.log(far / near) / (FARTHEST_CODE - 1);
  const codes = new Uint16Array(count);
  const out = new Float32Array(count);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) {
      const left = x ? codes[i - 1] : 0;
      const above = y ? codes[i - columns] : 0;
      const both = x && y ? codes[i - columns - 1] : 0;
      const code = (planes[i] + 256 * planes[count + i] + left + above - both) & 0xffff;
      codes[i] = code;
      out[i] = code === 0 ? NOTHING : code === SKY_CODE ? SKY : near * Math.exp(steps * (code - 1));
    }
  }
  return out;
}
