// Tables of a result: names with values, and its beats.
import { el } from "./dom.js";
import { t } from "./text.js";

/** Values as pairs of label and text, whether they come as pairs or as objects. */
export function rowsOf(values) {
  return values.map((value) => (Array.isArray(value) ? value : [value.label, value.text]));
}

/** Names and values; a sentence where there are none. */
export function factsTable(rows) {
  if (!rows.length) return el("p", { class: "soft" }, t("result.nothing"));
  return el(
    "dl",
    { class: "facts" },
    rows.map(([label, text]) => el("div", {}, el("dt", {}, label), el("dd", {}, text))),
  );
}

/** The beats of every view, those that do not count with their reason; frames are counted from 1. */
export function beatsTable(detail) {
  const parts = (detail.parts || [""]).filter(Boolean);
  const tables = parts.length
    ? parts.map((name) => [name, detail.by_part?.[name]?.beats || []])
    : [["", detail.result.beats || []]];
  return tables.map(([name, beats]) => [
    name ? el("h4", {}, name) : null,
    beats.length ? beatTable(beats, name) : el("p", { class: "soft" }, t("beats.none")),
  ]);
}

function beatTable(beats, name) {
  const hasVolumes = beats.some((beat) => beat.edv_text && beat.edv_text !== "-");
  const columns = ["beat", "ed", "es", "length", ...(hasVolumes ? ["volumes"] : []), "ef"];
  const cells = (beat) => [
    String(beat.number),
    frameCell(beat.ed_frame, beat.ed_time_s),
    frameCell(beat.es_frame, beat.es_time_s),
    Number.isFinite(beat.duration_s) ? t("beats.seconds", { s: beat.duration_s.toFixed(2) }) : t("beats.incomplete"),
    ...(hasVolumes ? [`${(beat.edv_text || "-").replace(/ ml$/, "")} / ${beat.esv_text || "-"}`] : []),
    beat.ef_text || "-",
  ];
  return el(
    "table",
    { class: "beats" },
    el("caption", { class: "unseen" }, name ? t("beats.caption_of", { view: name }) : t("beats.caption")),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        columns.map((key) => el("th", { scope: "col" }, t(`beats.${key}`))),
      ),
    ),
    el(
      "tbody",
      {},
      beats.map((beat) => [
        el(
          "tr",
          { class: beat.excluded ? "out" : beat.shown ? "shown" : "" },
          cells(beat).map((cell, i) => el(i ? "td" : "th", i ? {} : { scope: "row" }, cell)),
        ),
        el("tr", { class: `beat-use ${beat.excluded ? "out" : ""}` }, el("td", { colspan: columns.length }, beatUse(beat))),
      ]),
    ),
  );
}

function beatUse(beat) {
  if (beat.excluded) return t("beats.excluded", { reason: beat.excluded });
  const uses = [beat.counted && "counted", beat.shown && "shown"].filter(Boolean);
  return uses.length ? t(`beats.use_${uses.join("_")}`) : "";
}

function frameCell(frame, time) {
  if (!Number.isFinite(frame)) return "-";
  return Number.isFinite(time)
    ? [String(frame + 1), el("span", { class: "soft" }, ` ${t("beats.seconds", { s: time.toFixed(2) })}`)]
    : String(frame + 1);
}
