// The result: EF with interval, decision and class on top; values, warnings, image quality, tabs and files below.
import * as api from "./api.js";
import { intervalBar, rangeOf } from "./bar.js";
import { menuButton } from "./dialogs.js";
import { button, el, icon, rebuild, svg } from "./dom.js";
import { beatsTable, factsTable, rowsOf } from "./tables.js";
import { hasText, reasonParts, t, warningText } from "./text.js";

const SHOWN_WARNINGS = 3;
const VOLUMES = ["edv_ml", "esv_ml"], OTHER_VALUES = ["heart_rate_bpm", "beats"];
const MAIN_VALUES = ["edv_ml", "esv_ml", "stroke_volume_ml", "heart_rate_bpm"];
/** Codes of the warnings that come first: the EF may be wrong altogether. */
const FIRST = ["patients_differ", "views_swapped", "view_contradicts_image", "view_contradicts_file", "models_disagree", "experimental_network", "implausible_shape", "implausible_shortening",
  "no_whole_beat", "irregular_rhythm", "irregular_few_beats", "beats_cross_range", "wide_interval"];
const TABS = ["values", "beats", "quality", "method"];
const FILES = ["report.pdf", "report.html", "measurement.json", "curve.csv", "beats.csv", "correction.json", "overlay.mp4", "summary.png", "all.zip"];
const MARKS = { accepted: "check", caution: "warning", refused: "refused", failed: "refused", stopped: "stop" };

/**
 * The two parts of the result column: `ef` stays in sight, `details` scrolls. `actions` holds what its buttons do:
 * correct, scale, swap, again, forget, compare.
 */
