// The interval bar: EF, prediction interval, second opinion and the reader's EF on the scale of the heart-failure ranges.
import { svg } from "./dom.js";
import { t } from "./text.js";

const WIDTH = 328,
  LEFT = 8,
  RIGHT = 8,
  MIDDLE = 16,
  HEIGHT = 44;
/** Ends of the heart-failure ranges, as lvef.report.charts.TICKS_PERCENT. */
export const CUTS = [0, 40, 50, 100];

/** The bar as SVG; `other`, `machine` and `known` are further EFs or null. */
export function intervalBar({ ef, low, high, level, other, machine, known }) {
  const at = (value) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.min(100, Math.max(0, value))) / 100;
  const isKnown = (value) => Number.isFinite(value);
  const rails = CUTS.slice(1).map((end, i) =>
    svg("rect", {
      class: `rail ${isKnown(ef) && rangeOf(ef) === RANGES[i] ? "own" : ""}`,
      x: at(CUTS[i]) + (i ? 1 : 0),
      y: MIDDLE - 4,
      width: at(end) - at(CUTS[i]) - (i ? 1 : 0) - (end < 100 ? 1 : 0),
      height: 8,
      rx: 1,
    }),
  );
  const ticks = [
    ["start", 0],
    ["end", 3],
    ["start", -3],
    ["end", 0],
  ].map(([anchor, aside], i) => svg("text", { x: at(CUTS[i]) + aside, y: 40, "text-anchor": anchor }, String(CUTS[i])));
  const names = [
    [20, "result.bar.reduced"],
    [75, "result.bar.preserved"],
  ].map(([value, key]) => svg("text", { class: "range", x: at(value), y: 40, "text-anchor": "middle" }, t(key)));
  const span =
    isKnown(low) && isKnown(high)
      ? svg("path", {
          class: "span",
          d: [`M${at(low)} ${MIDDLE}H${at(high)}`, ...[low, high].map((end) => `M${at(end)} ${MIDDLE - 8}v16`)].join(""),
        })
      : null;
  const diamond = isKnown(other) ? svg("path", { class: "other", d: `M${at(other)} ${MIDDLE - 7}l6 7l-6 7l-6 -7z` }) : null;
  const hollow = isKnown(machine) ? svg("circle", { class: "machine", cx: at(machine), cy: MIDDLE, r: 6 }) : null;
  const mark = isKnown(known) ? svg("path", { class: "known", d: `M${at(known)} ${MIDDLE - 9}l-5 -7h10z` }) : null;
  const dot = isKnown(ef) ? svg("circle", { class: "dot", cx: at(ef), cy: MIDDLE, r: 7 }) : null;
  const words = [t("result.bar.ef", { ef: round(ef) })];
  if (span)
    words.push(t("result.bar.interval", { level: Math.round(100 * (level ?? 0.9)), low: round(low), high: round(high) }));
  if (diamond) words.push(t("result.bar.second", { ef: round(other) }));
  if (hollow) words.push(t("result.bar.machine", { ef: round(machine) }));
  if (mark) words.push(t("result.bar.known", { ef: round(known) }));
  return svg(
    "svg",
    {
      class: "ef-bar",
      preserveAspectRatio: "xMinYMid",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `${words.join(", ")}.`,
    },
    rails,
    ticks,
    names,
    mark,
    span,
    hollow,
    diamond,
    dot,
  );
}

/** Keys of the heart-failure ranges, from left to right. */
const RANGES = ["reduced", "mildly_reduced", "preserved"];

/** The heart-failure range of the rounded EF. */
export const rangeOf = (ef) => RANGES[round(ef) <= CUTS[1] ? 0 : round(ef) < CUTS[2] ? 1 : 2];

const round = (value) => (Number.isFinite(value) ? Math.floor(value + 0.5) : "-");
