// The upper part of the result, which stays in sight: EF with interval, decision and class, or why there is no EF.
import { intervalBar, rangeOf } from "./bar.js";
import { menuButton } from "./dialogs.js";
import { button, el, icon, rebuild } from "./dom.js";
import { factsTable, rowsOf } from "./tables.js";
import { hasText, reasonParts, t } from "./text.js";

const MARKS = { accepted: "check", caution: "warning", refused: "refused", failed: "refused", stopped: "stop" };

/** The part in `root`. `actions` holds what its buttons do: again, compare, forget, swap. */
export function createResult({ root, actions }) {
  function draw({ item, detail, mode, preview }) {
    rebuild(
      root,
      JSON.stringify(["ef", item.id, item.revision, item.name, detail?.revision, detail?.result, mode, preview, item.state]),
      () => efPart(item, detail, mode, preview),
    );
  }

  /** What stands there while a clip is measured. */
  function drawWaiting() {
    rebuild(root, "waiting", () => [el("p", { class: "ef-label" }, t("state.waiting_result")), skeleton()]);
  }

  function efPart(item, detail, mode, preview) {
    const result = detail?.result;
    return [
      title(item),
      result
        ? result.ef_percent === null || result.ef_percent === undefined
          ? refusal(item, result, detail)
          : efBlock(item, detail, mode, preview)
        : skeleton(),
    ];
  }

  function title(item) {
    return el(
      "div",
      { class: "ef-title" },
      el("h2", { title: item.name }, item.name),
      menuButton({
        label: t("result.more"),
        drawing: "more",
        kind: "quiet",
        focus: "more",
        items: [
          button({ text: t("result.again"), drawing: "again", kind: "quiet", on: () => actions.again(item) }),
          item.state === "done"
            ? button({ text: t("result.compare"), drawing: "table", kind: "quiet", on: () => actions.compare(item) })
            : null,
          button({ text: t("result.forget"), drawing: "forget", kind: "quiet", on: () => actions.forget(item) }),
        ].filter(Boolean),
      }),
    );
  }

  function skeleton() {
    return el("div", { class: "waiting-ef", "aria-hidden": "true" }, el("span"), el("span"), el("span"));
  }

  function efBlock(item, detail, mode, preview) {
    const { result, machine } = detail;
    const isReader = Boolean(machine) || Boolean(preview);
    const model = machine || (preview ? result : null);
    const shown = preview || {
      ef_percent: result.ef_percent,
      ef_text: result.ef_text,
      difference_text: result.correction?.difference_text,
    };
    const interval = preview ? null : result.interval;
    const known = detail.known_ef_percent ?? result.known_ef_percent;
    return [
      el(
        "div",
        { class: "ef-main" },
        el(
          "div",
          { class: "ef-figure" },
          el("p", { class: "ef-label" }, t(isReader ? "result.reader_ef" : "result.ef")),
          efNumber(shown, Boolean(preview)),
        ),
        isReader
          ? el(
              "div",
              { class: "ef-model" },
              el("p", { class: "ef-label" }, t("result.model_ef")),
              el(
                "p",
                { class: "ef-second" },
                result.correction?.machine_ef_text && machine ? result.correction.machine_ef_text : model.ef_text,
              ),
              shown.difference_text ? el("p", { class: "soft" }, shown.difference_text) : null,
            )
          : badgeBlock(result, true),
      ),
      el(
        "div",
        { class: "ef-scale" },
        el(
          "p",
          { class: "interval" },
          interval?.text
            ? [
                el("strong", {}, interval.text),
                " ",
                el("span", { class: "soft" }, t("result.interval", { level: Math.round(100 * (interval.level ?? 0.9)) })),
              ]
            : el("span", { class: "soft" }, t(preview ? "result.preview" : "result.no_interval")),
        ),
        intervalBar({
          ef: shown.ef_percent,
          low: interval?.low,
          high: interval?.high,
          level: interval?.level,
          other: result.second_opinion?.ef_percent,
          machine: isReader ? model.ef_percent : null,
          known,
        }),
      ),
      isReader && mode !== "correct" ? badgeBlock(result, false) : null,
      el(
        "p",
        { class: "class-row" },
        el("span", { class: "soft" }, result.category?.label || t("result.class")),
        el("strong", {}, preview ? previewClass(result.category, preview) : classText(result.category)),
      ),
      known !== null && known !== undefined ? el("p", { class: "known soft" }, knownText(known, shown.ef_percent)) : null,
    ];
  }

  function badgeBlock(result) {
    const name = result.decision || "";
    if (!name) return null;
    return el("div", { class: "decision" }, badge(name), el("p", {}, result.decision_text || ""));
  }

  function refusal(item, result, detail) {
    const isRefused = item.state === "refused";
    const found = rowsOf(result.values || []).filter(([, text]) => text && text !== "-");
    const {
      title: name,
      text,
      remedy,
    } = reasonParts({ reason: result.reason || item.reason, reason_code: result.reason_code || item.reason_code });
    return el(
      "div",
      { class: "refusal" },
      badge("refused", t(isRefused ? "result.refused_title" : "result.failed_title")),
      el("p", { class: "refusal-title" }, name),
      el("p", { class: "refusal-reason" }, text),
      remedy ? el("p", { class: "remedy" }, remedy) : null,
      detail.swap
        ? button({ text: t("result.swap"), drawing: "swap", kind: "primary", focus: "swap", on: () => actions.swap(item) })
        : null,
      found.length ? [el("h3", {}, t("result.found")), factsTable(found)] : null,
    );
  }

  return { draw, drawWaiting };
}

/** A decision as a badge: word and sign, not colour alone. */
export function badge(name, text) {
  return el(
    "span",
    { class: `badge ${name}` },
    icon(MARKS[name] || "warning"),
    el("span", {}, text || t(`decision.${name}`)),
  );
}

/** What a phantom's known EF says of the measured one. */
export function knownText(known, measured) {
  const values = { known: known.toFixed(1) };
  if (!Number.isFinite(measured)) return t("result.known", values);
  const apart = measured - known;
  return t(Math.abs(apart) < 0.05 ? "result.known_same" : apart < 0 ? "result.known_below" : "result.known_above", {
    ...values,
    points: Math.abs(apart).toFixed(1),
  });
}

/** The class in words of the catalogue, or of the server. */
export function classText(category) {
  const key = `classes.${category?.table}.${category?.key}`;
  return hasText(key) ? t(key) : category?.text || "-";
}

/** The class while a contour is moved: only the heart-failure range needs no more than the EF. */
function previewClass(category, { ef_percent: ef }) {
  return category?.table === "heart_failure" && Number.isFinite(ef)
    ? classText({ table: "heart_failure", key: rangeOf(ef) })
    : "-";
}

function efNumber(shown, isLive) {
  const [whole, unit] = /^(-?\d+(?:\.\d+)?)\s*(%)$/.exec(shown.ef_text || "")?.slice(1) || [shown.ef_text || "-", ""];
  return el("p", { class: `ef-number ${isLive ? "live" : ""}` }, whole, unit ? el("span", { class: "unit" }, unit) : null);
}
