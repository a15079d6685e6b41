// Three ways to look: from the camera's place, at the whole from outside, and straight down.

import {
  MOUSE,
  OrthographicCamera,
  PerspectiveCamera,
  Quaternion,
  Ray,
  Spherical,
  TOUCH,
  Vector2,
  Vector3,
  type Camera,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { taken } from "./keys";

export const VIEWS = ["inside", "dollhouse", "top"] as const;
export type View = (typeof VIEWS)[number];

/** What a view has to fit: the middle and the radius of what is there, all in the world. */
export interface Extent {
  centre: Vector3;
  radius: number;
  eye: Vector3;
}

const MOST_PITCH = (89 * Math.PI) / 180;
const WIDEST_FOV = 100;
const SECONDS_ACROSS = 4; // to walk as far as the room's radius
const TURN = 1.5; // by keys [rad/s]
const CLOSER = 0.8; // by keys, of the logarithm of the distance, in a second

export class Views {
  view: View = "inside";
  readonly walker = new PerspectiveCamera(75, 1, 0.01, 1000);
  private readonly outer = new PerspectiveCamera(40, 1, 0.01, 1000);
  private readonly plan = new OrthographicCamera();
  private readonly orbit: OrbitControls;
  private readonly pan: OrbitControls;
  private readonly keys = new Set<string>();
  private readonly fingers = new Map<number, Vector2>();
  private yaw = 0;
  private pitch = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private extent: Extent,
    private readonly onChange: () => void,
  ) {
    this.orbit = new OrbitControls(this.outer, canvas);
    this.orbit.enableDamping = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.orbit.dampingFactor = 0.12;
    this.pan = new OrbitControls(this.plan, canvas);
    this.pan.enableRotate = false;
    this.pan.mouseButtons = { LEFT: MOUSE.PAN, MIDDLE: MOUSE.DOLLY, RIGHT: MOUSE.PAN };
    this.pan.touches = { ONE: TOUCH.PAN, TWO: TOUCH.DOLLY_PAN };
    for (const controls of [this.orbit, this.pan]) controls.addEventListener("change", onChange);
    this.listen();
    this.reset();
    this.show("inside");
  }

  get camera(): Camera {
    return { inside: this.walker, dollhouse: this.outer, top: this.plan }[this.view];
  }

  show(view: View): void {
    this.view = view;
    this.orbit.enabled = view === "dollhouse";
    this.pan.enabled = view === "top";
    this.resize();
    this.onChange();
  }

  /** All three as they began; extent: of what is there now. */
  reset(extent = this.extent): void {
    this.extent = extent;
    const { centre, radius, eye } = extent;
    [this.yaw, this.pitch] = [0, 0];
    this.walker.position.copy(eye);
    this.turn();
    this.orbit.target.copy(centre);
    this.outer.position.copy(centre).add(new Vector3(0.5, 2.1, 1.75).multiplyScalar(radius));
    this.pan.target.copy(centre);
    this.plan.position.copy(centre).add(new Vector3(0, 20 * radius, 0));
    this.plan.zoom = 1;
    this.plan.up.set(0, 0, -1);
    this.plan.lookAt(centre);
    this.resize();
    this.orbit.update();
    this.pan.update();
    this.onChange();
  }

  /** To another room's place, looking on in the same direction. */
  step(eye: Vector3): void {
    this.walker.position.copy(eye);
    this.onChange();
  }

  look(yawDegrees: number, pitchDegrees: number): void {
    [this.yaw, this.pitch] = [yawDegrees, pitchDegrees].map((a) => (a * Math.PI) / 180);
    this.turn();
  }

  resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const aspect = width / Math.max(1, height);
    const { radius } = this.extent;
    // On a tall window the angle across counts, not the one upward.
    const across = (fov: number) =>
      aspect >= 1 ? fov : (Math.atan(Math.tan((fov * Math.PI) / 360) / aspect) * 360) / Math.PI;
    this.walker.fov = Math.min(WIDEST_FOV, across(75));
    this.outer.fov = Math.min(WIDEST_FOV, across(40));
    for (const camera of [this.walker, this.outer]) {
      camera.aspect = aspect;
      camera.near = radius / 200;
      camera.far = radius * 1000;
      camera.updateProjectionMatrix();
    }
    const half = 1.15 * radius * Math.max(1, 1 / aspect);
    Object.assign(this.plan, { left: -half * aspect, right: half * aspect, top: half });
    Object.assign(this.plan, { bottom: -half, near: 0.01 * radius, far: 60 * radius });
    this.plan.updateProjectionMatrix();
  }

  /** The ray of a point of the window, in the world. */
  ray(clientX: number, clientY: number): Ray {
    const box = this.canvas.getBoundingClientRect();
    const x = (2 * (clientX - box.left)) / box.width - 1;
    const y = 1 - (2 * (clientY - box.top)) / box.height;
    const camera = this.camera;
    camera.updateMatrixWorld();
    const from = new Vector3(x, y, -1).unproject(camera);
    const to = new Vector3(x, y, 0.5).unproject(camera);
    if (this.view !== "top") from.setFromMatrixPosition(camera.matrixWorld);
    return new Ray(from, to.sub(from).normalize());
  }

  /** Moves on; returns whether anything moves still. */
  update(seconds: number): boolean {
    if (this.keys.size) this.moveByKeys(seconds);
    const glides = this.view === "dollhouse" && this.orbit.update();
    return glides || this.keys.size > 0;
  }

  private moveByKeys(seconds: number): void {
    const held = (...names: string[]) => (names.some((name) => this.keys.has(name)) ? 1 : 0);
    const right = held("ArrowRight") - held("ArrowLeft");
    const back = held("KeyS") - held("KeyW");
    const aside = held("KeyD") - held("KeyA");
    const down = held("ArrowDown") - held("ArrowUp");
    if (this.view === "inside") {
      const up = held("KeyE", "PageUp") - held("KeyQ", "PageDown");
      this.yaw += right * TURN * seconds;
      this.turn();
      const way = (this.extent.radius / SECONDS_ACROSS) * seconds;
      this.walk(new Vector3(aside, up, Math.sign(back + down)).multiplyScalar(way));
    } else {
      const [across, along] = [Math.sign(right + aside) * seconds, down * seconds];
      const zoom = Math.exp(CLOSER * back * seconds);
      if (this.view === "dollhouse") this.turnOuter(across * TURN, along * TURN, zoom);
      else this.shiftPlan(across, along, zoom);
    }
  }

  /** The dollhouse about what is in its middle [rad]. farther: so many times. */
  private turnOuter(right: number, down: number, farther: number): void {
    const { target } = this.orbit;
    const at = new Spherical().setFromVector3(this.outer.position.clone().sub(target));
    at.set(at.radius * farther, at.phi + down, at.theta + right).makeSafe();
    this.outer.position.setFromSpherical(at).add(target);
    this.outer.lookAt(target);
    this.onChange();
  }

  /** The plan, by so many halves of the window. farther: so many times. */
  private shiftPlan(right: number, down: number, farther: number): void {
    const step = new Vector3(right, 0, down).multiplyScalar(this.plan.top / this.plan.zoom);
    this.plan.position.add(step);
    this.pan.target.add(step);
    this.plan.zoom /= farther;
    this.plan.updateProjectionMatrix();
    this.onChange();
  }

  private walk(step: Vector3): void {
    const heading = new Quaternion().setFromAxisAngle(new Vector3(0, 1, 0), -this.yaw);
    this.walker.position.add(step.applyQuaternion(heading));
    this.onChange();
  }

  private turn(): void {
    this.pitch = Math.min(MOST_PITCH, Math.max(-MOST_PITCH, this.pitch));
    this.walker.rotation.set(this.pitch, -this.yaw, 0, "YXZ");
    this.onChange();
  }

  private listen(): void {
    const { canvas, fingers } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (this.view !== "inside") return;
      fingers.set(event.pointerId, new Vector2(event.clientX, event.clientY));
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      if (this.view !== "inside" || !last) return;
      const now = new Vector2(event.clientX, event.clientY);
      if (fingers.size === 1) {
        const perPixel = (this.walker.fov * Math.PI) / 180 / canvas.clientHeight;
        this.yaw -= (now.x - last.x) * perPixel;
        this.pitch += (now.y - last.y) * perPixel;
        this.turn();
      } else {
        const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
        const spread = now.distanceTo(other) - last.distanceTo(other);
        this.walk(new Vector3(0, 0, (-2 * spread * this.extent.radius) / canvas.clientHeight));
      }
      fingers.set(event.pointerId, now);
    });
    for (const name of ["pointerup", "pointercancel"] as const) {
      canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
    }
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (this.view !== "inside") return;
        event.preventDefault();
        const amount = Math.max(-1, Math.min(1, event.deltaY / 100));
        this.walk(new Vector3(0, 0, 0.08 * amount * this.extent.radius));
      },
      { passive: false },
    );
    const moving = /^(Key[WASDQE]|Arrow(Up|Down|Left|Right)|Page(Up|Down))$/;
    addEventListener("keydown", (event) => {
      if (!moving.test(event.code) || taken(event)) return;
      event.preventDefault();
      this.keys.add(event.code);
      this.onChange();
    });
    addEventListener("keyup", (event) => this.keys.delete(event.code));
    addEventListener("blur", () => this.keys.clear());
  }
}
