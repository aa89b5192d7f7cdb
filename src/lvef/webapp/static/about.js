// About: intended use, version, accuracy of the models (external first), limits, classes, licences and citation.
import * as api from "./api.js";
import { el, rebuild } from "./dom.js";
import { factsTable } from "./tables.js";
import { entry, t } from "./text.js";

/** The page in `root`; it is fetched once. */
export function createAbout({ root, notify }) {
  let about = null,
    isLoading = false;

  function draw() {
    if (!about && !isLoading) load();
    rebuild(root, about ? "about" : "loading", () =>
      about ? body() : el("p", { class: "soft empty" }, t("about.loading")),
    );
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
      el(
        "div",
        { class: "page-head" },
        el("h2", {}, t("about.title", { version: about.version })),
        el("p", {}, t("about.lead")),
      ),
      el("section", { class: "prose" }, el("h3", {}, t("about.use_title")), el("p", {}, t("about.use"))),
      el("section", { class: "prose" }, el("h3", {}, t("about.how_title")), el("p", {}, t("about.how"))),
      el(
        "section",
        { class: "prose" },
        el("h3", {}, t("about.files_title")),
        el("p", {}, about.privacy || t("about.files")),
      ),
      el(
        "section",
        {},
        el("h3", {}, t("about.external_title")),
        el("p", { class: "soft" }, t("about.external_lead")),
        metrics("external"),
      ),
      notes(about.models),
      el(
        "section",
        {},
        el("h3", {}, t("about.internal_title")),
        el("p", { class: "soft" }, t("about.internal_lead")),
        metrics("in_domain"),
      ),
      el(
        "section",
        { class: "prose" },
        el("h3", {}, t("about.limits_title")),
        el(
          "ul",
          {},
          (about.limits || []).map((text) => el("li", {}, text)),
        ),
      ),
      classes(),
      licences(),
    ];
  }

  function metrics(kind) {
    const { models } = about,
      rows = (kind === "external" ? externalRows(models) : inDomainRows(models)).filter(([, figures]) =>
        figures.some(Boolean),
      );
    if (!rows.length) return el("p", { class: "soft" }, t("about.no_metrics"));
    return el(
      "div",
      {
        class: "table-scroll",
        tabindex: "0",
        role: "region",
        "aria-label": t(kind === "external" ? "about.external_title" : "about.internal_title"),
      },
      el(
        "table",
        { class: "metrics" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            [t("about.metric"), ...models.map((model) => model.label)].map((name) => el("th", { scope: "col" }, name)),
          ),
        ),
        el(
          "tbody",
          {},
          rows.map(([[name, of], figures]) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, name, of ? el("div", { class: "soft" }, of) : null),
              figures.map((figure) => el("td", { class: "num" }, cell(figure))),
            ),
          ),
        ),
      ),
    );
  }

  function notes(models) {
    const found = (models || []).map((model) => model.experimental_text).filter(Boolean);
    return found.length
      ? el(
          "ul",
          { class: "notes" },
          found.map((text) => el("li", {}, text)),
        )
      : null;
  }

  function classes() {
    const list = (about.classes?.report || []).map((text) => el("li", {}, text));
    return list.length
      ? el(
          "section",
          { class: "prose" },
          el("h3", {}, t("about.classes_title")),
          el("p", { class: "soft" }, t("about.classes_lead")),
          el("ul", {}, list),
        )
      : null;
  }

  function licences() {
    return el(
      "section",
      { class: "prose" },
      el("h3", {}, t("about.licences_title")),
      factsTable((about.licences || []).map(({ name, text }) => [name, text])),
      (about.citations || []).length
        ? [
            el("h3", {}, t("about.cite_title")),
            el("p", {}, t("about.cite")),
            el(
              "ul",
              {},
              about.citations.map((text) => el("li", {}, text)),
            ),
          ]
        : null,
    );
  }

  return { draw };
}

/** External metrics: a row for each kind of metric, split and reference; the split that most models have comes first. */
function externalRows(models) {
  const splits = new Map();
  for (const model of models) {
    for (const key of new Set(model.external.map((figure) => JSON.stringify([figure.split, figure.reference]))))
      splits.set(key, (splits.get(key) || 0) + 1);
  }
  return [...splits]
    .sort(([, one], [, other]) => other - one)
    .flatMap(([key]) => {
      const [split, reference] = JSON.parse(key);
      return Object.entries(entry("about.external_metrics")).map(([name, label]) => [
        [label, t("about.split", { split, reference })],
        models.map((model) =>
          model.external.find((figure) => figure.name === name && figure.split === split && figure.reference === reference),
        ),
      ]);
    });
}

function inDomainRows(models) {
  return Object.entries(entry("about.in_domain_metrics")).map(([name, label]) => [
    [label],
    models.map((model) => model.figures.find((figure) => figure.name === name)),
  ]);
}

function cell(figure) {
  if (!figure) return "-";
  const digits = figure.unit.includes("point") ? 1 : 3,
    number = (value) => value.toFixed(digits);
  const interval =
    figure.low < figure.high ? ` ${t("about.range", { low: number(figure.low), high: number(figure.high) })}` : "";
  return [number(figure.value), interval, el("span", { class: "soft" }, ` ${t("about.cases", { n: figure.n })}`)];
}
