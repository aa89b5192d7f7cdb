// What pointer and keys do on the ED and ES stages while correcting: move points, redraw a stretch, set three points.
import { fitLandmarks, redrawStretch } from "./contour.js";
import { svg } from "./dom.js";
import { pathOf } from "./stage.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR_PX = 5;
const STEPS = ["apex", "first", "second"];

/** The tools of both stages. `panes` and `handles` have `ed` and `es`; `onTool(name)` follows a change of tool. */
export class Tools {
  constructor({ editor, panes, handles, t, announce, message, onTool }) {
    Object.assign(this, { editor, panes, handles, t, announce, message, onTool });
    this.tool = "points";
    this.isActive = false;
    this.request = null;
    this.marks = {};
    for (const phase of ["ed", "es"]) this.#listen(phase);
  }

  #listen(phase) {
    const { stage } = this.panes[phase];
    this.marks[phase] = svg("g", { class: "v-marks" });
    stage.screen.append(this.marks[phase]);
    stage.onDown = (event) => this.isActive && this.#down(phase, event);
    stage.onMove = (event) => {
      if (this.isActive) this.#move(phase, event);
    };
    stage.onUp = (event) => this.#up(phase, event);
    stage.root.addEventListener("keydown", (event) => {
      if (this.isActive && this.#key(phase, event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    stage.root.addEventListener("focusin", () => {
      this.active = phase;
    });
  }

  /** The phase whose stage was used last. */
  get phase() {
    return this.active ?? "ed";
  }

  setActive(isActive) {
    this.isActive = isActive;
    if (!isActive) this.cancel();
  }

  /** Chooses `points`, `redraw` or `landmarks`. */
  choose(tool) {
    this.cancel();
    this.tool = tool;
    for (const phase of ["ed", "es"]) this.panes[phase].stage.root.dataset.tool = tool;
    if (tool === "landmarks") this.#askLandmark();
    else this.message(tool === "redraw" ? this.t("viewer.redraw.hint") : "", null, true);
    this.onTool(tool);
  }

  /** Gives up what was begun. */
  cancel() {
    if (this.request !== null) cancelAnimationFrame(this.request);
    this.request = null;
    if (this.held) this.editor.release(true);
    [this.held, this.stroke, this.clicks, this.cross] = [null, null, [], null];
    for (const phase of ["ed", "es"]) {
      this.panes[phase].stage.draw("stroke", "");
      this.marks[phase].replaceChildren();
    }
  }

  // --- pointer -----------------------------------------------------------------------------------------------------------

