// The list of items beside the viewer: status, small image, EF, decision; filter, downloads, a study of two clips.
import * as api from "./api.js";
import { button, el, icon, rebuild } from "./dom.js";
import { reasonText, t } from "./text.js";
import { isBusy } from "./store.js";

/** Names of the filters. */
export const FILTERS = ["all", "accepted", "caution", "refused"];

const MARKS = { accepted: "check", caution: "warning", refused: "refused", failed: "refused", stopped: "stop" };
const COLLAPSED_KEY = "lvef-list";

/** Whether an item passes a filter and holds a text. */
export function passes(item, { filter, text }) {
  const isRefused = item.state === "refused" || item.state === "failed" || item.state === "stopped";
  if (filter === "refused" && !isRefused) return false;
  if ((filter === "accepted" || filter === "caution") && (item.state !== "done" || item.decision !== filter)) return false;
  const words = [item.name, item.view, item.ef_text, item.class_text, item.reason].filter(Boolean).join(" ").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => words.includes(word));
}

/** The field that searches the items by their names; `search.text` holds what was typed. */
export function searchField(search, onInput) {
  const field = el("input", {
    type: "search",
    placeholder: t("list.search"),
    "aria-label": t("list.search"),
    dataset: { focus: "search" },
    value: search.text,
    on: {
      input: () => {
        search.text = field.value;
        onInput();
      },
    },
  });
  return field;
}

/** The state of an item in a few words. */
export function stateText(item) {
  if (item.state === "queued")
    return Number.isFinite(item.position) ? t("state.queued_at", { n: item.position }) : t("state.queued");
  if (item.state === "running")
    return t("state.running", { doing: doingText(item), percent: Math.round(100 * (item.progress || 0)) });
  return t(`state.${item.state === "done" && item.corrected ? "corrected" : item.state}`);
}

/** What is being done, in words. */
export const doingText = (item) => t(`doing.${item.doing || "reading"}`);

