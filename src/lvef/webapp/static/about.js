// About: intended use, version, accuracy of the models (external first), limits, classes, licences and citation.
import * as api from "./api.js";
import { el, rebuild } from "./dom.js";
import { factsTable, rowsOf } from "./tables.js";
import { t } from "./text.js";

/** The page in `root`; it is fetched once. */
export function createAbout({ root, notify }) {
  let about = null, isLoading = false;

  function draw() {
    if (!about && !isLoading) load();
    rebuild(root, about ? "about" : "loading", () => (about ? body() : el("p", { class: "soft empty" }, t("about.loading"))));
  }

  async function load() {
    isLoading = true;
    try {
      about = await api.getAbout();
    } catch (error) {
      notify(error.message);
    }
    isLoading = false;
    if (about) draw();
  }

  function body() {
    return [
      el("div", { class: "page-head" }, el("h2", {}, t("about.title", { version: about.version })), el("p", {}, t("about.lead"))),
      el("section", { class: "prose" }, el("h3", {}, t("about.use_title")), el("p", {}, t("about.use"))),
      el("section", { class: "prose" }, el("h3", {}, t("about.how_title")), el("p", {}, t("about.how"))),
      el("section", { class: "prose" }, el("h3", {}, t("about.files_title")), el("p", {}, t("about.files"))),
      el("section", {}, el("h3", {}, t("about.external_title")), el("p", { class: "soft" }, t("about.external_lead")), metrics("external")),
      notes(about.models),
      el("section", {}, el("h3", {}, t("about.internal_title")), el("p", { class: "soft" }, t("about.internal_lead")), metrics("in_domain")),
      el("section", { class: "prose" }, el("h3", {}, t("about.limits_title")), el("ul", {}, (about.limits || []).map((text) => el("li", {}, text)))),
      classes(), licences(),
    ];
  }

  function metrics(kind) {
    const table = about[kind];
    if (!table?.rows?.length) return el("p", { class: "soft" }, t("about.no_metrics"));
    return el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": t(kind === "external" ? "about.external_title" : "about.internal_title") }, el("table", { class: "metrics" },
      el("thead", {}, el("tr", {}, [t("about.metric"), ...table.models].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, table.rows.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row" }, name), cells.flat().map((cell) => el("td", { class: "num" }, cell)))))));
  }

  function notes(models) {
    const found = (models || []).map((model) => model.note).filter(Boolean);
    return found.length ? el("ul", { class: "notes" }, found.map((text) => el("li", {}, text))) : null;
  }

  function classes() {
    const rows = rowsOf(about.report_classes || []);
    return rows.length ? el("section", { class: "prose" }, el("h3", {}, t("about.classes_title")), el("p", { class: "soft" }, t("about.classes_lead")), factsTable(rows)) : null;
  }

  function licences() {
    return el("section", { class: "prose" }, el("h3", {}, t("about.licences_title")), factsTable(rowsOf(about.licences || [])),
      (about.citations || []).length ? [el("h3", {}, t("about.cite_title")), el("p", {}, t("about.cite")), el("ul", {}, about.citations.map((text) => el("li", {}, text)))] : null);
  }

  return { draw };
}
