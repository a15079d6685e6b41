// The viewer: what the page's buttons, keys and pointers do.

import { Color, Scene, WebGLRenderer } from "three";
import { measure, type Measured } from "./extent";
import { Headset, type Place } from "./headset";
import { taken } from "./keys";
import { hit, type Hit } from "./pick";
import { readRooms, readTable, type Room } from "./room";
import { copy, save } from "./save";
import { COLOURS, guesses, look, Surface, tableTexture, type Colour } from "./surface";
import { Tapes, type Tape } from "./tape";
import { VIEWS, Views, type View } from "./views";

const SLOW_FRAME_MS = 90; // then a coarser grid is drawn while it moves
const COARSE_STEP = 3;
const CLICK_PIXELS = 6; // a pointer that moved farther has dragged
const [MILDEST_CUT, SHARPEST_CUT] = [0.7, 0.02]; // see `look.uEdge`
const CEILING_CUT = 0.86; // of the way from the camera to the ceiling
const SKY_REACH = 4; // what a headset draws, of the farthest distance; the sky is within
const EYES_OVER_FLOOR = 1.6; // of a room without metres, in a headset [m]

const find = <T extends Element>(selector: string) => document.querySelector(selector) as T;
const buttons = (selector: string) => [...document.querySelectorAll<HTMLButtonElement>(selector)];

class Viewer {
  private readonly canvas = find<HTMLCanvasElement>("#canvas");
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly surfaces: Surface[];
  private readonly views: Views;
  private readonly tapes: Tapes;
  private readonly headset: Headset;
  private readonly placed: boolean;
  private readonly spots: HTMLButtonElement[] = [];
  private extent: Measured;
  private room = 0;
  private colour: Colour = "photo";
  private compare = -1; // where the divider is, of the width; -1 = none
  private measuring = false;
  private readonly metresPerUnit: number[] = []; // as the user said, of rooms by number
  private waiting = false;
  private lastFrame = 0;
  private slow = 0;
  private settle = 0;

  constructor(rooms: Room[]) {
    this.renderer = new WebGLRenderer({ canvas: this.canvas, antialias: true, alpha: true });
    this.renderer.setClearColor(new Color(0), 0);
    look.uTable.value = tableTexture(readTable());
    const sharp = Math.min(8, this.renderer.capabilities.getMaxAnisotropy());
    this.surfaces = rooms.map((room) => new Surface(room, sharp));
    this.placed = rooms.length > 1 && rooms.every((room) => room.info.place);
    this.scene.add(...this.surfaces.map((surface) => surface.group));
    this.extent = this.measureRoom();
    this.views = new Views(this.canvas, this.extent, () => this.redraw());
    this.tapes = new Tapes(
      find("#tapes"),
      (tape) => this.lengthOf(tape),
      (tape) => this.askLength(tape),
    );
    this.headset = new Headset(this.renderer, this.scene, {
      prepare: () => this.showSurfaces(),
      next: () => this.chooseRoom(this.room + 1),
      ended: () => this.resize(),
    });
    void Headset.isThere().then((there) => (find<HTMLElement>("#headset").hidden = !there));
    this.buildRooms();
    this.listen();
    this.chooseRoom(0);
    this.chooseView("inside");
    this.chooseColour("photo");
    this.setEdges();
    this.readHash();
    this.resize();
  }

  // --- what is shown

  private get shown(): Surface[] {
    const outside = this.views.view !== "inside";
    return this.placed && outside ? this.surfaces : [this.surfaces[this.room]];
  }

  /** The outside views show all rooms that have a place; the eye is the current room's. */
  private measureRoom(): Measured {
    const surface = this.surfaces[this.room];
    const all = this.placed ? this.surfaces : [surface];
    return { ...measure(all), eye: surface.group.position.clone() };
  }

