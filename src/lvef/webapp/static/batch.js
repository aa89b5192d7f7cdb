// All items in one table: sorted by a column, filtered, with reasons and warnings in words.
import * as api from "./api.js";
import { el, icon, rebuild } from "./dom.js";
import { FILTERS, filterChoice, passes, searchField, stateText } from "./list.js";
import { badge, classText } from "./result.js";
import { itemHash } from "./routes.js";
import { reasonText, t, warningText } from "./text.js";

const COLUMNS = {
  name: (item) => item.name.toLowerCase(),
  state: (item) => `${item.state} ${item.decision || ""}`,
  view: (item) => item.view || "",
  ef: (item) => item.ef_percent ?? -1,
  class: (item) => item.class_text || "",
  quality: (item) => item.quality_score ?? -1,
  warnings: (item) => item.n_warnings || 0,
};

/** The table in `root`. */
export function createBatch({ root, state, actions }) {
  const search = { filter: FILTERS[0], text: "" };
  let sorted = { by: null, isDown: false };
  const head = el("div", { class: "page-head" }),
    body = el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": t("batch.title") });
  root.append(head, body);

  function draw() {
    rebuild(head, JSON.stringify([search.filter, state.items.length]), headPart);
    const rows = order(state.items.filter((item) => passes(item, search)));
    rebuild(body, JSON.stringify([rows, sorted]), () => table(rows));
  }

  function headPart() {
    const field = searchField(search, draw);
    return [
      el("h2", {}, t("batch.title")),
      el(
        "div",
        { class: "tools" },
        field,
        filterChoice(
          search.filter,
          (name) => {
            search.filter = name;
            draw();
          },
          "batch",
        ),
        el("span", { class: "grow" }),
        el("a", { class: "button", href: api.resultsUrl("csv"), download: "" }, icon("down"), el("span", {}, t("list.csv"))),
        el("a", { class: "button", href: api.resultsUrl("zip"), download: "" }, icon("down"), el("span", {}, t("list.zip"))),
      ),
    ];
  }

  function order(items) {
    if (!sorted.by) return items;
    const value = COLUMNS[sorted.by],
      sign = sorted.isDown ? -1 : 1;
    return [...items].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    });
  }

  function table(rows) {
    if (!rows.length) return el("p", { class: "soft empty" }, t(state.items.length ? "list.none" : "batch.empty"));
    return el(
      "table",
      { class: "batch" },
      el("caption", { class: "unseen" }, t("batch.caption")),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("th", { scope: "col" }, el("span", { class: "unseen" }, t("batch.image"))),
          Object.keys(COLUMNS).map((name) =>
            el(
              "th",
              {
                scope: "col",
                class: `col-${name}`,
                "aria-sort": sorted.by === name ? (sorted.isDown ? "descending" : "ascending") : null,
              },
              el(
                "button",
                { type: "button", dataset: { focus: `sort-${name}` }, on: { click: () => sortBy(name) } },
                t(`batch.${name}`),
                el("span", { class: "sign", "aria-hidden": "true" }, signOf(name)),
              ),
            ),
          ),
        ),
      ),
      el("tbody", {}, rows.map(row)),
    );
  }

  function signOf(name) {
    if (sorted.by !== name) return "";
    return sorted.isDown ? "▾" : "▴";
  }

  function sortBy(name) {
    sorted = sorted.by === name ? { by: name, isDown: !sorted.isDown } : { by: name, isDown: name === "warnings" };
    draw();
  }

  function row(item) {
    const isMeasured = item.state === "done",
      open = () => actions.open(item.id);
    return el(
      "tr",
      {
        class: item.state,
        on: {
          click: (event) => {
            if (!event.target.closest("a, button") && !String(getSelection())) open();
          },
        },
      },
      el(
        "td",
        { class: "thumb" },
        isMeasured || item.state === "refused"
          ? el("img", { src: api.thumbUrl(item.id, item.revision), alt: "", loading: "lazy" })
          : null,
      ),
      el("th", { scope: "row" }, el("a", { href: itemHash(item.id), dataset: { focus: `open-${item.id}` } }, item.name)),
      el(
        "td",
        { class: "col-state" },
        isMeasured && item.decision
          ? badge(item.decision)
          : ["refused", "failed", "stopped"].includes(item.state)
            ? badge(item.state)
            : stateText(item),
      ),
      el("td", { class: "col-view" }, viewText(item)),
      isMeasured
        ? [
            el(
              "td",
              { class: "num" },
              el("strong", {}, item.ef_text || "-"),
              el("div", { class: "soft" }, item.interval_text || ""),
            ),
            el(
              "td",
              { class: "col-class", dataset: { label: t("batch.class") } },
              classText({ table: item.class_table || "heart_failure", key: item.class_key, text: item.class_text }),
            ),
            el("td", { class: "col-quality", dataset: { label: t("batch.quality") } }, item.quality_text || "-"),
            el(
              "td",
              { class: "col-warnings", dataset: { label: t("batch.warnings") } },
              (item.warnings || []).length
                ? el(
                    "ul",
                    {},
                    item.warnings.map((warning) => el("li", {}, warningText(warning))),
                  )
                : el("span", { class: "soft" }, t("batch.no_warning")),
            ),
          ]
        : el("td", { colspan: "4", class: "reason" }, item.state === "stopped" ? t("state.stopped_long") : reasonText(item)),
    );
  }

  return { draw };
}

function viewText(item) {
  if (item.kind === "study") return t("batch.biplane");
  return !item.view || item.view === "unknown" ? "-" : item.view;
}
