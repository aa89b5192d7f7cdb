// Messages that do not block: one sentence each, closed by hand or, where nothing went wrong, after a while.
import { button, el } from "./dom.js";
import { t } from "./text.js";

const STAYS_MS = 8000,
  AT_MOST = 4;

/**
 * Messages in `root`; returns `notify(text, options)`, which returns how to close the message: `kind` is "error" or "note",
 * `action` a label with a callback.
 */
export function createMessages(root) {
  root.className = "messages";
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", t("messages.label"));
  return function notify(text, { kind = "error", action } = {}) {
    if (!text) return () => {};
    for (const old of root.children) if (old.dataset.text === text) old.remove();
    const close = () => node.remove();
    const node = el(
      "div",
      { class: `message ${kind}`, role: kind === "error" ? "alert" : "status", dataset: { text } },
      el("p", {}, text),
      action
        ? button({
            text: action.text,
            kind: "small",
            on: () => {
              close();
              action.run();
            },
          })
        : null,
      button({ label: t("dialog.close"), drawing: "close", kind: "quiet", on: close }),
    );
    root.append(node);
    while (root.children.length > AT_MOST) root.firstChild.remove();
    if (kind !== "error" && !action) setTimeout(close, STAYS_MS);
    return close;
  };
}
