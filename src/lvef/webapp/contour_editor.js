// The contour editor in the browser: draws, drags, zooms. Volumes are computed in Python alone.
//
// Points are [x, y] in pixels of the image, as in lvef.geometry.control_points. The drawing's own units are x and y * aspect, in
// which a millimetre is as long in x as in y. Every action of the reader has a number and is sent in a list until
// Python has confirmed it; a state that is older than the last action never moves a point.

const APEX = 7, LAST = 14, STEPS = 8, DISKS = 20;
const GRAB_PX = { mouse: 14, pen: 18, touch: 28 };
const SVG = "http://www.w3.org/2000/svg";

/** The smooth contour through the points: centripetal Catmull-Rom, as in lvef.geometry.control_points. */
export function contourOf(points) {
  const beyond = (end, next) => [2 * end[0] - next[0], 2 * end[1] - next[1]];
  const ring = [beyond(points[0], points[1]), ...points, beyond(points[LAST], points[LAST - 1])];
  const line = [];
  for (let i = 0; i < LAST; i++) {
    const four = ring.slice(i, i + 4), knots = [0];
    for (let j = 0; j < 3; j++) {
      const away = Math.hypot(four[j + 1][0] - four[j][0], four[j + 1][1] - four[j][1]);
      knots.push(knots[j] + Math.sqrt(Math.max(away, 1e-6)));
    }
    const [t0, t1, t2, t3] = knots;
    const mix = (t, from, to, a, b) => [0, 1].map((k) => ((to - t) * a[k] + (t - from) * b[k]) / (to - from));
    for (let step = 0; step < STEPS; step++) {
      const t = t1 + ((t2 - t1) * step) / STEPS;
      const a1 = mix(t, t0, t1, four[0], four[1]), a2 = mix(t, t1, t2, four[1], four[2]), a3 = mix(t, t2, t3, four[2], four[3]);
      line.push(mix(t, t1, t2, mix(t, t0, t2, a1, a2), mix(t, t1, t3, a2, a3)));
    }
  }
  line.push(points[LAST]);
  return line;
}

/** Where 20 disks cut the contour; all in the drawing's units. */
export function disksOf(contour, apex, base) {
  const length = Math.hypot(base[0] - apex[0], base[1] - apex[1]);
  if (!(length > 0)) return [];
  const u = [(base[0] - apex[0]) / length, (base[1] - apex[1]) / length];
  const own = contour.map(([x, y]) => [
    (x - apex[0]) * u[0] + (y - apex[1]) * u[1], (y - apex[1]) * u[0] - (x - apex[0]) * u[1],
  ]);
  const chords = [];
  for (let i = 0; i < DISKS; i++) {
    const level = ((i + 0.5) * length) / DISKS, cuts = [];
    own.forEach(([along, across], k) => {
      const [next, beside] = own[(k + 1) % own.length];
      if (along <= level !== next <= level) cuts.push(across + ((level - along) / (next - along)) * (beside - across));
    });
    if (cuts.length < 2) continue;
    chords.push([Math.min(...cuts), Math.max(...cuts)].map((c) => [
      apex[0] + level * u[0] - c * u[1], apex[1] + level * u[1] + c * u[0],
    ]));
  }
  return chords;
}

function nameOf(i) {
  if (i === 0) return "left hinge of the mitral valve";
  if (i === APEX) return "apex";
  if (i === LAST) return "right hinge of the mitral valve";
  return i < APEX ? `left wall, point ${i} of 6 from the base` : `right wall, point ${LAST - i} of 6 from the base`;
}

const path = (points, closed) => "M" + points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L") + (closed ? "Z" : "");
const copy = (points) => points.map((p) => [...p]);

