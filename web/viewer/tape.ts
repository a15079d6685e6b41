// The tape: lengths between two points, drawn over the picture.

import { Vector3, type Camera } from "three";

export interface Tape {
  from: Vector3;
  to: Vector3;
}

const COLOUR = "#ffb03a";
const SVG = "http://www.w3.org/2000/svg";

export class Tapes {
  readonly list: Tape[] = [];
  /** where the tape begins that has no end yet, and where it would end */
  start: Vector3 | null = null;
  hover: Vector3 | null = null;

  constructor(
    private readonly svg: SVGSVGElement,
    private readonly length: (tape: Tape) => string,
    private readonly onLabel: (tape: Tape) => void,
  ) {}

  /** A click on a point: one begins, or the one begun ends; twice on one point is once. */
  add(point: Vector3): void {
    this.hover = null;
    if (this.start?.equals(point)) return;
    if (this.start) this.list.push({ from: this.start, to: point });
    this.start = this.start ? null : point;
  }

  clear(): void {
    this.list.length = 0;
    this.start = this.hover = null;
  }

  draw(camera: Camera): void {
    this.svg.replaceChildren();
    for (const tape of this.list) this.drawTape(tape, camera, true);
    if (this.start && this.hover) {
      this.drawTape({ from: this.start, to: this.hover }, camera, false);
    } else if (this.start) this.drawEnd(this.start, camera);
  }

  /** What is drawn, into a picture that has `scale` pixels for each of the window's. */
  paint(pen: CanvasRenderingContext2D, scale: number): void {
    pen.scale(scale, scale);
    pen.font = "600 14px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const line of this.svg.querySelectorAll<SVGLineElement>("line.line")) {
      const [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map((a) => Number(line.getAttribute(a)));
      pen.strokeStyle = COLOUR;
      pen.lineWidth = 2.5;
      pen.beginPath();
      pen.moveTo(x1, y1);
      pen.lineTo(x2, y2);
      pen.stroke();
    }
    for (const group of this.svg.querySelectorAll<SVGGElement>(".length")) {
      const { e: x, f: y } = group.transform.baseVal[0].matrix;
      const width = Number(group.querySelector("rect")!.getAttribute("width"));
      pen.fillStyle = "#14171c";
      pen.fillRect(x - width / 2, y - 14, width, 28);
      pen.fillStyle = "#fff";
      pen.fillText(group.textContent ?? "", x, y);
    }
  }

  private drawTape(tape: Tape, camera: Camera, done: boolean): void {
    const ends = this.clipped(tape, camera);
    if (!ends) return;
    const [a, b] = ends;
    for (const kind of ["halo", "line"]) {
      const at = { x1: a.x, y1: a.y, x2: b.x, y2: b.y };
      this.svg.append(element("line", { ...at, class: kind }));
    }
    this.drawEnd(tape.from, camera);
    this.drawEnd(tape.to, camera);
    const at = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    const group = element("g", { class: done ? "length done" : "length" });
    group.setAttribute("transform", `translate(${at.x} ${at.y})`);
    const words = element("text", { "text-anchor": "middle", dy: "0.35em" });
    words.textContent = this.length(tape);
    const width = 18 + 8 * (words.textContent?.length ?? 0);
    group.append(element("rect", { x: -width / 2, y: -14, width, height: 28, rx: 14 }), words);
    if (done) group.addEventListener("click", () => this.onLabel(tape));
    this.svg.append(group);
  }

  private drawEnd(point: Vector3, camera: Camera): void {
    const local = point.clone().applyMatrix4(camera.matrixWorldInverse);
    if (local.z > 0) return;
    const { x, y } = this.toWindow(local, camera);
    this.svg.append(element("circle", { cx: x, cy: y, r: 5.5 }));
  }

  /** Both ends in the window, of the part before the camera; null when none is. */
  private clipped({ from, to }: Tape, camera: Camera): [Vector3, Vector3] | null {
    const ends = [from, to].map((p) => p.clone().applyMatrix4(camera.matrixWorldInverse));
    const nearest = -1e-3 * Math.max(ends[0].length(), ends[1].length());
    if (ends.every((p) => p.z > nearest)) return null;
    const [a, b] = ends.map((p, i) => {
      if (p.z <= nearest) return p;
      const other = ends[1 - i];
      return p.clone().lerp(other, (p.z - nearest) / (p.z - other.z));
    });
    return [this.toWindow(a, camera), this.toWindow(b, camera)];
  }

  private toWindow(local: Vector3, camera: Camera): Vector3 {
    const p = local.clone().applyMatrix4(camera.projectionMatrix);
    const { clientWidth: width, clientHeight: height } = this.svg;
    return p.set(((p.x + 1) / 2) * width, ((1 - p.y) / 2) * height, 0);
  }
}

function element(kind: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