export function createResult({ ef, details, actions }) {
  let tab = "values", isAllShown = false, shownId = null;

  function draw({ item, detail, mode, preview }) {
    if (item.id !== shownId) [shownId, isAllShown] = [item.id, false];
    rebuild(ef, JSON.stringify(["ef", item.id, item.revision, item.name, detail?.revision, detail?.result, mode, preview, item.state]), () => efPart(item, detail, mode, preview));
    rebuild(details, JSON.stringify(["details", item.id, detail?.revision, detail?.result, detail?.by_part, detail?.scale, detail?.swap, tab, isAllShown, mode, item.state]), () => detailsPart(item, detail, mode));
    showVolumes(preview);
  }

  /** Volumes of contours that are being moved; the stored ones without. */
  function showVolumes(preview) {
    for (const [key, text] of [["edv_ml", preview?.edv_text], ["esv_ml", preview?.esv_text]]) {
      const node = details.querySelector(`[data-value="${key}"]`);
      if (node) node.textContent = text || node.dataset.text;
    }
  }

  /** What stands there while a clip is measured. */
  function drawWaiting() {
    rebuild(ef, "waiting", () => [el("p", { class: "ef-label" }, t("state.waiting_result")), skeleton()]);
  }

  function efPart(item, detail, mode, preview) {
    const result = detail?.result;
    return [title(item), result ? (result.ef_percent === null || result.ef_percent === undefined ? refusal(item, result, detail) : efBlock(item, detail, mode, preview)) : skeleton()];
  }

  function title(item) {
    return el("div", { class: "ef-title" }, el("h2", { title: item.name }, item.name), menuButton({
      label: t("result.more"), drawing: "more", kind: "quiet", focus: "more", items: [
        button({ text: t("result.again"), drawing: "again", kind: "quiet", on: () => actions.again(item) }),
        item.state === "done" ? button({ text: t("result.compare"), drawing: "table", kind: "quiet", on: () => actions.compare(item) }) : null,
        button({ text: t("result.forget"), drawing: "forget", kind: "quiet", on: () => actions.forget(item) }),
      ].filter(Boolean),
    }));
  }

  function skeleton() {
    return el("div", { class: "waiting-ef", "aria-hidden": "true" }, el("span"), el("span"), el("span"));
  }

  function efBlock(item, detail, mode, preview) {
    const { result, machine } = detail;
    const isReader = Boolean(machine) || Boolean(preview);
    const model = machine || (preview ? result : null);
    const shown = preview || { ef_percent: result.ef_percent, ef_text: result.ef_text, difference_text: result.correction?.difference_text };
    const interval = preview ? null : result.interval;
    const known = detail.known_ef_percent ?? result.known_ef_percent;
    return [
      el("div", { class: "ef-main" },
        el("div", { class: "ef-figure" }, el("p", { class: "ef-label" }, t(isReader ? "result.reader_ef" : "result.ef")), efNumber(shown, Boolean(preview))),
        isReader ? el("div", { class: "ef-model" }, el("p", { class: "ef-label" }, t("result.model_ef")),
          el("p", { class: "ef-second" }, result.correction?.machine_ef_text && machine ? result.correction.machine_ef_text : model.ef_text),
          shown.difference_text ? el("p", { class: "soft" }, shown.difference_text) : null) : badgeBlock(result, true)),
      el("div", { class: "ef-scale" },
        el("p", { class: "interval" }, interval?.text ? [el("strong", {}, interval.text), " ", el("span", { class: "soft" }, t("result.interval", { level: Math.round(100 * (interval.level ?? 0.9)) }))]
          : el("span", { class: "soft" }, t(preview ? "result.preview" : "result.no_interval"))),
        intervalBar({ ef: shown.ef_percent, low: interval?.low, high: interval?.high, level: interval?.level, other: result.second_opinion?.ef_percent, machine: isReader ? model.ef_percent : null, known })),
      isReader && mode !== "correct" ? badgeBlock(result, false) : null,
      el("p", { class: "class-row" }, el("span", { class: "soft" }, result.category?.label || t("result.class")), el("strong", {}, preview ? previewClass(result.category, preview) : classText(result.category))),
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
    const { title: name, text, remedy } = reasonParts({ reason: result.reason || item.reason, reason_code: result.reason_code || item.reason_code });
    return el("div", { class: "refusal" },
      badge("refused", t(isRefused ? "result.refused_title" : "result.failed_title")),
      el("p", { class: "refusal-title" }, name), el("p", { class: "refusal-reason" }, text), remedy ? el("p", { class: "remedy" }, remedy) : null,
      detail.swap ? button({ text: t("result.swap"), drawing: "swap", kind: "primary", focus: "swap", on: () => actions.swap(item) }) : null,
      found.length ? [el("h3", {}, t("result.found")), factsTable(found)] : null);
  }

  function detailsPart(item, detail, mode) {
    const result = detail?.result;
    if (!result) return [];
    const isMeasured = result.ef_percent !== null && result.ef_percent !== undefined;
    return [
      el("div", { class: "details-scroll", tabindex: "0", role: "region", "aria-label": t("result.details") },
        isMeasured ? mainValues(item, detail) : null,
        detail.swap && isMeasured ? el("div", { class: "note" }, el("p", {}, t("result.looks_swapped")), button({ text: t("result.swap"), drawing: "swap", focus: "swap", on: () => actions.swap(item) })) : null,
        secondOpinion(result),
        warningList(result.warnings || []),
        qualityBlock(result),
        tabs(detail)),
      el("div", { class: "actions" },
        isMeasured ? null : button({ text: t("result.settings"), drawing: "settings", focus: "settings", on: actions.settings }),
        isMeasured && hasContours(detail) ? button({ text: t(mode === "correct" ? "result.correct_end" : "result.correct"), drawing: mode === "correct" ? "check" : "edit", kind: "primary", focus: "correct", on: () => actions.correct(mode !== "correct") }) : null,
        isMeasured && hasFile(detail, "report.pdf") ? el("a", { class: "button", href: api.fileUrl(item.id, "report.pdf"), download: "", dataset: { focus: "pdf" } }, icon("down"), el("span", {}, t("result.pdf"))) : null,
        filesMenu(item, detail)),
    ];
  }

  function mainValues(item, detail) {
    const { result, scale } = detail, values = result.values || [], find = (keys) => keys.map((key) => values.find((value) => value.key === key)).filter(Boolean);
    const hasVolumes = find(VOLUMES).length > 0;
    return el("div", { class: `main-values ${hasVolumes ? "" : "bare"}` },
      el("dl", {}, find(hasVolumes ? MAIN_VALUES : OTHER_VALUES).map(({ key, label, text }) => el("div", { title: `${label}: ${text}` }, el("dt", {}, t(`result.short.${key}`)), el("dd", { dataset: { value: key, text: shortText(text) } }, shortText(text))))),
      scale?.needed || scale?.line ? button({ ...(hasVolumes ? { label: t("result.change_scale") } : { text: t("result.set_scale"), title: t("result.no_scale") }), drawing: "ruler", kind: hasVolumes ? "quiet" : "small", focus: "scale",
        on: () => actions.scale(item, detail) }) : null);
  }

  function secondOpinion(result) {
    const other = result.second_opinion;
    if (!other) return null;
    return el("p", { class: `second ${other.disagree ? "apart" : ""}` }, svg("svg", { class: "diamond", viewBox: "0 0 14 14", "aria-hidden": "true" }, svg("path", { d: "M7 0l6 7l-6 7l-6 -7z" })), el("span", {}, t("result.second_opinion", { text: other.text || other.ef_text })));
  }

  function warningList(warnings) {
    if (!warnings.length) return null;
    const rank = ({ code }) => (FIRST.includes(code) ? FIRST.indexOf(code) : FIRST.length);
    warnings = [...warnings].sort((one, other) => rank(one) - rank(other));
    const shown = isAllShown ? warnings : warnings.slice(0, SHOWN_WARNINGS), hidden = warnings.length - SHOWN_WARNINGS;
    return el("section", { class: "warnings", "aria-label": t("result.warnings", { n: warnings.length }) },
      el("h3", {}, icon("warning"), t("result.warnings", { n: warnings.length })),
      el("ul", {}, shown.map((warning) => el("li", {}, warningText(warning)))),
      hidden > 0 ? button({ text: t(isAllShown ? "result.fewer" : "result.more_warnings", { n: hidden }), kind: "link", focus: "warnings", "aria-expanded": String(isAllShown),
        on: () => { isAllShown = !isAllShown; actions.redraw(); } }) : null);
  }

  function qualityBlock(result) {
    const quality = result.quality;
    if (!quality || !quality.text) return null;
    const score = quality.score;
    return el("section", { class: "quality" }, el("h3", {}, t("result.quality"), " ", el("span", {}, quality.text)),
      Number.isFinite(score) ? el("div", { class: "score", "aria-hidden": "true" }, [0, 1, 2].map((i) => el("span", {}, el("i", { style: `width:${Math.round(100 * Math.min(1, Math.max(0, 3 * score - i)))}%` })))) : null,
      (quality.advice || []).length ? el("ul", {}, quality.advice.slice(0, 2).map((text) => el("li", {}, text))) : null);
  }

  function tabs(detail) {
    const choose = (name) => { tab = name; actions.redraw(); document.getElementById(`tab-${name}`)?.focus(); };
    const onKey = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose(TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]);
    };
    return el("section", { class: "tabs" },
      el("div", { role: "tablist", "aria-label": t("result.tabs.label"), on: { keydown: onKey } }, TABS.map((name) => el("button", {
        type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "tab-panel", "aria-selected": String(name === tab), tabindex: name === tab ? "0" : "-1", dataset: { focus: `tab-${name}` },
        on: { click: () => choose(name) } }, t(`result.tabs.${name}`)))),
      el("div", { role: "tabpanel", id: "tab-panel", "aria-labelledby": `tab-${tab}`, tabindex: "0" }, panel(detail)));
  }

  function panel(detail) {
    const { result } = detail;
    if (tab === "beats") return beatsTable(detail);
    if (tab === "quality") return parted(detail, (payload) => rowsOf(payload.quality?.parts || []));
    if (tab === "method") return factsTable([...rowsOf(result.method || []), ...(result.interval?.note ? [[t("result.no_interval"), result.interval.note]] : [])]);
    const rows = rowsOf((result.values || []).filter((value) => !VOLUMES.includes(value.key) && value.key !== "second_opinion" && value.key !== "quality"));
    return factsTable(result.status_text ? [[t("result.basis"), result.status_text], ...rows] : rows);
  }

  function parted(detail, rows) {
    const parts = (detail.parts || [""]).filter(Boolean);
    if (!parts.length) return factsTable(rows(detail.result));
    return parts.map((name) => [el("h4", {}, name), factsTable(rows(detail.by_part?.[name] || {}))]);
  }

  function filesMenu(item, detail) {
    const names = FILES.filter((name) => hasFile(detail, name));
    if (!names.length) return null;
    return menuButton({ text: t("result.files"), drawing: "down", focus: "files", items: names.map((name) => el("a", { href: api.fileUrl(item.id, name), download: "" },
      el("span", {}, t(`files.${name.replace(".", "_")}`)), el("span", { class: "soft" }, name.split(".").at(-1).toUpperCase()))) });
  }

  return { draw, drawWaiting };
}