class Editor {
  constructor(root) {
    this.box = root.querySelector(".editor");
    this.svg = this.box.querySelector(".picture");
    this.image = this.svg.querySelector("image");
    this.data = null;
    this.seq = 0;
    this.queue = [];
    this.held = null;     // the point being dragged
    this.before = null;   // the points before moves by keyboard that are not sent yet
    this.fingers = new Map();
    this.handles = Array.from({ length: LAST + 1 }, (_, i) => this.newHandle(i));
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  part(name) { return this.box.querySelector(name); }

  newHandle(i) {
    const group = document.createElementNS(SVG, "g"), large = i % APEX === 0;
    group.setAttribute("class", large ? "handle large" : "handle");
    for (const [key, value] of Object.entries({ tabindex: "0", role: "slider", "data-handle": i, "aria-valuemin": 0, "aria-roledescription": "point" })) {
      group.setAttribute(key, value);
    }
    for (const name of ["ring", "halo", "dot"]) {
      // The ends of the long axis and of the valve are squares: larger, and distinct from the wall without colour.
      const shape = document.createElementNS(SVG, large ? "rect" : "circle");
      shape.setAttribute("class", name);
      group.append(shape);
    }
    group.addEventListener("blur", () => this.settle());
    this.part(".handles").append(group);
    return group;
  }

  // --- from Python -------------------------------------------------------------------------------------------------------

  receive(data) {
    const old = this.data, fresh = !old || old.epoch !== data.epoch;
    this.data = data;
    if (fresh) { this.queue = []; this.seq = 0; }
    this.seq = Math.max(this.seq, data.seq);
    this.queue = this.queue.filter((op) => op.seq > data.seq);
    const moved = fresh || old.frame !== data.frame;
    if (moved) { this.held = null; this.before = null; }
    if (fresh || old.picture !== data.picture) {
      this.image.setAttribute("href", data.picture);
      // Whole numbers are pixel centres, not corners.
      const place = { x: -0.5, y: -0.5 * data.aspect, width: data.width, height: data.height * data.aspect };
      for (const [key, value] of Object.entries(place)) this.image.setAttribute(key, value);
    }
    if (!this.queue.length && !this.held && !this.before) this.points = data.points ? copy(data.points) : null;
    if (fresh) this.fit();
    this.tell();
    this.draw();
  }

  tell() {
    const d = this.data;
    this.box.style.setProperty("--hue", d.colour);
    this.box.setAttribute("aria-label", `Contour at ${d.label}, frame ${d.frame}`);
    this.part(".chip").textContent = d.label;
    this.part(".frame").textContent = `frame ${d.frame}`;
    this.part(".time").textContent = d.time_s === null ? "" : ` · ${d.time_s.toFixed(2)} s`;
    this.part(".state").textContent = d.value;
    this.part(".moved").textContent = d.edited ? "moved by reader" : "";
    this.part(".message").textContent = d.message;
    if (this.part(".spoken").textContent !== d.spoken) this.part(".spoken").textContent = d.spoken;
    this.part(".steps").style.display = d.frames > 2 ? "" : "none";
    const off = { undo: !d.undo, redo: !d.redo, reset: !d.edited, before: d.frame <= 0, after: d.frame >= d.frames - 1 };
    for (const [name, value] of Object.entries(off)) this.part(`[data-act=${name}]`).disabled = value;
  }

  act(kind, more = {}) {
    this.seq += 1;
    this.queue.push({ seq: this.seq, epoch: this.data.epoch, frame: this.data.frame, kind, ...more });
    this.send(this.queue.slice(-40));
  }

  commit() {
    this.before = null;
    this.part(".message").textContent = "";
    this.act("move", { points: this.points.map((p) => p.map((v) => Math.round(v * 100) / 100)) });
    this.draw();
  }

  settle() { if (this.before) this.commit(); }

  // --- drawing -----------------------------------------------------------------------------------------------------------

  shown([x, y]) { return [x, y * this.data.aspect]; }

  draw() {
    if (!this.data) return;
    const { x, y, w, h } = this.view;
    this.svg.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
    this.box.classList.toggle("waiting", this.before !== null);
    this.part(".drawing").style.display = this.points ? "" : "none";
    if (!this.points) return;
    const contour = contourOf(this.points).map((p) => this.shown(p));
    const ends = [this.points[0], this.points[LAST], this.points[APEX]].map((p) => this.shown(p));
    const base = [(ends[0][0] + ends[1][0]) / 2, (ends[0][1] + ends[1][1]) / 2];
    const set = (name, d) => this.svg.querySelectorAll(name).forEach((node) => node.setAttribute("d", d));
    set(".contour", path(contour, true));
    set(".axis", path([ends[2], base]));
    set(".disks", disksOf(contour, ends[2], base).map((chord) => path(chord)).join(""));
    set(".ghost", this.data.machine && this.changed() ? path(this.data.machine.map((p) => this.shown(p)), true) : "");
    this.drawHandles();
  }

  changed() { return this.data.edited || this.held !== null || this.before !== null; }

  drawHandles() {
    const unit = 1 / (this.zoom() || 1), dot = parseFloat(getComputedStyle(this.box).getPropertyValue("--dot")) || 5;
    this.handles.forEach((group, i) => {
      const [x, y] = this.shown(this.points[i]), size = i % APEX === 0 ? dot * 1.35 : dot;
      group.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${unit})`);
      group.setAttribute("aria-label", `${this.data.label}, ${nameOf(i)}`);
      group.setAttribute("aria-valuemax", this.data.width - 1);
      group.setAttribute("aria-valuenow", Math.round(this.points[i][0]));
      group.setAttribute("aria-valuetext", `x ${this.points[i][0].toFixed(1)}, y ${this.points[i][1].toFixed(1)} pixels`);
      group.classList.toggle("held", this.held?.index === i);
      for (const shape of group.children) {
        const r = size + (shape.classList.contains("ring") ? 6 : 0);
        const place = shape.tagName === "rect" ? { x: -r, y: -r, width: 2 * r, height: 2 * r, rx: 2.5 } : { r };
        for (const [key, value] of Object.entries(place)) shape.setAttribute(key, value);
      }
    });
  }

  // --- zoom --------------------------------------------------------------------------------------------------------------

  zoom() { return this.svg.getScreenCTM()?.a ?? 0; }

  fit() {
    const d = this.data, all = (this.points ?? [[0, 0], [d.width, d.height]]).map((p) => this.shown(p));
    const [xs, ys] = [all.map((p) => p[0]), all.map((p) => p[1])];
    const mid = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
    const side = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)) * (this.points ? 1.32 : 1);
    this.view = { x: mid[0] - side / 2, y: mid[1] - side / 2, w: side, h: side };
  }

  scale(factor, about = [this.view.x + this.view.w / 2, this.view.y + this.view.h / 2]) {
    const d = this.data, whole = Math.max(d.width, d.height * d.aspect) * 1.15;
    const w = Math.min(Math.max(this.view.w / factor, whole / 24), whole), by = w / this.view.w;
    this.view = { x: about[0] - (about[0] - this.view.x) * by, y: about[1] - (about[1] - this.view.y) * by, w, h: w };
    this.pan(0, 0);
  }

  pan(dx, dy) {
    const d = this.data, v = this.view;
    v.x = Math.min(Math.max(v.x - dx, -v.w / 2), d.width - v.w / 2);
    v.y = Math.min(Math.max(v.y - dy, -v.h / 2), d.height * d.aspect - v.h / 2);
    this.draw();
  }

  at(event) {
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [p.x, p.y];
  }

  nearest(event) {
    if (!this.points || this.box.classList.contains("hidden")) return null;
    const [x, y] = this.at(event), reach = (GRAB_PX[event.pointerType] ?? 14) / this.zoom();
    let best = null;
    this.points.forEach((p, i) => {
      const [px, py] = this.shown(p);
      // The large points win where two are equally near.
      const away = Math.hypot(px - x, py - y) * (i % APEX === 0 ? 0.8 : 1);
      if (away <= reach && (best === null || away < best.away)) best = { index: i, away };
    });
    return best;
  }

  // --- input -------------------------------------------------------------------------------------------------------------

  listen() {
    const on = (name, what, how) => this.svg.addEventListener(name, what, how);
    on("pointerdown", (e) => this.down(e));
    on("pointermove", (e) => this.move(e));
    on("pointerup", (e) => this.up(e));
    on("pointercancel", (e) => this.up(e, true));
    on("wheel", (e) => {
      // Scrolling the page must not zoom an image that is not in use.
      if (!e.ctrlKey && !this.box.matches(":focus-within")) return;
      e.preventDefault();
      this.scale(Math.exp(-e.deltaY * (e.ctrlKey ? 0.01 : 0.0015)), this.at(e));
    }, { passive: false });
    this.box.addEventListener("keydown", (e) => { if (this.key(e)) { e.preventDefault(); e.stopPropagation(); } });
    this.box.addEventListener("click", (e) => {
      const button = e.target.closest("button");
      if (button) this.press(button.dataset.act);
    });
  }

  down(e) {
    if (e.button > 0 || this.held) return;
    e.preventDefault();
    this.svg.setPointerCapture(e.pointerId);
    this.fingers.set(e.pointerId, [e.clientX, e.clientY]);
    const hit = this.fingers.size === 1 ? this.nearest(e) : null;
    if (!hit) {
      this.box.focus({ preventScroll: true });
      this.svg.classList.add("panning");
      return;
    }
    this.handles[hit.index].focus({ preventScroll: true, focusVisible: false });
    this.held = { index: hit.index, id: e.pointerId, from: this.at(e), was: copy(this.points) };
    this.svg.classList.add("dragging");
    this.draw();
  }

  move(e) {
    if (this.held) {
      if (e.pointerId !== this.held.id) return;
      const { index, from, was } = this.held, [x, y] = this.at(e);
      this.place(index, was[index][0] + x - from[0], was[index][1] + (y - from[1]) / this.data.aspect);
      return;
    }
    const last = this.fingers.get(e.pointerId);
    if (!last) { this.svg.classList.toggle("near", this.nearest(e) !== null); return; }
    const now = [e.clientX, e.clientY], zoom = this.zoom();
    if (this.fingers.size === 2) {
      const other = [...this.fingers].find(([id]) => id !== e.pointerId)[1];
      const grown = Math.hypot(now[0] - other[0], now[1] - other[1]) / (Math.hypot(last[0] - other[0], last[1] - other[1]) || 1);
      this.scale(grown, this.at({ clientX: (now[0] + other[0]) / 2, clientY: (now[1] + other[1]) / 2 }));
    }
    const share = this.fingers.size === 2 ? 0.5 : 1;
    this.pan(((now[0] - last[0]) / zoom) * share, ((now[1] - last[1]) / zoom) * share);
    this.fingers.set(e.pointerId, now);
  }

  up(e, cancelled = false) {
    this.fingers.delete(e.pointerId);
    if (!this.fingers.size) this.svg.classList.remove("panning");
    if (!this.held || e.pointerId !== this.held.id) return;
    const { index, was } = this.held, moved = this.points[index].some((v, k) => Math.abs(v - was[index][k]) > 1e-6);
    this.held = null;
    this.svg.classList.remove("dragging");
    if (cancelled) this.points = was;
    if (moved && !cancelled) this.commit(); else this.draw();
  }

  place(index, x, y) {
    this.points[index] = [Math.min(Math.max(x, 0), this.data.width - 1), Math.min(Math.max(y, 0), this.data.height - 1)];
    this.draw();
  }

  key(e) {
    const index = this.handles.indexOf(e.target), far = e.shiftKey ? 5 : 1, word = e.key.toLowerCase();
    const arrow = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] }[word];
    if ((e.ctrlKey || e.metaKey) && (word === "z" || word === "y")) {
      this.press(word === "y" || e.shiftKey ? "redo" : "undo");
      return true;
    }
    if (e.ctrlKey || e.metaKey || e.altKey) return false;
    if (arrow && index >= 0) {
      this.before ??= copy(this.points);
      this.place(index, this.points[index][0] + arrow[0] * far, this.points[index][1] + arrow[1] * far);
      return true;
    }
    if (word === "enter" && this.before) { this.commit(); return true; }
    if (word === "escape" && this.before) { this.press("undo"); return true; }
    const act = { h: "hide", "+": "in", "=": "in", "-": "out", 0: "fit", pageup: "before", pagedown: "after" }[word];
    if (!act || e.target.closest("button")?.dataset.act === act) return false;
    this.press(act);
    return true;
  }

  press(name) {
    if (name === "undo" && this.before) {
      this.points = this.before;
      this.before = null;
      this.draw();
      return;
    }
    const button = this.part(`[data-act=${name}]`);
    if (name === "hide") {
      const hidden = this.box.classList.toggle("hidden");
      button.setAttribute("aria-pressed", String(hidden));
      // A hidden point loses the focus, and H must still show it again.
      if (this.box.getRootNode().activeElement !== button) this.box.focus({ preventScroll: true });
    } else if (name === "in" || name === "out") this.scale(name === "in" ? 1.25 : 0.8);
    else if (name === "fit") { this.fit(); this.draw(); }
    else if (name === "before" || name === "after") { if (!button.disabled) this.act("step", { by: name === "after" ? 1 : -1 }); }
    else if (!button.disabled || this.queue.length) this.act(name);
  }
}

const editors = new WeakMap();

export default function ({ parentElement, data, setStateValue }) {
  if (!editors.has(parentElement)) editors.set(parentElement, new Editor(parentElement));
  const editor = editors.get(parentElement);
  editor.send = (ops) => setStateValue("ops", ops);
  editor.receive(data);
}
