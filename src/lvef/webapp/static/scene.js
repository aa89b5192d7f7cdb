// What is drawn on the images: contours, ghosts of the other phase, disks, and the model's contour beside the reader's.
import { APEX, baseOf, boxOf, contourOf, disksOf, pairs, withoutFolds } from "./contour.js";
import { pathOf } from "./stage.js";

export const PHASE_LAYERS = ["ghost", "disks", "axis", "model", "contour", "stroke"];
export const CINE_LAYERS = ["ghost-ed", "ghost-es", "model", "contour"];
const ROOM = 0.16;
const OTHER = { ed: "es", es: "ed" };

/** Draws the contours of one view. `shown` are the toggles contour, ed, es, disks, and overlay: both, reader or model. */
export class Scene {
  constructor({ editor, panes, handles, shown }) {
    Object.assign(this, { editor, panes, handles, shown });
  }

  setView(view) {
    this.view = view;
    this.paths = new Map();
    this.splines = new WeakMap();
  }

  #display(points) {
    return points.map(([x, y]) => [x, y * this.view.aspect]);
  }

  /** The model's contour of a frame as a path; empty where none is. */
  #machinePath(frame) {
    if (!this.paths.has(frame)) {
      const flat = this.view.contours?.[frame];
      this.paths.set(frame, flat ? pathOf(withoutFolds(this.#display(pairs(flat))), true) : "");
    }
    return this.paths.get(frame);
  }

  #ownPath(points) {
    // The same points are drawn more than once: on their own pane, as a ghost, on the cine.
    if (!this.splines.has(points)) this.splines.set(points, pathOf(this.#display(contourOf(points)), true));
    return this.splines.get(points);
  }

  /** Path of the contour of a phase as it is chosen: the reader's or the model's. */
  #phasePath(phase) {
    const { frame, points, isOwn } = this.editor.phase(phase);
    if (frame === null) return "";
    // While correcting, the model's contour too is drawn through its points, which lie on it then.
    const isSpline = isOwn ? this.shown.overlay !== "model" : this.isCorrecting && points;
    return isSpline ? this.#ownPath(points) : this.#machinePath(frame);
  }

  /** Draws ED, ES, or both; while a point moves only what moves with it. */
  drawPhases(which, isCorrecting) {
    const phases = which === "all" ? ["ed", "es"] : [which];
    this.isCorrecting = isCorrecting;
    for (const phase of phases) {
      this.#drawPhase(phase);
      if (which !== "all") this.#drawGhost(OTHER[phase]);
    }
  }

  #drawGhost(phase) {
    const { shown } = this;
    this.panes[phase].stage.draw("ghost", shown.contour && shown[OTHER[phase]] ? this.#phasePath(OTHER[phase]) : "");
  }

  #drawPhase(phase) {
    const { stage } = this.panes[phase],
      { shown } = this,
      { frame, points, isOwn } = this.editor.phase(phase);
    const isReader = isOwn && shown.overlay !== "model";
    stage.draw("contour", shown.contour ? this.#phasePath(phase) : "");
    stage.draw(
      "model",
      shown.contour && isReader && shown.overlay === "both" && frame !== null ? this.#machinePath(frame) : "",
    );
    const drawn = isReader ? points : this.view.points?.[String(frame)];
    const hasDisks = shown.contour && shown.disks && drawn;
    stage.draw("disks", hasDisks ? this.#disks(drawn) : "");
    stage.draw("axis", hasDisks ? pathOf([this.#display(drawn)[APEX], baseOf(this.#display(drawn))]) : "");
    this.#drawGhost(phase);
    this.handles[phase].show(this.isCorrecting && shown.contour && shown.overlay !== "model" ? points : null);
  }

  #disks(points) {
    const ends = this.#display(points);
    return disksOf(this.#display(contourOf(points)), ends[APEX], baseOf(ends))
      .map((chord) => pathOf(chord))
      .join("");
  }

  /** Draws the cine's contour at a frame. */
  drawCine(frame) {
    const { stage } = this.panes.cine,
      { shown, editor } = this;
    const phase = ["ed", "es"].find((p) => editor.phase(p).frame === frame);
    const own = phase && editor.phase(phase).isOwn && shown.overlay !== "model" ? editor.phase(phase).points : null;
    const spread = this.view.reader_contours?.[frame];
    const isReader = Boolean(own) || (Boolean(spread) && editor.isPropagated && shown.overlay !== "model");
    const reader = own ? this.#ownPath(own) : spread ? pathOf(this.#display(pairs(spread)), true) : "";
    stage.draw("contour", shown.contour ? (isReader ? reader : this.#machinePath(frame)) : "");
    stage.draw("model", shown.contour && isReader && shown.overlay === "both" ? this.#machinePath(frame) : "");
    stage.root.dataset.phase = phase ?? this.view.marks?.find((mark) => mark.frame === frame && mark.counted)?.phase ?? "";
  }

  /** Draws the ghosts of ED and ES on the cine. */
  drawCineGhosts() {
    for (const phase of ["ed", "es"]) {
      this.panes.cine.stage.draw(`ghost-${phase}`, this.shown.contour && this.shown[phase] ? this.#phasePath(phase) : "");
    }
  }

  /** The box around the image, the sector, and both contours with room around them, in display units. */
  boxes() {
    const { width, height, aspect, sector_box: sector } = this.view;
    const whole = { x: -0.5, y: -0.5 * aspect, w: width, h: height * aspect };
    const [x0, y0, x1, y1] = sector ?? [0, 0, width, height];
    const shown = sector ? { x: x0 - 0.5, y: (y0 - 0.5) * aspect, w: x1 - x0, h: (y1 - y0) * aspect } : whole;
    // The model's contours decide, so that a correction does not move the view; the reader's where the model has none.
    const points = ["ed", "es"].flatMap((phase) => {
      const { frame, points: own } = this.editor.phase(phase),
        flat = frame === null ? null : this.view.contours?.[frame];
      return flat ? pairs(flat) : own ? contourOf(own) : [];
    });
    const tight = boxOf(this.#display(points));
    if (!tight || !(tight.w > 1 && tight.h > 1)) return { whole, sector: shown, pair: shown };
    const room = ROOM * Math.max(tight.w, tight.h);
    return {
      whole,
      sector: shown,
      pair: { x: tight.x - room, y: tight.y - room, w: tight.w + 2 * room, h: tight.h + 2 * room },
    };
  }
}
