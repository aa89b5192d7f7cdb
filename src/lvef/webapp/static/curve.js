// The volume-time curve below the image: beats with their EF, ED and ES marks, and a cursor that moves from frame to frame.
import { el, svg } from "./dom.js";

const MARGIN = { left: 46, right: 12, top: 20, bottom: 20 };
const WIDE_BEAT_PX = 44,
  MARK_PX = 14,
  GRAB_PX = 16;
const MARKS = { ed: "M-5.5 -11H5.5L0 -2.5Z", es: "M-5.5 11H5.5L0 2.5Z" };

/** A step of 1, 2 or 5 times a power of ten, so that a span has at most so many. */
export function niceStep(span, most) {
  const rough = span / most,
    power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough * (1 - 1e-9)) ?? 10 * power;
}

/** The frame whose time is nearest. */
export function frameAt(times, time) {
  let [low, high] = [0, times.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle;
    else high = middle;
  }
  return time - times[low] <= times[high] - time ? low : high;
}

/** The curve. `onSeek(frame)` follows a click or a drag, `onPhase(phase, frame, isDone)` a drag of ED or ES. */
export class Curve {
  constructor({ t, onSeek, onPhase }) {
    Object.assign(this, { t, onSeek, onPhase });
    this.chart = svg("svg", {
      class: "v-curve-chart",
      role: "slider",
      tabindex: "0",
      "aria-label": t("viewer.curve.label"),
      "aria-valuemin": "1",
      "aria-valuenow": "1",
    });
    this.excluded = el("ul", { class: "v-visually-hidden", "aria-label": t("viewer.curve.excluded_list") });
    this.root = el("div", { class: "v-curve" }, this.chart, this.excluded);
    this.frame = 0;
    this.reader = null;
    this.size = [0, 0];
    this.observer = new ResizeObserver(([entry]) => {
      this.size = [entry.contentRect.width, entry.contentRect.height];
      this.draw();
    });
    this.observer.observe(this.root);
    this.#listen();
  }

  /** Shows another clip; returns whether it has a curve. */
  setView(view) {
    this.view = view;
    this.has = view.times?.length > 2 && (view.volume ?? []).some((v) => v !== null);
    this.root.hidden = !this.has;
    this.excluded.replaceChildren(...this.#excludedBeats().map((text) => el("li", {}, text)));
    this.draw();
    return this.has;
  }

  /** The reader's volumes as points, `{ed: {frame, volume}, es: ...}`; null for none. While a point moves the axes stay. */
  setReader(reader, isLive = false) {
    if (JSON.stringify(reader) === JSON.stringify(this.reader) && isLive === this.isLive) return;
    [this.reader, this.isLive] = [reader, isLive];
    if (isLive) this.#placeReader();
    else this.draw();
  }

  /** Moves the cursor; `text` is the frame in words. */
  setFrame(frame, text) {
    [this.frame, this.text] = [frame, text];
    this.#state();
    this.#place();
  }

  #state() {
    if (this.phaseFrames) return;
    const state = { min: 1, max: this.view?.times?.length ?? 1, now: this.frame + 1, text: this.text ?? "" };
    for (const [name, value] of Object.entries(state)) this.chart.setAttribute(`aria-value${name}`, String(value));
  }

