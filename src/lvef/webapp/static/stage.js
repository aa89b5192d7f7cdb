// One image with what is drawn on it: a canvas for the image, SVG above it for contours and points. Cine, ED and ES are such
// stages, while correcting too. A camera says which part of the image is seen; stages that share a camera show it at one
// scale and centre.
//
// Display units: x in pixels of the image, y in pixels times the pixel aspect, so that a millimetre is as long in x as in y.
import { el, svg } from "./dom.js";

const MOST_ZOOM = 16,
  LEAST_ZOOM = 0.6;

/** Which part of the image is seen. */
export class Camera {
  constructor() {
    this.box = { x: 0, y: 0, w: 1, h: 1 };
    this.whole = this.box;
    this.watchers = new Set();
    this.sizes = new Map();
    this.size = [0, 0];
    this.fit();
  }

  /** Takes the size of a stage. All have one scale, whatever a fraction of a pixel of the layout makes of their sizes. */
  setSize(stage, size) {
    this.sizes.set(stage, size);
    const seen = [...this.sizes.values()].filter(([w, h]) => w > 0 && h > 0);
    this.size = seen.length ? [0, 1].map((k) => Math.min(...seen.map((one) => one[k]))) : [0, 0];
    this.changed();
  }

  /** Sets the box that `fit` shows, and the whole image that limits panning. */
  setBox(box, whole, keep = false) {
    [this.box, this.whole] = [box, whole];
    if (!keep) this.fit();
  }

  /** Shows the box. */
  fit() {
    this.zoom = 1;
    [this.x, this.y] = [this.box.x + this.box.w / 2, this.box.y + this.box.h / 2];
    this.changed();
  }

  /** Enlarges by a factor; the point `about`, in display units, stays where it is. */
  scaleBy(factor, about = [this.x, this.y]) {
    const zoom = Math.min(Math.max(this.zoom * factor, LEAST_ZOOM), MOST_ZOOM),
      by = this.zoom / zoom;
    this.zoom = zoom;
    [this.x, this.y] = [about[0] + (this.x - about[0]) * by, about[1] + (this.y - about[1]) * by];
    this.moveBy(0, 0);
  }

  /** Moves the centre, in display units. */
  moveBy(dx, dy) {
    const { x, y, w, h } = this.whole;
    this.x = Math.min(Math.max(this.x + dx, x), x + w);
    this.y = Math.min(Math.max(this.y + dy, y), y + h);
    this.changed();
  }

  changed() {
    for (const watcher of this.watchers) watcher();
  }
}

/** A path's data from display units. */
export function pathOf(points, closed = false) {
  if (!points?.length) return "";
  let d = "";
  for (let i = 0; i < points.length; i++) d += `${i ? "L" : "M"}${points[i][0].toFixed(2)} ${points[i][1].toFixed(2)}`;
  return closed ? `${d}Z` : d;
}