  #down(phase, event) {
    this.active = phase;
    const { stage } = this.panes[phase];
    if (this.tool === "points") return this.#grab(phase, event);
    if (this.tool === "landmarks") {
      this.pressed = [event.clientX, event.clientY];
      stage.root.focus({ preventScroll: true });
      return event.pointerType !== "touch" || event.isPrimary;
    }
    if (!this.editor.phase(phase).points) {
      this.message(this.t("viewer.redraw.none"), phase);
      return false;
    }
    stage.root.focus({ preventScroll: true });
    this.stroke = { phase, points: [stage.toImage(event)] };
    return true;
  }

  #grab(phase, event) {
    const { stage } = this.panes[phase],
      index = this.handles[phase].nearest(stage.toStage(event), event.pointerType);
    if (index < 0) return false;
    event.preventDefault();
    this.handles[phase].nodes[index].focus({ preventScroll: true, focusVisible: false });
    this.editor.grab(phase, index);
    this.handles[phase].mark(index);
    this.held = { phase, index, from: stage.toImage(event) };
    stage.root.classList.add("v-dragging");
    return true;
  }

  #move(phase, event) {
    const { stage } = this.panes[phase];
    if (this.stroke) {
      for (const one of event.getCoalescedEvents?.() ?? [event]) this.stroke.points.push(stage.toImage(one));
    } else if (this.held) {
      this.last = [stage.toImage(event), event.shiftKey];
    } else {
      if (this.tool === "points")
        stage.root.classList.toggle("v-near", this.handles[phase].nearest(stage.toStage(event), event.pointerType) >= 0);
      return;
    }
    // Events come faster than the display shows them: one drawing per display frame.
    this.request ??= requestAnimationFrame(() => {
      this.request = null;
      this.#apply();
    });
  }

  #apply() {
    if (this.stroke) {
      const { phase, points } = this.stroke,
        { stage } = this.panes[phase];
      stage.draw("stroke", pathOf(points.map(([x, y]) => [x, y * stage.geometry.aspect])));
    } else if (this.held && this.last) {
      const [at, single] = this.last,
        { from } = this.held;
      this.editor.drag([at[0] - from[0], at[1] - from[1]], single);
    }
  }

  #up(phase, event) {
    const isCancelled = event.type === "pointercancel";
    if (this.request !== null) {
      cancelAnimationFrame(this.request);
      this.request = null;
      this.#apply();
    }
    if (this.held) {
      this.panes[this.held.phase].stage.root.classList.remove("v-dragging");
      this.handles[this.held.phase].mark(-1);
      [this.held, this.last] = [null, null];
      this.editor.release(isCancelled);
    } else if (this.stroke) {
      const { points } = this.stroke;
      this.stroke = null;
      this.panes[phase].stage.draw("stroke", "");
      if (!isCancelled) this.#redraw(phase, points);
    } else if (this.tool === "landmarks" && this.isActive && this.pressed && !isCancelled) {
      this.#landmark(phase, this.panes[phase].stage.toImage(event));
    }
    this.pressed = null;
  }

  #redraw(phase, stroke) {
    const { width, height } = this.editor.view,
      found = redrawStretch(this.editor.phase(phase).points, stroke, [width, height]);
    if (found.error) {
      this.message(this.t(`viewer.redraw.${found.error}`), phase);
      return;
    }
    this.message("");
    this.editor.setPoints(phase, found.points);
  }

  // --- three points ------------------------------------------------------------------------------------------------------

  #askLandmark() {
    this.message(this.t(`viewer.three.${STEPS[this.clicks.length]}`), null, true);
    this.announce(this.t(`viewer.three.${STEPS[this.clicks.length]}`));
  }

  #landmark(phase, at) {
    if (this.clicks.length && this.clickedPhase !== phase) {
      this.clicks = [];
      this.marks[this.clickedPhase].replaceChildren();
    }
    const { width, height } = this.editor.view;
    this.clickedPhase = phase;
    this.clicks.push([Math.min(Math.max(at[0], 0), width - 1), Math.min(Math.max(at[1], 0), height - 1)]);
    this.redrawMarks();
    if (this.clicks.length < 3) {
      this.#askLandmark();
      return;
    }
    const [apex, ...annulus] = this.clicks,
      { points } = this.editor.phase(phase);
    this.choose("points");
    this.editor.resegment(phase, apex, annulus, points && fitLandmarks(points, apex, annulus));
  }

  /** Draws the marks again after zoom or pan. */
  redrawMarks() {
    for (const phase of ["ed", "es"]) {
      const { stage } = this.panes[phase],
        cross = (p, name) => {
          const [x, y] = stage.toScreen(p);
          return svg("path", { class: name, d: `M${x - 8} ${y}H${x + 8}M${x} ${y - 8}V${y + 8}` });
        };
      const clicks = phase === this.clickedPhase ? this.clicks : [];
      this.marks[phase].replaceChildren(
        ...clicks.map((p) => cross(p, "v-mark")),
        ...(this.cross?.phase === phase ? [cross(this.cross.at, "v-mark v-aim")] : []),
      );
    }
  }

  // --- keys --------------------------------------------------------------------------------------------------------------

  #key(phase, event) {
    const index = this.handles[phase].indexOf(event.target),
      arrow = ARROWS[event.key],
      by = event.shiftKey ? FAR_PX : 1;
    if (event.key === "Escape") return this.#escape();
    if (event.altKey || event.metaKey) return false;
    if (index >= 0 && arrow) {
      this.editor.nudge(
        phase,
        index,
        arrow.map((v) => v * by),
        event.ctrlKey,
      );
      return true;
    }
    if (index >= 0 && event.key === "Enter") {
      this.editor.finishKeys();
      return true;
    }
    if (event.ctrlKey || this.tool !== "landmarks") return false;
    if (arrow) {
      const { stage } = this.panes[phase],
        step = (by * 2) / stage.scale,
        { camera, geometry } = stage;
      const at = this.cross?.phase === phase ? this.cross.at : [camera.x, camera.y / geometry.aspect];
      this.cross = { phase, at: [at[0] + arrow[0] * step, at[1] + arrow[1] * step] };
      this.redrawMarks();
      return true;
    }
    if (event.key === "Enter" && this.cross?.phase === phase) {
      this.#landmark(phase, this.cross.at);
      return true;
    }
    return false;
  }

  #escape() {
    if (this.editor.live) {
      this.editor.release(true);
      return true;
    }
    if (this.tool === "points") return false;
    this.choose("points");
    return true;
  }
}
