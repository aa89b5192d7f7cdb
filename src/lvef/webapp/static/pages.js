// The pages beside the measurement: batch, comparison, about.
import { createAbout } from "./about.js";
import { createBatch } from "./batch.js";
import { createCompare } from "./compare.js";
import { openDialog } from "./dialogs.js";
import { button, el } from "./dom.js";
import { t } from "./text.js";

/** The pages in `root`; `draw(route)` shows the one of the route. */
export function createPages({ root, state, store, actions, notify }) {
  const nodes = Object.fromEntries(
    ["batch", "compare", "about"].map((name) => [name, el("article", { class: `${name}-page` })]),
  );
  root.append(...Object.values(nodes));
  const pages = {
    batch: createBatch({ root: nodes.batch, state, actions }),
    compare: createCompare({ root: nodes.compare, state, store, actions, notify }),
    about: createAbout({ root: nodes.about, notify }),
  };
  let shown = "";

  function draw(route) {
    // What scrolls must be reached by the keyboard, also where nothing in it can have the focus.
    root.tabIndex = route.name === "about" ? 0 : -1;
    for (const [name, node] of Object.entries(nodes)) node.hidden = name !== route.name;
    pages[route.name]?.draw(route);
    if (shown !== location.hash) {
      shown = location.hash;
      root.scrollTop = 0;
    }
  }

  /** Asks which of several clips is the other view of a study; resolves to an item or null. */
  function choosePartner(one, partners) {
    return new Promise((resolve) => {
      let chosen = null;
      const dialog = openDialog(
        t("study.title"),
        [
          el("p", {}, t("study.ask", { name: one.name, view: one.view })),
          el(
            "ul",
            { class: "choices" },
            partners.map((item) =>
              el(
                "li",
                {},
                button({
                  text: `${item.name} · ${item.view} · ${item.ef_text}`,
                  on: () => {
                    chosen = item;
                    dialog.close();
                  },
                }),
              ),
            ),
          ),
        ],
        { kind: "small", onClose: () => resolve(chosen) },
      );
    });
  }

  return { draw, choosePartner };
}