/** One image; `layers` are the names of its paths, the lowest first. */
export class Stage {
  constructor({ camera, label, layers = [] }) {
    this.camera = camera;
    this.geometry = { width: 1, height: 1, aspect: 1 };
    this.bitmap = null;
    this.fingers = new Map();
    this.canvas = el("canvas", { class: "v-stage-image", "aria-hidden": "true" });
    this.world = svg("g", { class: "v-world" });
    this.screen = svg("g", { class: "v-screen" });
    this.overlay = svg("svg", { class: "v-stage-overlay" }, this.world, this.screen);
    this.root = el(
      "div",
      { class: "v-stage", role: "group", "aria-label": label, tabindex: "0" },
      this.canvas,
      this.overlay,
    );
    this.paths = new Map(layers.map((name) => [name, this.#layer(name)]));
    this.onView = null; // after zoom, pan and resize
    this.onDown = null; // (event) -> true where a tool takes the pointer
    this.onMove = null;
    this.onUp = null;
    this.watch = () => this.#arrange();
    camera.watchers.add(this.watch);
    this.observer = new ResizeObserver(([entry]) => this.#resize(entry));
    this.observer.observe(this.root);
    this.#listen();
  }

  #layer(name) {
    // A dark line below keeps a contour visible on bright tissue.
    const under = svg("path", { class: `v-${name} v-under` }),
      over = svg("path", { class: `v-${name}` });
    this.world.append(under, over);
    return [under, over];
  }

  /** Draws a path in display units; null removes it. */
  draw(name, d) {
    for (const node of this.paths.get(name)) node.setAttribute("d", d ?? "");
  }

  /** Size and pixel aspect of the image. */
  setGeometry(geometry) {
    this.geometry = geometry;
    this.#arrange();
  }

  /** Shows a bitmap; null shows black. */
  setBitmap(bitmap) {
    if (this.bitmap === bitmap) return;
    this.bitmap = bitmap;
    this.#paint();
  }

  /** Size on which the view is centred, in pixels of the screen. */
  get size() {
    return this.camera.size;
  }

  /** Screen pixels of one display unit. */
  get scale() {
    const { box, zoom } = this.camera;
    return zoom * Math.min(this.size[0] / box.w, this.size[1] / box.h) || 1;
  }

  /** Pixels of the image to pixels of the stage. */
  toScreen([x, y]) {
    const { scale, camera } = this;
    return [(x - camera.x) * scale + this.size[0] / 2, (y * this.geometry.aspect - camera.y) * scale + this.size[1] / 2];
  }

  /** A pointer event to pixels of the image. The stage's place is read once per gesture, not per move. */
  toImage(event, rect = this.rect ?? this.root.getBoundingClientRect()) {
    const [x, y] = this.#toDisplay(event.clientX - rect.left, event.clientY - rect.top);
    return [x, y / this.geometry.aspect];
  }

  /** A pointer event to pixels of the stage. */
  toStage(event) {
    return [event.clientX - this.rect.left, event.clientY - this.rect.top];
  }

  #toDisplay(px, py) {
    return [(px - this.size[0] / 2) / this.scale + this.camera.x, (py - this.size[1] / 2) / this.scale + this.camera.y];
  }

  #resize(entry) {
    const { width, height } = entry.contentRect;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.max(1, Math.round(width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(height * this.ratio));
    this.camera.setSize(this, [width, height]);
  }

  #arrange() {
    const { scale, camera, size } = this;
    this.world.setAttribute(
      "transform",
      `translate(${size[0] / 2 - camera.x * scale} ${size[1] / 2 - camera.y * scale}) scale(${scale})`,
    );
    this.root.classList.toggle("v-zoomed", camera.zoom !== 1);
    this.#paint();
    this.onView?.();
  }

  #paint() {
    const context = this.canvas.getContext("2d", { alpha: false }),
      ratio = this.ratio ?? 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    // A bitmap that the cache has closed has no width.
    if (!this.bitmap?.width || !this.size[0]) return;
    const { width, height, aspect } = this.geometry,
      { scale, camera, size } = this;
    // Whole numbers are the centres of pixels, so the image begins half a pixel before.
    const [x, y] = [(-0.5 - camera.x) * scale + size[0] / 2, (-0.5 * aspect - camera.y) * scale + size[1] / 2];
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, x * ratio, y * ratio, width * scale * ratio, height * aspect * scale * ratio);
  }

  #listen() {
    const { root } = this;
    root.addEventListener("pointerenter", () => {
      if (!this.fingers.size) this.rect = root.getBoundingClientRect();
    });
    root.addEventListener("pointerdown", (event) => this.#down(event));
    root.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, (event) => this.#up(event));
    root.addEventListener("dblclick", () => this.camera.fit());
    root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !"+=-0".includes(event.key)) return;
      if (event.key === "0") this.camera.fit();
      else this.camera.scaleBy(event.key === "-" ? 0.8 : 1.25);
      event.preventDefault();
      event.stopPropagation();
    });
  }

  #wheel(event) {
    const page = document.scrollingElement;
    // Where the page itself scrolls, only a stage in use takes the wheel.
    if (!event.ctrlKey && page.scrollHeight > page.clientHeight + 1 && !hasFocus(this.root)) return;
    event.preventDefault();
    const rect = this.root.getBoundingClientRect();
    const about = this.#toDisplay(event.clientX - rect.left, event.clientY - rect.top);
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.camera.scaleBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), about);
  }

  #down(event) {
    if (event.button > 0) return;
    this.rect = this.root.getBoundingClientRect();
    this.root.setPointerCapture(event.pointerId);
    if (this.fingers.size === 0 && this.onDown?.(event)) {
      this.tool = event.pointerId;
      return;
    }
    if (this.tool !== undefined) return;
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    this.root.classList.toggle("v-panning", this.camera.zoom !== 1 || this.fingers.size > 1);
  }

  #move(event) {
    if (this.tool !== undefined || !this.fingers.has(event.pointerId)) {
      if (this.tool === undefined || this.tool === event.pointerId) this.onMove?.(event);
      return;
    }
    const last = this.fingers.get(event.pointerId),
      now = [event.clientX, event.clientY];
    const share = this.fingers.size === 2 ? 0.5 : 1;
    if (this.fingers.size === 2) {
      const other = [...this.fingers].find(([id]) => id !== event.pointerId)[1];
      const grown =
        Math.hypot(now[0] - other[0], now[1] - other[1]) / (Math.hypot(last[0] - other[0], last[1] - other[1]) || 1);
      const middle = { clientX: (now[0] + other[0]) / 2, clientY: (now[1] + other[1]) / 2 };
      this.camera.scaleBy(grown, this.#toDisplay(...this.toStage(middle)));
    }
    // A finger on an image that is not enlarged scrolls the page.
    if (this.camera.zoom !== 1 || this.fingers.size > 1 || event.pointerType === "mouse") {
      this.camera.moveBy((-(now[0] - last[0]) / this.scale) * share, (-(now[1] - last[1]) / this.scale) * share);
    }
    this.fingers.set(event.pointerId, now);
  }

  #up(event) {
    if (this.tool === event.pointerId) {
      this.tool = undefined;
      this.onUp?.(event);
    }
    this.fingers.delete(event.pointerId);
    if (!this.fingers.size) this.root.classList.remove("v-panning");
  }

  /** Removes the stage. */
  destroy() {
    this.observer.disconnect();
    this.camera.watchers.delete(this.watch);
    this.camera.sizes.delete(this);
    this.root.remove();
  }
}

const hasFocus = (root) => root.contains(document.activeElement);
