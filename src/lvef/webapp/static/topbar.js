// The bar on top: where one is, and what holds for the whole session.
import { button, el, rebuild } from "./dom.js";
import { t } from "./text.js";

/** The bar; `actions` holds add, settings, help, forgetAll. */
export function createBar({ root, state, actions }) {
  function draw(route) {
    const compared = state.selected && state.items.find((item) => item.id === state.selected && item.state === "done");
    const key = [route.name, state.items.length > 0, state.items.length > 1, compared?.id, state.isLoaded];
    rebuild(root, JSON.stringify(key), () => build(route, compared));
  }

  function build(route, compared) {
    const isMeasure = route.name === "item" || route.name === "start";
    const link = (name, href, isHere) =>
      el(
        "a",
        { href, class: "nav", "aria-current": isHere ? "page" : null, dataset: { focus: `nav-${name}` } },
        t(`bar.${name}`),
      );
    return [
      el(
        "a",
        { class: "brand", href: "#/", "aria-label": t("bar.home") },
        el("img", { src: "static/icon.svg", alt: "", width: 24, height: 24 }),
        el("span", {}, t("bar.name")),
      ),
      el(
        "nav",
        { "aria-label": t("bar.navigation") },
        link("measure", "#/", isMeasure),
        state.items.length > 1 ? link("batch", "#/batch", route.name === "batch") : null,
        link("compare", compared ? `#/compare/${encodeURIComponent(compared.id)}` : "#/compare", route.name === "compare"),
        link("about", "#/about", route.name === "about"),
      ),
      el(
        "div",
        { class: "bar-actions" },
        state.items.length || route.name !== "start"
          ? button({ text: t("bar.add"), drawing: "add", kind: "primary", focus: "add", on: () => actions.add() })
          : null,
        button({
          text: t("bar.settings"),
          drawing: "settings",
          kind: "quiet",
          focus: "settings",
          disabled: !state.isLoaded,
          on: actions.settings,
        }),
        button({ label: t("bar.help"), drawing: "help", kind: "quiet", focus: "help", on: actions.help }),
        state.items.length
          ? button({ text: t("bar.forget"), drawing: "forget", kind: "quiet", focus: "forget-all", on: actions.forgetAll })
          : null,
      ),
    ];
  }

  return { draw };
}
