// In a headset, by WebXR: the room at its true size, first from the place of the picture's camera.

import {
  Group,
  PerspectiveCamera,
  Quaternion,
  Vector3,
  type Scene,
  type WebGLRenderer,
} from "three";
import { look } from "./surface";

/** Where and how large a room is, in the world. */
export interface Place {
  eye: Vector3;
  /** the vertical turn of who looks [rad], left positive */
  turn: number;
  /** of one metre */
  metre: number;
  /** of the farthest that is drawn */
  far: number;
}

/** What is asked of the page. */
export interface Actions {
  /** before the surfaces are drawn otherwise than before */
  prepare: () => void;
  /** to the next room */
  next: () => void;
  ended: () => void;
}

const NEAR_M = 0.05;
const WALK_M_S = 1.4;
const FLICK_RAD = Math.PI / 6; // that a flick of the stick turns by
const [DEAD, FLICK] = [0.2, 0.7]; // of a stick's way
const [SLOW_MS, SLOW_FRAMES, COARSEST] = [20, 30, 4]; // after so many slow frames a coarser grid
const UP = new Vector3(0, 1, 0);

export class Headset {
  /** What the headset's own coordinates, in metres, lie in. */
  private readonly rig = new Group();
  private readonly eyes = new PerspectiveCamera();
  private place: Place | null = null;
  private flicked = false;
  private fresh = false; // where the head begins is not known yet
  private last = 0;
  private slow = 0;

  constructor(
    private readonly renderer: WebGLRenderer,
    private readonly scene: Scene,
    private readonly actions: Actions,
  ) {
    this.rig.add(this.eyes);
    scene.add(this.rig);
    renderer.xr.addEventListener("sessionend", () => this.leave());
  }

  static async isThere(): Promise<boolean> {
    try {
      return (await navigator.xr?.isSessionSupported("immersive-vr")) ?? false;
    } catch {
      return false; // a page inside another that does not allow it
    }
  }

  get on(): boolean {
    return this.renderer.xr.isPresenting;
  }

  /** Rejects when the browser or the user refuses. */
  async enter(place: Place): Promise<void> {
    const { xr } = this.renderer;
    const session = await navigator.xr!.requestSession("immersive-vr");
    session.addEventListener("select", () => this.goTo(this.place!));
    session.addEventListener("squeeze", () => this.actions.next());
    xr.enabled = true;
    xr.setReferenceSpaceType("local"); // all headsets have it; its origin is near the head at first
    this.begin(place);
    // Before the session, which stops the loop of the window; after it there would be two.
    this.renderer.setAnimationLoop((now) => this.frame(now));
    try {
      await xr.setSession(session);
    } catch (error) {
      void session.end();
      this.leave();
      throw error;
    }
  }

  private leave(): void {
    this.renderer.setAnimationLoop(null);
    this.renderer.xr.enabled = false;
    this.actions.ended();
  }

  private begin(place: Place): void {
    [this.last, this.slow, look.uStep.value, this.fresh] = [0, 0, 1, true];
    this.renderer.xr.getCamera().cameras.splice(0); // those of the session before
    this.rig.quaternion.setFromAxisAngle(UP, place.turn);
    this.show(place);
  }

  private show(place: Place): void {
    this.place = place;
    this.actions.prepare();
    this.rig.scale.setScalar(place.metre);
    [this.eyes.near, this.eyes.far] = [NEAR_M, place.far / place.metre];
  }

  /** The head at the place of a picture's camera, looking on in the same direction. */
  goTo(place: Place): void {
    const head = this.rig.worldToLocal(this.head());
    this.show(place);
    const { quaternion, scale, position } = this.rig;
    position.copy(place.eye).sub(head.multiply(scale).applyQuaternion(quaternion));
  }

  /** In the world, between the eyes; the rig's matrix is up to date after it. */
  private head(): Vector3 {
    this.rig.updateMatrixWorld();
    this.renderer.xr.updateCamera(this.eyes);
    const { cameras } = this.renderer.xr.getCamera();
    const sum = new Vector3();
    for (const eye of cameras) sum.add(new Vector3().setFromMatrixPosition(eye.matrixWorld));
    return sum.divideScalar(Math.max(1, cameras.length));
  }

  private frame(now: number): void {
    if (!this.on) return;
    if (this.fresh && this.renderer.xr.getCamera().cameras.length) {
      this.goTo(this.place!);
      this.fresh = false;
    }
    const apart = this.last ? now - this.last : 0;
    this.last = now;
    // Behind a menu of the headset's own, frames are few by its choice.
    if (this.renderer.xr.getSession()?.visibilityState === "visible") {
      this.slow = apart > SLOW_MS ? this.slow + 1 : Math.max(0, this.slow - 1);
    }
    if (this.slow > SLOW_FRAMES && look.uStep.value < COARSEST) {
      look.uStep.value += 1;
      this.slow = 0;
      this.actions.prepare();
    }
    this.move(Math.min(0.1, apart / 1000));
    this.renderer.render(this.scene, this.eyes);
  }

  /** The right stick turns, the other or the only one walks where the head looks. */
  private move(seconds: number): void {
    for (const { gamepad, handedness } of this.renderer.xr.getSession()?.inputSources ?? []) {
      if (!gamepad) continue;
      const [x = 0, y = 0] = gamepad.axes.length > 2 ? gamepad.axes.slice(2) : gamepad.axes;
      if (handedness === "right") {
        const flick = Math.abs(x) > FLICK;
        if (flick && !this.flicked) this.turnBy(-Math.sign(x) * FLICK_RAD);
        this.flicked = flick;
      } else if (Math.hypot(x, y) > DEAD) {
        this.walk(x, y, seconds);
      }
    }
  }

  private walk(right: number, back: number, seconds: number): void {
    const { matrixWorld } = this.renderer.xr.getCamera();
    const ahead = new Vector3(0, 0, -1).transformDirection(matrixWorld).setY(0);
    if (ahead.lengthSq() < 1e-6) return; // straight up or down
    ahead.normalize();
    const aside = new Vector3().crossVectors(ahead, UP);
    const step = WALK_M_S * seconds * this.rig.scale.x;
    this.rig.position.addScaledVector(ahead, -back * step).addScaledVector(aside, right * step);
  }

  private turnBy(angle: number): void {
    const about = this.head();
    const turn = new Quaternion().setFromAxisAngle(UP, angle);
    this.rig.position.sub(about).applyQuaternion(turn).add(about);
    this.rig.quaternion.premultiply(turn);
  }
}
