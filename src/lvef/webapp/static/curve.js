// The volume-time curve below the image: beats with their EF, ED and ES marks, and a cursor that moves from frame to frame.
import { el, svg } from "./dom.js";

const MARGIN = { left: 46, right: 12, top: 20, bottom: 20 };
const WIDE_BEAT_PX = 44;
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

/** The curve. `onSeek(frame)` follows a click, a drag or a key. */
export class Curve {
  constructor({ t, onSeek }) {
    [this.t, this.onSeek] = [t, onSeek];
    this.chart = svg("svg", {
      class: "v-curve-chart",
      role: "slider",
      tabindex: "0",
      "aria-label": t("viewer.curve.label"),
      "aria-valuemin": "1",
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
    this.chart.setAttribute("aria-valuemax", String(view.times?.length ?? 1));
    this.draw();
    return this.has;
  }

  /** The reader's volumes as points, `{ed: {frame, volume}, es: ...}`; null for none. */
  setReader(reader) {
    if (JSON.stringify(reader) === JSON.stringify(this.reader)) return;
    this.reader = reader;
    this.draw();
  }

  /** Moves the cursor. */
  setFrame(frame, text) {
    this.frame = frame;
    this.chart.setAttribute("aria-valuenow", String(frame + 1));
    this.chart.setAttribute("aria-valuetext", text);
    this.#place();
  }

  #excludedBeats() {
    return (this.view.beats ?? []).flatMap((beat, i) =>
      beat.excluded ? [this.t("viewer.curve.excluded_beat", { number: i + 1, reason: beat.excluded })] : [],
    );
  }

  draw() {
    const {
      chart,
      view,
      size: [width, height],
    } = this;
    if (!this.has || width < 60 || height < 40) return;
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    chart.replaceChildren();
    const box = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
    const own = Object.values(this.reader ?? {})
      .map((p) => p?.volume)
      .filter((v) => typeof v === "number");
    const values = [...view.volume.filter((v) => v !== null), ...own];
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const room = high - low || Math.max(high, 1);
    [low, high] = [Math.max(0, low - 0.16 * room), high + 0.16 * room];
    const [t0, t1] = [view.times[0], Math.max(view.times.at(-1), view.times[0] + 1e-3)];
    this.x = (time) => box.left + ((time - t0) / (t1 - t0)) * (box.right - box.left);
    this.y = (volume) => box.bottom - ((volume - low) / (high - low)) * (box.bottom - box.top);
    this.timeAt = (px) => t0 + ((px - box.left) / (box.right - box.left)) * (t1 - t0);
    this.#drawBeats(box);
    this.#drawAxes(box, [low, high], [t0, t1], height);
    this.#drawLine();
    this.cursor = svg("g", { class: "v-curve-cursor" }, svg("line", { y1: box.top, y2: box.bottom }));
    this.dot = svg("circle", { class: "v-curve-dot", r: 4.5 });
    chart.append(this.cursor, this.dot);
    this.#place();
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
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
      chart.append(
        svg("line", { class: "v-curve-grid", x1: box.left, x2: box.right, y1: this.y(v), y2: this.y(v) }),
        svg("text", { x: box.left - 7, y: this.y(v) + 4, "text-anchor": "end" }, `${+v.toFixed(2)}`),
      );
    }
    const tick = niceStep(t1 - t0, Math.max(2, Math.floor((box.right - box.left) / 90)));
    for (let s = Math.ceil(t0 / tick - 1e-9) * tick; s <= t1 + 1e-9; s += tick) {
      const near = box.right - this.x(s) < 34;
      chart.append(
        svg(
          "text",
          { x: this.x(s), y: height - 5, "text-anchor": near ? "end" : "middle" },
          `${+s.toFixed(2)}${near ? " s" : ""}`,
        ),
      );
    }
    const unit = view.unit?.startsWith("ml") ? "ml" : t("viewer.curve.percent_of_ed");
    chart.append(svg("text", { class: "v-curve-unit", x: 2, y: 12 }, unit));
  }

  #drawLine() {
    const { chart, view } = this;
    let d = "",
      pen = "M";
    view.volume.forEach((v, f) => {
      if (v === null) {
        pen = "M";
        return;
      }
      d += `${pen}${this.x(view.times[f]).toFixed(1)} ${this.y(v).toFixed(1)}`;
      pen = "L";
    });
    chart.append(svg("path", { class: "v-curve-line", d }));
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
    for (const [phase, point] of Object.entries(this.reader ?? {})) {
      if (typeof point?.volume !== "number") continue;
      chart.append(
        svg(
          "circle",
          { class: `v-curve-reader v-${phase}`, r: 5, cx: this.x(view.times[point.frame]), cy: this.y(point.volume) },
          svg("title", {}, this.t(`viewer.curve.reader_${phase}`)),
        ),
      );
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

  #listen() {
    const { chart } = this;
    let left = 0;
    const seek = (event) => {
      if (this.timeAt) this.onSeek(frameAt(this.view.times, this.timeAt(event.clientX - left)));
    };
    chart.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      left = chart.getBoundingClientRect().left;
      chart.setPointerCapture(event.pointerId);
      seek(event);
    });
    chart.addEventListener("pointermove", (event) => {
      if (chart.hasPointerCapture(event.pointerId)) seek(event);
    });
  }

  /** Removes the curve. */
  destroy() {
    this.observer.disconnect();
    this.root.remove();
  }
}