  #excludedBeats() {
    return (this.view.beats ?? []).flatMap((beat, i) =>
      beat.excluded ? [this.t("viewer.curve.excluded_beat", { number: i + 1, reason: beat.excluded })] : [],
    );
  }

  draw() {
    const { chart, view } = this,
      [width, height] = this.size;
    if (!this.has || width < 60 || height < 40) return;
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    chart.replaceChildren();
    const box = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
    this.box = box;
    const own = Object.values(this.reader ?? {})
      .map((p) => p?.volume)
      .filter((v) => typeof v === "number");
    const values = [...view.volume, ...(view.reader_volume ?? [])].filter((v) => typeof v === "number").concat(own);
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const room = high - low || Math.max(high, 1);
    // Room for the marks above and below the line.
    const margin = (room * MARK_PX) / Math.max(box.bottom - box.top - 2 * MARK_PX, 1);
    [low, high] = [low - margin, high + margin];
    const [t0, t1] = [view.times[0], Math.max(view.times.at(-1), view.times[0] + 1e-3)];
    this.x = (time) => box.left + ((time - t0) / (t1 - t0)) * (box.right - box.left);
    this.y = (volume) => box.bottom - ((volume - low) / (high - low)) * (box.bottom - box.top);
    this.timeAt = (px) => t0 + ((px - box.left) / (box.right - box.left)) * (t1 - t0);
    this.#drawBeats(box);
    this.#drawAxes(box, [low, high], [t0, t1], height);
    this.#drawLine();
    this.cursor = svg("g", { class: "v-curve-cursor" }, svg("line", { y1: box.top, y2: box.bottom }));
    this.dot = svg("circle", { class: "v-curve-dot", r: 4.5 });
    const line = (phase) => svg("line", { class: `v-curve-phase v-${phase}`, y1: box.top, y2: box.bottom });
    this.phaseLines = { ed: line("ed"), es: line("es") };
    chart.append(...Object.values(this.phaseLines), this.cursor, this.dot);
    this.#place();
    this.#placePhases();
  }

  #drawBeats(box) {
    const { chart, view, t } = this;
    chart.append(
      svg(
        "defs",
        {},
        svg(
          "pattern",
          { id: "v-curve-hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
          svg("line", { class: "v-curve-hatch", x1: 0, y1: 0, x2: 0, y2: 7 }),
        ),
      ),
    );
    (view.beats ?? []).forEach((beat, i) => {
      const last = view.times.length - 1;
      const [a, b] = [beat.from, beat.to]
        .map((f) => this.x(view.times[Math.min(Math.max(f, 0), last)]))
        .sort((p, q) => p - q);
      const text = beat.excluded ? t("viewer.curve.excluded") : beat.text;
      const title = beat.excluded
        ? t("viewer.curve.excluded_beat", { number: i + 1, reason: beat.excluded })
        : t("viewer.curve.beat", { number: i + 1, ef: beat.text });
      const kind = beat.excluded ? "excluded" : beat.shown ? "shown" : "counted";
      chart.append(
        svg(
          "g",
          { class: `v-curve-beat v-${kind}` },
          svg("title", {}, title),
          svg("rect", { x: a, y: box.top, width: b - a, height: box.bottom - box.top }),
          beat.shown && svg("line", { class: "v-curve-shown", x1: a, x2: b, y1: box.top, y2: box.top }),
          b - a > WIDE_BEAT_PX && svg("text", { x: (a + b) / 2, y: box.top - 6, "text-anchor": "middle" }, text),
        ),
      );
    });
  }

  #drawAxes(box, [low, high], [t0, t1], height) {
    const { chart, view, t } = this;
    const step = niceStep(high - low, 3);
    for (let v = Math.max(0, Math.ceil(low / step)) * step; v <= high; v += step) {
      chart.append(
        svg("line", { class: "v-curve-grid", x1: box.left, x2: box.right, y1: this.y(v), y2: this.y(v) }),
        svg("text", { x: box.left - 7, y: this.y(v) + 4, "text-anchor": "end" }, `${+v.toFixed(2)}`),
      );
    }
    const tick = niceStep(t1 - t0, Math.max(2, Math.floor((box.right - box.left) / 90)));
    for (let s = Math.ceil(t0 / tick - 1e-9) * tick; s <= t1 + 1e-9; s += tick) {
      const near = box.right - this.x(s) < 34,
        isLast = s + tick > t1 + 1e-9;
      chart.append(
        svg(
          "text",
          { x: this.x(s), y: height - 5, "text-anchor": near ? "end" : "middle" },
          `${+s.toFixed(2)}${isLast ? " s" : ""}`,
        ),
      );
    }
    const unit = view.unit?.startsWith("ml") ? "ml" : t("viewer.curve.percent_of_ed");
    chart.append(svg("text", { class: "v-curve-unit", x: 2, y: 12 }, unit));
  }

  #drawLine() {
    const { chart, view } = this;
    const path = (volume) =>
      volume
        .map((v, f) => {
          if (v === null) return "";
          const pen = typeof volume[f - 1] === "number" ? "L" : "M";
          return `${pen}${this.x(view.times[f]).toFixed(1)} ${this.y(v).toFixed(1)}`;
        })
        .join("");
    chart.append(svg("path", { class: "v-curve-line", d: path(view.volume) }));
    if (view.reader_volume) chart.append(svg("path", { class: "v-curve-line v-carried", d: path(view.reader_volume) }));
    for (const { frame: f, phase, counted } of view.marks ?? []) {
      if (typeof view.volume[f] !== "number") continue;
      chart.append(
        svg("path", {
          class: `v-curve-mark v-${phase}${counted ? "" : " v-faded"}`,
          d: MARKS[phase],
          transform: `translate(${this.x(view.times[f]).toFixed(1)} ${this.y(view.volume[f]).toFixed(1)})`,
        }),
      );
    }
    this.readers = Object.fromEntries(["ed", "es"].map((phase) => [phase, this.#readerPoint(phase)]));
    chart.append(...Object.values(this.readers));
    this.#placeReader();
  }

  #readerPoint(phase) {
    const title = svg("title", {}, this.t(`viewer.curve.reader_${phase}`));
    return svg("circle", { class: `v-curve-reader v-${phase}`, r: 5, visibility: "hidden" }, title);
  }

  #placeReader() {
    for (const [phase, node] of Object.entries(this.has && this.readers ? this.readers : {})) {
      const point = this.reader?.[phase];
      node.setAttribute("visibility", point ? "visible" : "hidden");
      if (!point) continue;
      const y = Math.min(Math.max(this.y(point.volume), this.box.top), this.box.bottom);
      node.setAttribute("transform", `translate(${this.x(this.view.times[point.frame]).toFixed(1)} ${y.toFixed(1)})`);
    }
  }

  #place() {
    const { view, frame } = this;
    if (!this.has || !this.cursor || !(frame < view.times.length)) return;
    const x = this.x(view.times[frame]),
      v = view.volume[frame];
    this.cursor.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
    this.dot.setAttribute("visibility", v === null || v === undefined ? "hidden" : "visible");
    if (typeof v === "number") this.dot.setAttribute("transform", `translate(${x.toFixed(1)} ${this.y(v).toFixed(1)})`);
  }

  /** While correcting: lines at the frames of ED and ES, which can be dragged; null for the cursor instead. */
  setPhases(frames) {
    this.phaseFrames = frames;
    const { chart } = this;
    const isSlider = !frames;
    chart.setAttribute("role", isSlider ? "slider" : "img");
    chart.setAttribute("tabindex", isSlider ? "0" : "-1");
    chart.setAttribute("aria-label", this.t(isSlider ? "viewer.curve.label" : "viewer.curve.label_correct"));
    if (isSlider) this.#state();
    else for (const name of ["min", "max", "now", "text"]) chart.removeAttribute(`aria-value${name}`);
    chart.classList.toggle("v-correcting", Boolean(frames));
    this.#placePhases();
  }

  #placePhases() {
    for (const [phase, node] of Object.entries(this.has && this.phaseLines ? this.phaseLines : {})) {
      const frame = this.held?.phase === phase ? this.held.frame : this.phaseFrames?.[phase];
      node.setAttribute("visibility", typeof frame === "number" ? "visible" : "hidden");
      if (typeof frame === "number")
        node.setAttribute("transform", `translate(${this.x(this.view.times[frame]).toFixed(1)} 0)`);
    }
  }

  #nearestPhase(px) {
    const away = (phase) => Math.abs(this.x(this.view.times[this.phaseFrames[phase]]) - px);
    const near = Object.keys(this.phaseFrames).filter(
      (phase) => typeof this.phaseFrames[phase] === "number" && away(phase) < GRAB_PX,
    );
    return near.sort((a, b) => away(a) - away(b))[0];
  }

  #listen() {
    const { chart } = this;
    let left = 0;
    const frameOf = (event) => frameAt(this.view.times, this.timeAt(event.clientX - left));
    const move = (event) => {
      const frame = frameOf(event);
      if (!this.held) this.onSeek(frame);
      else if (frame !== this.held.frame) {
        this.held.frame = frame;
        this.#placePhases();
        this.onPhase(this.held.phase, frame, false);
      }
    };
    chart.addEventListener("pointerdown", (event) => {
      if (event.button > 0 || !this.timeAt) return;
      left = chart.getBoundingClientRect().left;
      const phase = this.phaseFrames && this.#nearestPhase(event.clientX - left);
      if (this.phaseFrames && !phase) return;
      this.held = phase ? { phase, frame: this.phaseFrames[phase], before: this.phaseFrames[phase] } : null;
      chart.setPointerCapture(event.pointerId);
      if (!phase) move(event);
    });
    chart.addEventListener("pointermove", (event) => {
      if (chart.hasPointerCapture(event.pointerId)) move(event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      chart.addEventListener(name, () => {
        const { held } = this;
        this.held = null;
        // A touch that turns into scrolling moves nothing.
        if (held) this.onPhase(held.phase, name === "pointerup" ? held.frame : held.before, true);
      });
    }
  }

  /** Removes the curve. */
  destroy() {
    this.observer.disconnect();
    this.root.remove();
  }
}