/** The list; `actions` holds open, forget, study, retry, cancel. */
export function createList({ root, state, uploads, actions }) {
  const search = { filter: "all", text: "" };
  let isCollapsed = readCollapsed(),
    revealed = null;
  const head = el("div", { class: "list-head" }),
    rows = el("ul", { class: "rows", "aria-label": t("list.label") }),
    foot = el("div", { class: "list-foot" });
  root.append(head, rows, foot);
  const nodes = new Map();
  rows.addEventListener("keydown", onKey);

  function draw() {
    root.classList.toggle("collapsed", isCollapsed);
    rebuild(head, JSON.stringify([isCollapsed, search.filter, state.items.length]), headPart);
    const shown = state.items.filter((item) => isCollapsed || passes(item, search));
    const wanted = [
      ...state.uploads.map((task) => [`task-${task.key}`, () => taskRow(task)]),
      ...shown.map((item) => [item.id, () => itemRow(item)]),
    ];
    const keys = new Set(wanted.map(([key]) => key));
    for (const [key, node] of nodes)
      if (!keys.has(key)) {
        node.remove();
        nodes.delete(key);
      }
    wanted.forEach(([key, make], i) => {
      const node = nodes.get(key) || el("li");
      nodes.set(key, node);
      make()(node);
      if (rows.children[i] !== node) rows.insertBefore(node, rows.children[i] || null);
    });
    if (state.selected !== revealed) {
      revealed = state.selected;
      nodes.get(revealed)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    rebuild(
      foot,
      JSON.stringify([
        isCollapsed,
        shown.length,
        pair()?.map((item) => item.id),
        state.items.some((item) => item.state === "done"),
      ]),
      () => footPart(shown.length),
    );
  }

  function headPart() {
    const toggle = button({
      label: t(isCollapsed ? "list.expand" : "list.collapse"),
      drawing: isCollapsed ? "right" : "left",
      kind: "quiet",
      focus: "collapse",
      "aria-expanded": String(!isCollapsed),
      on: () => {
        isCollapsed = !isCollapsed;
        writeCollapsed(isCollapsed);
        actions.redraw();
      },
    });
    if (isCollapsed) return [toggle];
    const field = searchField(search, draw);
    return [
      el(
        "div",
        { class: "list-title" },
        el("h2", {}, t("list.title", { n: state.items.length })),
        el("a", { class: "button quiet small", href: "#/batch" }, icon("table"), el("span", {}, t("list.table"))),
        toggle,
      ),
      field,
      filterChoice(
        search.filter,
        (name) => {
          search.filter = name;
          draw();
        },
        "list",
      ),
    ];
  }

  function itemRow(item) {
    return (node) => {
      const isSelected = item.id === state.selected;
      node.className = `row ${item.state} ${isSelected ? "selected" : ""}`;
      rebuild(node, JSON.stringify([item, isSelected, isCollapsed]), () => {
        const mark = item.state === "done" ? item.decision : item.state;
        return el(
          "button",
          {
            type: "button",
            class: "row-open",
            "aria-current": isSelected ? "true" : null,
            "aria-label": isCollapsed ? `${item.name}, ${item.ef_text || stateText(item)}` : null,
            title: isCollapsed ? item.name : null,
            dataset: { focus: `row-${item.id}`, id: item.id },
            on: { click: () => actions.open(item.id) },
          },
          el(
            "span",
            { class: "thumb" },
            hasThumb(item)
              ? el("img", { src: api.thumbUrl(item.id, item.revision), alt: "", loading: "lazy" })
              : icon(item.kind === "clip" ? "clip" : item.kind),
            item.state === "running" ? progress(item.progress, item.name) : null,
          ),
          el(
            "span",
            { class: "row-text" },
            el("span", { class: "row-name" }, item.name),
            el("span", { class: "row-note" }, noteText(item)),
          ),
          el(
            "span",
            { class: "row-ef" },
            el("strong", {}, item.ef_text && item.state === "done" ? item.ef_text : ""),
            MARKS[mark]
              ? el(
                  "span",
                  { class: `mark ${mark}`, title: t(`decision.${mark}`) },
                  icon(MARKS[mark]),
                  el("span", { class: "unseen" }, t(`decision.${mark}`)),
                )
              : null,
          ),
        );
      });
    };
  }

  function taskRow(task) {
    return (node) => {
      node.className = `row task ${task.state}`;
      rebuild(node, JSON.stringify([task.state, Math.round(100 * task.share), task.message, isCollapsed]), () => [
        el(
          "div",
          { class: "row-open" },
          el("span", { class: "thumb" }, icon("upload"), progress(task.share, task.name)),
          el(
            "span",
            { class: "row-text" },
            el("span", { class: "row-name" }, task.name),
            el(
              "span",
              { class: "row-note" },
              task.message || t(`upload.state.${task.state}`, { percent: Math.round(100 * task.share) }),
            ),
          ),
        ),
        el(
          "div",
          { class: "row-actions" },
          task.state === "error"
            ? button({
                label: t("upload.again"),
                drawing: "again",
                kind: "quiet",
                focus: `again-${task.key}`,
                on: () => uploads.retry(task),
              })
            : null,
          task.kind === "sample"
            ? null
            : button({
                label: t("upload.cancel"),
                drawing: "close",
                kind: "quiet",
                focus: `cancel-${task.key}`,
                on: () => uploads.cancel(task),
              }),
        ),
      ]);
    };
  }

  function noteText(item) {
    if (item.state === "done")
      return [
        item.interval_text,
        item.n_warnings ? t("list.warnings", { n: item.n_warnings }) : "",
        item.quality_text ? t("list.quality", { quality: item.quality_text.split(",")[0] }) : "",
      ]
        .filter(Boolean)
        .join(" · ");
    if (item.state === "refused" || item.state === "failed") return reasonText(item) || stateText(item);
    return stateText(item);
  }

  /** The selected clip and the one that can make a biplane study with it; null without one. */
  function pair() {
    const one = state.items.find((item) => item.id === state.selected);
    if (!one || one.kind !== "clip" || one.state !== "done") return null;
    const partner = state.items.filter(
      (item) =>
        item !== one &&
        item.kind === "clip" &&
        item.state === "done" &&
        ((one.view === "A4C" && item.view === "A2C") || (one.view === "A2C" && item.view === "A4C")),
    );
    return partner.length ? [one, ...partner] : null;
  }

  function footPart(n) {
    if (isCollapsed) return [];
    const hasPair = pair();
    return [
      n ? null : el("p", { class: "soft" }, t("list.none")),
      hasPair ? button({ text: t("list.study"), drawing: "study", focus: "study", on: () => actions.study(hasPair) }) : null,
      el(
        "div",
        { class: "downloads" },
        el(
          "a",
          { class: "button small", href: api.resultsUrl("csv"), download: "" },
          icon("down"),
          el("span", {}, t("list.csv")),
        ),
        el(
          "a",
          { class: "button small", href: api.resultsUrl("zip"), download: "" },
          icon("down"),
          el("span", {}, t("list.zip")),
        ),
      ),
    ];
  }

  function onKey(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const all = [...rows.querySelectorAll("button.row-open")],
      at = all.indexOf(document.activeElement);
    if (event.key === "Delete" && at >= 0) actions.forget(state.items.find((item) => item.id === all[at].dataset.id));
    const next = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : step && at >= 0 ? at + step : -1;
    if (next < 0 || !all[next]) return;
    event.preventDefault();
    all[next].focus();
    actions.open(all[next].dataset.id);
  }

  return { draw, pair };
}

/** The choice of a filter; `where` keeps two of them apart. */
export function filterChoice(chosen, onChoose, where) {
  return el(
    "fieldset",
    { class: "segments filters" },
    el("legend", { class: "unseen" }, t("list.filter")),
    FILTERS.map((name) =>
      el(
        "label",
        {},
        el("input", {
          type: "radio",
          name: `filter-${where}`,
          checked: name === chosen,
          dataset: { focus: `filter-${name}` },
          on: { change: () => onChoose(name) },
        }),
        el("span", {}, t(`list.filters.${name}`)),
      ),
    ),
  );
}

const hasThumb = (item) => item.state === "done" || item.state === "refused";

function progress(share, name) {
  return el(
    "span",
    {
      class: "mini",
      role: "progressbar",
      "aria-label": name,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": String(Math.round(100 * (share || 0))),
    },
    el("i", { style: `width:${Math.round(100 * (share || 0))}%` }),
  );
}

function readCollapsed() {
  try {
    const kept = localStorage.getItem(COLLAPSED_KEY);
    if (kept) return kept === "collapsed";
  } catch {
    /* Storage may be blocked; the width decides then. */
  }
  return innerWidth < 1700;
}

function writeCollapsed(is) {
  try {
    localStorage.setItem(COLLAPSED_KEY, is ? "collapsed" : "open");
  } catch {
    /* As above. */
  }
}
