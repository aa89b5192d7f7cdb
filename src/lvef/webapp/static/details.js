// The lower part of the result, which scrolls: values, warnings, image quality, tabs, and what can be done with it.
import * as api from "./api.js";
import { menuButton } from "./dialogs.js";
import { button, el, icon, rebuild, svg } from "./dom.js";
import { beatsTable, factsTable, rowsOf } from "./tables.js";
import { t, warningText } from "./text.js";

const SHOWN_WARNINGS = 3;
const VOLUMES = ["edv_ml", "esv_ml"],
  OTHER_VALUES = ["heart_rate_bpm", "beats"];
const MAIN_VALUES = ["edv_ml", "esv_ml", "stroke_volume_ml", "heart_rate_bpm"];
/** Codes of the warnings that come first: the EF may be wrong altogether. */
const FIRST = [
  "patients_differ",
  "views_swapped",
  "view_contradicts_image",
  "view_contradicts_file",
  "models_disagree",
  "experimental_network",
  "implausible_shape",
  "implausible_shortening",
  "no_whole_beat",
  "irregular_rhythm",
  "irregular_few_beats",
  "beats_cross_range",
  "wide_interval",
];
const TABS = ["values", "beats", "quality", "method"];
const FILES = [
  "report.pdf",
  "report.html",
  "measurement.json",
  "curve.csv",
  "beats.csv",
  "correction.json",
  "overlay.mp4",
  "summary.png",
  "all.zip",
];