  chooseRoom(number: number): void {
    this.room = (number + this.surfaces.length) % this.surfaces.length;
    const { info } = this.surfaces[this.room].room;
    find("h1").textContent = info.name;
    find("#about p").textContent = info.about;
    document.title = info.name;
    find("#units").textContent =
      info.unit === "m"
        ? "Lengths are in metres."
        : "Lengths are relative: this prediction has no metres. Measure something you know the length of, then click the result.";
    buttons("#stepper button").forEach((b, i) => {
      b.setAttribute("aria-pressed", String(i === this.room));
      if (i === this.room) b.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    this.extent = this.measureRoom();
    if (this.placed) {
      this.views.step(this.extent.eye);
    } else {
      this.tapes.clear();
      this.showTapeBar();
      this.views.reset(this.extent);
    }
    this.setCut(this.ownCut());
    this.showLegend();
    if (this.headset.on) this.headset.goTo(this.headsetPlace());
  }

  chooseView(view: View): void {
    this.views.show(view);
    check("#views button", (b) => b.dataset.view === view);
    find<HTMLElement>("#cut").hidden = view === "inside";
    this.setCut(this.ownCut());
    this.hideChip();
    const touch = isTouch();
    this.hint(
      {
        inside: touch ? "Drag to look around, pinch to walk" : "Drag to look around, scroll to walk",
        dollhouse: touch ? "Drag to turn, pinch to zoom" : "Drag to turn, scroll to zoom",
        top: touch ? "Drag to shift, pinch to zoom" : "Drag to shift, scroll to zoom",
      }[view],
    );
  }

  chooseColour(colour: Colour): void {
    this.colour = colour;
    look.uColour.value = COLOURS.indexOf(colour);
    check("#colours button", (b) => b.dataset.colour === colour);
    if (this.compare >= 0) this.setCompare(-1);
    this.showLegend();
    this.redraw();
  }

  private setCompare(share: number): void {
    this.compare = share;
    const divider = find<HTMLElement>("#divider");
    divider.hidden = share < 0;
    divider.style.left = `${100 * share}%`;
    divider.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    find("#compare").setAttribute("aria-pressed", String(share >= 0));
    this.showLegend();
    this.redraw();
  }

  private showLegend(): void {
    const { room, group } = this.surfaces[this.room];
    const [near, far] = room.info.colours.map((distance) => distance * group.scale.x);
    find<HTMLElement>("#legend").hidden = this.colour !== "distance" && this.compare < 0;
    const [left, right] = document.querySelectorAll("#legend span");
    [left.textContent, right.textContent] = [this.format(near), this.format(far)];
  }

  /** From none (0) to all but flat pieces (100). */
  private setEdges(): void {
    const amount = Number(find<HTMLInputElement>("#edges input").value) / 100;
    look.uEdge.value = amount ? MILDEST_CUT * (SHARPEST_CUT / MILDEST_CUT) ** amount : 1e9;
    this.redraw();
  }

  private setGuesses(shown: boolean): void {
    guesses.shown = shown;
    find("#guess").setAttribute("aria-pressed", String(shown));
    this.redraw();
  }

  // --- the ceiling

  /** The height of the cut that shows most [world]: under the ceiling, if there is one. */
  private ownCut(): number {
    const { ceiling, eye, top, floor } = this.extent;
    if (this.views.view === "inside" || ceiling === null) return top + (top - floor);
    return eye.y + CEILING_CUT * (ceiling - eye.y);
  }

  private setCut(height: number): void {
    const { floor, top } = this.extent;
    const share = (height - floor) / (top - floor);
    find<HTMLInputElement>("#cut input").value = String(Math.round(1000 * Math.min(1, share)));
    this.applyCut(height);
  }

  private applyCut(height: number): void {
    const { floor, top } = this.extent;
    look.uCut.value = height >= top ? 1e9 : height;
    const said = height >= top ? "no cut" : this.format(height - floor);
    find("#cut output").textContent = said;
    find("#cut input").setAttribute("aria-valuetext", said);
    this.redraw();
  }

  // --- measuring

  /** A length in the world. */
  private format(length: number): string {
    const value = length * (this.metresPerUnit[this.known] ?? 1);
    const metres = this.unit === "m";
    const digits = value < 1 && !metres ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0;
    return `${value.toFixed(digits)} ${metres ? "m" : "rel."}`;
  }

  /** The room whose unit counts: of rooms without places each has its own. */
  private get known(): number {
    return this.placed ? 0 : this.room;
  }

  private get unit(): "m" | "relative" {
    return this.metresPerUnit[this.known] ? "m" : this.surfaces[this.room].room.info.unit;
  }

  private lengthOf(tape: Tape): string {
    return this.format(tape.from.distanceTo(tape.to));
  }

  setMeasuring(on: boolean): void {
    this.measuring = on;
    this.tapes.start = null;
    document.body.classList.toggle("measuring", on);
    find("#measure").setAttribute("aria-pressed", String(on));
    this.showTapeBar();
    this.redraw();
  }

  /** missed: what was chosen last is no surface. */
  private showTapeBar(missed = false): void {
    const bar = find<HTMLElement>("#tapebar");
    const { list, start } = this.tapes;
    bar.hidden = !this.measuring && !list.length;
    const last = list.at(-1);
    let text = start ? "Now the other end" : `${isTouch() ? "Tap" : "Click"} two points`;
    if (last && !start) text = this.lengthOf(last) + (list.length > 1 ? `, of ${list.length}` : "");
    find("#tapebar span").textContent = missed ? "There is no surface" : text;
    find<HTMLElement>("#give").hidden = !list.length || this.isMetric;
    for (const id of ["#copy", "#clear"]) find<HTMLElement>(id).hidden = !list.length;
    if (!bar.hidden) this.hint("");
  }

  /** Whether the prediction itself has metres. */
  private get isMetric(): boolean {
    return this.surfaces[this.room].room.info.unit === "m";
  }

  private async copyLengths(): Promise<void> {
    const done = await copy(this.tapes.list.map((tape) => this.lengthOf(tape)).join("\n"));
    find("#tapebar span").textContent = done ? "Copied" : "The browser does not allow it";
  }

  /** One length that the user knows gives metres to a relative prediction. */
  private askLength(tape: Tape): void {
    if (this.isMetric) return;
    const dialog = find<HTMLDialogElement>("#known");
    const input = find<HTMLInputElement>("#known input");
    input.value = "";
    dialog.returnValue = "";
    dialog.onclose = () => {
      const metres = Number(input.value);
      if (dialog.returnValue !== "ok" || !(metres > 0)) return;
      const perUnit = metres / tape.from.distanceTo(tape.to);
      this.metresPerUnit[this.known] = perUnit;
      document.body.dataset.metresPerUnit = String(perUnit); // for the page that shows this one
      this.showTapeBar();
      this.showLegend();
      this.applyCut(look.uCut.value);
    };
    dialog.showModal();
  }

  /** What lies at a point of the window. */
  pick(clientX: number, clientY: number): Hit | null {
    const { origin, direction } = this.views.ray(clientX, clientY);
    const inside = this.views.view === "inside";
    const hits = this.shown
      .map((surface) => hit(surface, origin, direction, inside))
      .filter((found) => found !== null)
      .sort((a, b) => a.point.distanceTo(origin) - b.point.distanceTo(origin));
    return hits[0] ?? null;
  }

  private showChip(event: { clientX: number; clientY: number }): void {
    const found = this.pick(event.clientX, event.clientY);
    if (this.measuring && this.tapes.start) {
      this.tapes.hover = found?.point ?? null;
      this.redraw();
    }
    const chip = find<HTMLElement>("#chip");
    chip.hidden = !found;
    if (!found) return;
    const side = found.right < 0 ? "left" : "right";
    const rise = found.up < 0 ? "down" : "up";
    const where = `${Math.abs(found.right).toFixed(0)}° ${side} ${Math.abs(found.up).toFixed(0)}° ${rise}`;
    chip.textContent = `${this.format(found.distance * found.surface.group.scale.x)} `;
    chip.append(Object.assign(document.createElement("small"), { textContent: where }));
    const x = Math.min(event.clientX + 16, innerWidth - chip.offsetWidth - 8);
    const y = Math.max(8, event.clientY - 36);
    chip.style.transform = `translate(${x}px, ${y}px)`;
  }

  private hideChip(): void {
    find<HTMLElement>("#chip").hidden = true;
  }

  // --- a headset

  private async enterHeadset(): Promise<void> {
    if (find<HTMLElement>("#headset").hidden || this.headset.on) return;
    this.chooseView("inside");
    this.setMeasuring(false);
    if (this.compare >= 0) this.setCompare(-1);
    try {
      await this.headset.enter(this.headsetPlace());
    } catch {
      this.hint("The headset could not be started.");
    }
  }

  /** A room without metres has its floor so far below the eyes as people have. */
  private headsetPlace(): Place {
    const { eye, floor } = this.extent;
    const { room, group } = this.surfaces[this.room];
    const known = this.metresPerUnit[this.known] ?? (this.unit === "m" ? 1 : null);
    const metre = known ? 1 / known : Math.max(eye.y - floor, 1e-6) / EYES_OVER_FLOOR;
    const far = SKY_REACH * room.info.far * group.scale.x;
    return { eye, turn: this.views.walker.rotation.y, metre, far };
  }

  // --- the window

  private hint(text: string): void {
    const hint = find<HTMLElement>("#hint");
    hint.classList.toggle("gone", !text);
    if (text) hint.textContent = text;
  }

  private saveShot(): void {
    this.render();
    const { width, height } = this.canvas;
    const picture = Object.assign(document.createElement("canvas"), { width, height });
    const pen = picture.getContext("2d")!;
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--ground");
    pen.fillRect(0, 0, width, height);
    pen.drawImage(this.canvas, 0, 0);
    this.tapes.paint(pen, width / this.canvas.clientWidth);
    picture.toBlob((blob) => {
      if (blob) save(blob, `${this.surfaces[this.room].room.info.name}_view.png`);
      else this.hint("There is not enough memory for a picture of this window.");
    });
  }

  private fullScreen(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void document.documentElement.requestFullscreen?.();
  }

  private resize(): void {
    if (this.headset.on) return;
    this.renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    this.renderer.setSize(innerWidth, innerHeight, false);
    this.views.resize();
    this.redraw();
  }

  private buildRooms(): void {
    const nav = find<HTMLElement>("#stepper");
    nav.hidden = this.surfaces.length < 2;
    this.surfaces.forEach((surface, i) => {
      const button = document.createElement("button");
      button.textContent = surface.room.info.name;
      const spot = button.cloneNode(true) as HTMLButtonElement;
      button.onclick = spot.onclick = () => this.chooseRoom(i);
      nav.append(button);
      this.spots.push(spot);
    });
    find("#spots").append(...this.spots);
    const table = readTable();
    const colours = Array.from({ length: 17 }, (_, i) => {
      const at = 3 * Math.min(255, i * 16);
      return `rgb(${table[at]} ${table[at + 1]} ${table[at + 2]})`;
    });
    find<HTMLElement>("#legend i").style.background = `linear-gradient(90deg, ${colours.join()})`;
  }

  /** #view=dollhouse&colour=distance&yaw=30&pitch=-10&room=2: what the page opens with. */
  private readHash(): void {
    const given = new URLSearchParams(location.hash.slice(1));
    /** What is no number is as if it were not there. */
    const number = (key: string) => {
      const value = Number(given.get(key));
      return Number.isFinite(value) ? value : 0;
    };
    const room = Math.trunc(number("room"));
    if (room > 1) this.chooseRoom(room - 1);
    const view = given.get("view") as View;
    if (VIEWS.includes(view)) this.chooseView(view);
    const colour = given.get("colour") as Colour;
    if (COLOURS.includes(colour)) this.chooseColour(colour);
    if (given.has("compare")) this.setCompare(0.5);
    this.views.look(number("yaw"), number("pitch"));
  }

  // --- frames

  private redraw(): void {
    if (this.waiting || this.headset?.on) return;
    this.waiting = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  private frame(now: number): void {
    this.waiting = false;
    if (this.headset.on) return;
    const seconds = Math.min(0.1, (now - this.lastFrame) / 1000);
    const apart = now - this.lastFrame;
    this.lastFrame = now;
    // Frames that follow each other closely are those of a movement.
    if (apart < 1000) this.slow = apart > SLOW_FRAME_MS ? this.slow + 1 : Math.max(0, this.slow - 1);
    const moves = this.views.update(seconds);
    this.render(this.slow > 2 ? COARSE_STEP : 1);
    clearTimeout(this.settle);
    if (look.uStep.value > 1) this.settle = window.setTimeout(() => this.render(), 250);
    if (moves) this.redraw();
  }

  private render(step = 1): void {
    if (this.headset.on) return;
    look.uStep.value = step;
    const share = this.compare * this.canvas.clientWidth * this.renderer.getPixelRatio();
    look.uSplit.value = this.compare < 0 ? -1 : share;
    this.showSurfaces();
    this.renderer.render(this.scene, this.views.camera);
    this.tapes.draw(this.views.camera);
    this.drawSpots(this.views.view === "inside");
  }

  private showSurfaces(): void {
    for (const surface of this.surfaces) {
      surface.group.visible = this.shown.includes(surface);
      surface.prepare(this.views.view === "inside");
    }
  }

  /** Inside, the places of the other rooms, to step to. */
  private drawSpots(inside: boolean): void {
    const { camera } = this.views;
    this.spots.forEach((spot, i) => {
      const at = this.surfaces[i].group.position.clone().applyMatrix4(camera.matrixWorldInverse);
      const behind = at.z > 0;
      at.applyMatrix4(camera.projectionMatrix);
      const seen = !behind && Math.max(Math.abs(at.x), Math.abs(at.y)) < 1;
      spot.hidden = !inside || !this.placed || i === this.room || !seen;
      spot.style.left = `${50 + 50 * at.x}%`;
      spot.style.top = `${50 - 50 * at.y}%`;
    });
  }

  // --- input

  private listen(): void {
    const on = (selector: string, action: () => void) => {
      find<HTMLElement>(selector).addEventListener("click", action);
    };
    for (const b of buttons("#views button")) {
      b.onclick = () => this.chooseView(b.dataset.view as View);
    }
    for (const b of buttons("#colours button")) {
      b.onclick = () => this.chooseColour(b.dataset.colour as Colour);
    }
    on("#compare", () => this.setCompare(this.compare < 0 ? 0.5 : -1));
    find<HTMLElement>("#guess").hidden = !this.surfaces.some((surface) => surface.room.behind);
    on("#guess", () => this.setGuesses(!guesses.shown));
    on("#measure", () => this.setMeasuring(!this.measuring));
    on("#give", () => this.askLength(this.tapes.list.at(-1)!));
    on("#copy", () => void this.copyLengths());
    on("#clear", () => {
      this.tapes.clear();
      this.showTapeBar();
      this.redraw();
    });
    on("#shot", () => this.saveShot());
    on("#full", () => this.fullScreen());
    on("#headset", () => void this.enterHeadset());
    on("#theme", () => document.documentElement.classList.toggle("light"));
    on("#reset", () => this.views.reset());
    on("#help", () => find<HTMLDialogElement>("#keys").showModal());
    on("#more", () => {
      const open = document.body.classList.toggle("more");
      find("#more").setAttribute("aria-expanded", String(open));
    });
    find<HTMLElement>("#full").hidden = !document.fullscreenEnabled;
    find("#edges input").addEventListener("input", () => this.setEdges());
    find("#cut input").addEventListener("input", (event) => {
      const share = Number((event.target as HTMLInputElement).value) / 1000;
      const { floor, top } = this.extent;
      this.applyCut(floor + share * (top - floor));
    });
    addEventListener("resize", () => this.resize());
    this.canvas.addEventListener("webglcontextrestored", () => this.redraw());
    addEventListener("keydown", (event) => this.onKey(event));
    this.listenToPointer();
    this.listenToDivider();
  }

  private onKey(event: KeyboardEvent): void {
    if (/^(Tab|Enter|m)$/i.test(event.key)) document.body.classList.add("keys");
    if (taken(event)) return;
    const actions: Record<string, () => void> = {
      1: () => this.chooseView("inside"),
      2: () => this.chooseView("dollhouse"),
      3: () => this.chooseView("top"),
      m: () => {
        this.setMeasuring(!this.measuring);
        this.canvas.focus();
      },
      c: () => this.chooseColour(COLOURS[(COLOURS.indexOf(this.colour) + 1) % 3]),
      x: () => this.setCompare(this.compare < 0 ? 0.5 : -1),
      b: () => this.setGuesses(!guesses.shown),
      f: () => this.fullScreen(),
      v: () => void this.enterHeadset(),
      g: () => this.saveShot(),
      r: () => this.views.reset(),
      n: () => this.chooseRoom(this.room + 1),
      "?": () => find<HTMLDialogElement>("#keys").showModal(),
      Escape: () => this.setMeasuring(false),
    };
    if (event.target === this.canvas) {
      actions.Enter = () => this.choose({ clientX: innerWidth / 2, clientY: innerHeight / 2 });
    }
    actions[event.key.length === 1 ? event.key.toLowerCase() : event.key]?.();
  }

  private listenToPointer(): void {
    const { canvas } = this;
    let down: PointerEvent | null = null;
    let dragged = false;
    canvas.addEventListener("pointerdown", (event) => {
      dragged = down !== null; // a second finger
      down = event;
      document.body.classList.remove("keys");
      canvas.focus();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (down && apart(down, event) > CLICK_PIXELS) {
        dragged = true;
        this.hideChip();
        this.hint("");
      }
      if (!down && event.pointerType === "mouse") this.showChip(event);
    });
    canvas.addEventListener("pointerup", (event) => {
      const clicked = down && !dragged && event.button === 0;
      down = null;
      if (!clicked) return;
      this.choose(event);
    });
    canvas.addEventListener("pointercancel", () => (down = null));
    canvas.addEventListener("pointerleave", () => this.hideChip());
    canvas.addEventListener("wheel", () => {
      this.hideChip();
      this.hint("");
    });
  }

  /** A point of the window: says what is there, and one end of the tape is put there. */
  private choose(at: { clientX: number; clientY: number }): void {
    this.showChip(at);
    const found = this.measuring ? this.pick(at.clientX, at.clientY) : null;
    if (found) this.tapes.add(found.point);
    this.showTapeBar(this.measuring && !found);
    this.redraw();
  }

  private listenToDivider(): void {
    const divider = find<HTMLElement>("#divider");
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      this.setCompare(Math.min(1, Math.max(0, event.clientX / innerWidth)));
    });
    divider.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (!step) return;
      event.stopPropagation();
      this.setCompare(Math.min(1, Math.max(0, this.compare + step)));
    });
  }
}