/** A decision as a badge: word and sign, not colour alone. */
export function badge(name, text) {
  return el("span", { class: `badge ${name}` }, icon(MARKS[name] || "warning"), el("span", {}, text || t(`decision.${name}`)));
}

/** What a phantom's known EF says of the measured one. */
export function knownText(known, measured) {
  const values = { known: known.toFixed(1) };
  if (!Number.isFinite(measured)) return t("result.known", values);
  const apart = measured - known;
  return t(Math.abs(apart) < 0.05 ? "result.known_same" : apart < 0 ? "result.known_below" : "result.known_above", { ...values, points: Math.abs(apart).toFixed(1) });
}

/** The class in words of the catalogue, or of the server. */
export function classText(category) {
  const key = `classes.${category?.table}.${category?.key}`;
  return hasText(key) ? t(key) : category?.text || "-";
}

/** The class while a contour is moved: only the heart-failure range needs no more than the EF. */
function previewClass(category, { ef_percent: ef }) {
  return category?.table === "heart_failure" && Number.isFinite(ef) ? classText({ table: "heart_failure", key: rangeOf(ef) }) : "-";
}

function efNumber(shown, isLive) {
  const [whole, unit] = /^(-?\d+(?:\.\d+)?)\s*(%)$/.exec(shown.ef_text || "")?.slice(1) || [shown.ef_text || "-", ""];
  return el("p", { class: `ef-number ${isLive ? "live" : ""}` }, whole, unit ? el("span", { class: "unit" }, unit) : null);
}

/** A value without the aside that says where it comes from, and without the range behind a spread. */
const shortText = (text) => text.replace(/ \(.*\)/, "").replace(/, .*/, "").replace(/\.$/, "").replace(/^SD /, "");

/** Whether there are contours that can be corrected: models that read the EF from the clip have none. */
const hasContours = ({ result, by_part }) => [result, ...Object.values(by_part || {})].some((one) => Number.isFinite(one?.ed_frame));

const hasFile = (detail, name) => !detail.files || detail.files.includes(name);
