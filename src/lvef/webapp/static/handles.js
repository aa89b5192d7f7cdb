// The fifteen points of a contour on a stage: drawn at one size on the screen, found by pointer, moved by key.
import { APEX, COUNT, roleOf } from "./contour.js";
import { svg } from "./dom.js";

const GRAB_PX = { mouse: 14, pen: 18, touch: 28 };
const coarse = () => window.matchMedia("(pointer: coarse)").matches;

/** Name of a point for screen readers. */
export function pointName(t, phase, i) {
  const { key, number } = roleOf(i);
  return t("viewer.point.name", { phase: phase.toUpperCase(), point: t(`viewer.point.${key}`, { number }) });
}

/** The points on one stage. */
export class Handles {
  constructor({ stage, phase, t, onBlur }) {
    Object.assign(this, { stage, phase, t });
    this.points = null;
    this.places = [];
    this.nodes = Array.from({ length: COUNT }, (_, i) => this.#make(i, onBlur));
    this.root = svg("g", { class: `v-handles v-${phase}` }, this.nodes);
    stage.screen.append(this.root);
  }

  #make(i, onBlur) {
    // Apex and hinge points are squares: larger, and distinct without colour.
    const isLandmark = i % APEX === 0,
      size = (coarse() ? 7.5 : 5) * (isLandmark ? 1.2 : 1);
    const shape = (name, r) =>
      isLandmark
        ? svg("rect", { class: `v-${name}`, x: -r, y: -r, width: 2 * r, height: 2 * r, rx: 1.5 })
        : svg("circle", { class: `v-${name}`, r });
    return svg(
      "g",
      {
        class: isLandmark ? "v-handle v-landmark" : "v-handle",
        tabindex: "0",
        role: "slider",
        "aria-roledescription": this.t("viewer.point.role"),
        "aria-label": pointName(this.t, this.phase, i),
        "aria-valuemin": "0",
        "data-point": i,
        on: { blur: onBlur },
      },
      shape("ring", size + 5),
      shape("halo", size),
      shape("dot", size),
    );
  }

  /** Which point a node is, or -1. */
  indexOf(node) {
    return this.nodes.indexOf(node);
  }

  /** Shows points; null hides all. Only those that moved are placed again, unless the view changed. */
  show(points, viewChanged = false) {
    const old = viewChanged ? null : this.points;
    this.root.toggleAttribute("hidden", !points);
    this.points = points;
    if (!points) return;
    points.forEach((p, i) => {
      if (old && old[i][0] === p[0] && old[i][1] === p[1]) return;
      const [x, y] = (this.places[i] = this.stage.toScreen(p));
      this.nodes[i].setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
    });
  }

  /** States the place of a point for screen readers: after a move, not during it. */
  describe() {
    if (!this.points) return;
    const most = String(this.stage.geometry.width - 1);
    this.points.forEach(([x, y], i) => {
      const node = this.nodes[i];
      node.setAttribute("aria-valuemax", most);
      node.setAttribute("aria-valuenow", String(Math.round(x)));
      node.setAttribute("aria-valuetext", this.t("viewer.point.place", { x: x.toFixed(0), y: y.toFixed(0) }));
    });
  }

  /** The point in reach of a pointer at pixels of the stage, or -1. */
  nearest([x, y], pointerType) {
    if (!this.points || this.root.hasAttribute("hidden")) return -1;
    let best = -1,
      least = GRAB_PX[pointerType] ?? 14;
    this.places.forEach(([px, py], i) => {
      // A landmark wins where two are equally near.
      const away = Math.hypot(px - x, py - y) * (i % APEX === 0 ? 0.8 : 1);
      if (away <= least) [best, least] = [i, away];
    });
    return best;
  }

  mark(index) {
    this.nodes.forEach((node, i) => node.classList.toggle("v-held", i === index));
  }
}