function check(selector: string, chosen: (button: HTMLButtonElement) => boolean): void {
  for (const b of buttons(selector)) b.setAttribute("aria-pressed", String(chosen(b)));
}

const isTouch = () => matchMedia("(pointer: coarse)").matches;

const apart = (a: PointerEvent, b: PointerEvent) =>
  Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);

function explain(sentence: string): void {
  document.body.classList.add("failed");
  const problem = find<HTMLElement>("#problem");
  problem.textContent = sentence;
  problem.hidden = false;
  for (const panel of document.querySelectorAll<HTMLElement>(".panel")) panel.hidden = true;
}

async function start(): Promise<void> {
  if (matchMedia("(prefers-color-scheme: light)").matches) {
    document.documentElement.classList.add("light");
  }
  if (!document.createElement("canvas").getContext("webgl2")) {
    explain("This browser cannot show 3D: it has no WebGL 2, or it is switched off.");
    return;
  }
  if (!("DecompressionStream" in window)) {
    explain("This browser is too old for this page: update it, or open the page in another.");
    return;
  }
  let rooms: Room[];
  try {
    rooms = await readRooms();
  } catch {
    explain("The data in this page is damaged or cut short; write the page again.");
    return;
  }
  Object.assign(window, { panodepth: new Viewer(rooms) });
  document.body.dataset.ready = "yes";
}

void start();