/** The part in `root`. `actions` holds what its buttons do: correct, scale, swap, settings, redraw. */
export function createDetails({ root, actions }) {
  let tab = "values",
    isAllShown = false,
    shownId = null;

  function draw({ item, detail, mode, preview }) {
    if (item.id !== shownId) [shownId, isAllShown] = [item.id, false];
    rebuild(
      root,
      JSON.stringify([
        "details",
        item.id,
        detail?.revision,
        detail?.result,
        detail?.by_part,
        detail?.scale,
        detail?.swap,
        tab,
        isAllShown,
        mode,
        item.state,
      ]),
      () => detailsPart(item, detail, mode),
    );
    showVolumes(preview);
  }

  /** Volumes of contours that are being moved; the stored ones without. */
  function showVolumes(preview) {
    for (const [key, text] of [
      ["edv_ml", preview?.edv_text],
      ["esv_ml", preview?.esv_text],
    ]) {
      const node = root.querySelector(`[data-value="${key}"]`);
      if (node) node.textContent = text || node.dataset.text;
    }
  }

  function detailsPart(item, detail, mode) {
    const result = detail?.result;
    if (!result) return [];
    const isMeasured = result.ef_percent !== null && result.ef_percent !== undefined;
    return [
      el(
        "div",
        { class: "details-scroll", tabindex: "0", role: "region", "aria-label": t("result.details") },
        isMeasured ? mainValues(item, detail) : null,
        detail.swap && isMeasured
          ? el(
              "div",
              { class: "note" },
              el("p", {}, t("result.looks_swapped")),
              button({ text: t("result.swap"), drawing: "swap", focus: "swap", on: () => actions.swap(item) }),
            )
          : null,
        secondOpinion(result),
        warningList(result.warnings || []),
        qualityBlock(result),
        tabs(detail),
      ),
      el(
        "div",
        { class: "actions" },
        isMeasured
          ? null
          : button({ text: t("result.settings"), drawing: "settings", focus: "settings", on: actions.settings }),
        isMeasured && hasContours(detail)
          ? button({
              text: t(mode === "correct" ? "result.correct_end" : "result.correct"),
              drawing: mode === "correct" ? "check" : "edit",
              kind: "primary",
              focus: "correct",
              on: () => actions.correct(mode !== "correct"),
            })
          : null,
        isMeasured && hasFile(detail, "report.pdf")
          ? el(
              "a",
              { class: "button", href: api.fileUrl(item.id, "report.pdf"), download: "", dataset: { focus: "pdf" } },
              icon("down"),
              el("span", {}, t("result.pdf")),
            )
          : null,
        filesMenu(item, detail),
      ),
    ];
  }

  function mainValues(item, detail) {
    const { result, scale } = detail,
      values = result.values || [],
      find = (keys) => keys.map((key) => values.find((value) => value.key === key)).filter(Boolean);
    const hasVolumes = find(VOLUMES).length > 0;
    return el(
      "div",
      { class: `main-values ${hasVolumes ? "" : "bare"}` },
      el(
        "dl",
        {},
        find(hasVolumes ? MAIN_VALUES : OTHER_VALUES).map(({ key, label, text }) =>
          el(
            "div",
            { title: `${label}: ${text}` },
            el("dt", {}, t(`result.short.${key}`)),
            el("dd", { dataset: { value: key, text: shortText(text) } }, shortText(text)),
          ),
        ),
      ),
      scale?.parts.length
        ? button({
            ...(hasVolumes
              ? { label: t("result.change_scale") }
              : { text: t("result.set_scale"), title: t("result.no_scale") }),
            drawing: "ruler",
            kind: hasVolumes ? "quiet" : "small",
            focus: "scale",
            on: () => actions.scale(item, detail),
          })
        : null,
    );
  }

  function secondOpinion(result) {
    const other = result.second_opinion;
    if (!other) return null;
    return el(
      "p",
      { class: `second ${other.disagree ? "apart" : ""}` },
      svg(
        "svg",
        { class: "diamond", viewBox: "0 0 14 14", "aria-hidden": "true" },
        svg("path", { d: "M7 0l6 7l-6 7l-6 -7z" }),
      ),
      el("span", {}, t("result.second_opinion", { text: other.text || other.ef_text })),
    );
  }

  function warningList(warnings) {
    if (!warnings.length) return null;
    const rank = ({ code }) => (FIRST.includes(code) ? FIRST.indexOf(code) : FIRST.length);
    warnings = [...warnings].sort((one, other) => rank(one) - rank(other));
    const shown = isAllShown ? warnings : warnings.slice(0, SHOWN_WARNINGS),
      hidden = warnings.length - SHOWN_WARNINGS;
    return el(
      "section",
      { class: "warnings", "aria-label": t("result.warnings", { n: warnings.length }) },
      el("h3", {}, icon("warning"), t("result.warnings", { n: warnings.length })),
      el(
        "ul",
        {},
        shown.map((warning) => el("li", {}, warningText(warning))),
      ),
      hidden > 0
        ? button({
            text: t(isAllShown ? "result.fewer" : "result.more_warnings", { n: hidden }),
            kind: "link",
            focus: "warnings",
            "aria-expanded": String(isAllShown),
            on: () => {
              isAllShown = !isAllShown;
              actions.redraw();
            },
          })
        : null,
    );
  }

  function qualityBlock(result) {
    const quality = result.quality;
    if (!quality || !quality.text) return null;
    const score = quality.score;
    return el(
      "section",
      { class: "quality" },
      el("h3", {}, t("result.quality"), " ", el("span", {}, quality.text)),
      Number.isFinite(score)
        ? el(
            "div",
            { class: "score", "aria-hidden": "true" },
            [0, 1, 2].map((i) =>
              el("span", {}, el("i", { style: `width:${Math.round(100 * Math.min(1, Math.max(0, 3 * score - i)))}%` })),
            ),
          )
        : null,
      (quality.advice || []).length
        ? el(
            "ul",
            {},
            quality.advice.slice(0, 2).map((text) => el("li", {}, text)),
          )
        : null,
    );
  }

  function tabs(detail) {
    const choose = (name) => {
      tab = name;
      actions.redraw();
      document.getElementById(`tab-${name}`)?.focus();
    };
    const onKey = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose(TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]);
    };
    return el(
      "section",
      { class: "tabs" },
      el(
        "div",
        { role: "tablist", "aria-label": t("result.tabs.label"), on: { keydown: onKey } },
        TABS.map((name) =>
          el(
            "button",
            {
              type: "button",
              role: "tab",
              id: `tab-${name}`,
              "aria-controls": "tab-panel",
              "aria-selected": String(name === tab),
              tabindex: name === tab ? "0" : "-1",
              dataset: { focus: `tab-${name}` },
              on: { click: () => choose(name) },
            },
            t(`result.tabs.${name}`),
          ),
        ),
      ),
      el("div", { role: "tabpanel", id: "tab-panel", "aria-labelledby": `tab-${tab}`, tabindex: "0" }, panel(detail)),
    );
  }

  function panel(detail) {
    const { result } = detail;
    if (tab === "beats") return beatsTable(detail);
    if (tab === "quality") return parted(detail, (payload) => rowsOf(payload.quality?.parts || []));
    if (tab === "method")
      return factsTable([
        ...rowsOf(result.method || []),
        ...(result.interval?.note ? [[t("result.no_interval"), result.interval.note]] : []),
      ]);
    const values = result.values || [],
      main = values.some(({ key }) => VOLUMES.includes(key)) ? ["stroke_volume_ml"] : ["beats"],
      elsewhere = [...VOLUMES, "second_opinion", "quality"];
    // What stands above in full is not said again.
    const isAbove = ({ key, text }) => elsewhere.includes(key) || (main.includes(key) && !/[,(]/.test(text));
    const rows = rowsOf(values.filter((value) => !isAbove(value)));
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
    return menuButton({
      text: t("result.files"),
      drawing: "down",
      focus: "files",
      items: names.map((name) =>
        el(
          "a",
          { href: api.fileUrl(item.id, name), download: "" },
          el("span", {}, t(`files.${name.replace(".", "_")}`)),
          el("span", { class: "soft" }, name.split(".").at(-1).toUpperCase()),
        ),
      ),
    });
  }

  return { draw };
}

/** A value without the aside that says where it comes from, the range behind a spread, and the word of its label. */
const shortText = (text) =>
  text
    .replace(/ \(.*\)/, "")
    .replace(/, .*/, "")
    .replace(/\.$/, "")
    .replace(/^SD /, "")
    .replace(/^(\d+) beats?$/, "$1");

/** Whether there are contours that can be corrected: models that read the EF from the clip have none. */
const hasContours = ({ result, by_part }) =>
  [result, ...Object.values(by_part || {})].some((one) => Number.isFinite(one?.ed_frame));

const hasFile = (detail, name) => !detail.files || detail.files.includes(name);
