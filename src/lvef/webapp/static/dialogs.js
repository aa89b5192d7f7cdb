// Native dialogs: confirmation, keyboard shortcuts, and the frame that all of them share.
import { button, el } from "./dom.js";
import { entry, t } from "./text.js";

/** Opens a modal dialog; returns it. It is removed when it closes, and the focus goes back to where it was. */
export function openDialog(title, children, { kind = "", onClose } = {}) {
  const from = document.activeElement;
  const id = `dialog-${document.querySelectorAll("dialog").length}`;
  const dialog = el(
    "dialog",
    { class: kind, "aria-labelledby": id },
    el(
      "header",
      {},
      el("h2", { id }, title),
      button({ label: t("dialog.close"), drawing: "close", kind: "quiet", on: () => dialog.close() }),
    ),
    children,
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (from?.isConnected) from.focus();
    onClose?.();
  });
  // A click on the backdrop closes it, unless the press began inside, as when a text is selected.
  let isOutside = false;
  dialog.addEventListener("pointerdown", (event) => {
    isOutside = event.target === dialog;
  });
  dialog.addEventListener("click", (event) => {
    if (isOutside && event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  // Not the button that closes it, where there is something to fill in or to confirm.
  dialog.querySelector("form :is(input, select), .adding :checked, .dialog-actions .button, .choices .button")?.focus();
  return dialog;
}

/** Asks for confirmation; resolves to whether it was given. */
export function confirmDialog({ title, text, action }) {
  return new Promise((resolve) => {
    let isConfirmed = false;
    const dialog = openDialog(
      title,
      [
        el("p", {}, text),
        el(
          "div",
          { class: "dialog-actions" },
          button({ text: t("dialog.cancel"), on: () => dialog.close() }),
          button({
            text: action,
            kind: "danger",
            on: () => {
              isConfirmed = true;
              dialog.close();
            },
          }),
        ),
      ],
      { kind: "small", onClose: () => resolve(isConfirmed) },
    );
  });
}

/** Shows the keyboard shortcuts of the page and of the viewer. */
export function shortcutsDialog() {
  if (document.querySelector("dialog.shortcuts")) return;
  const groups = [
    ["shortcuts.page_title", entry("shortcuts.page")],
    ["shortcuts.viewer_title", entry("viewer.shortcuts")],
  ];
  openDialog(
    t("shortcuts.title"),
    groups
      .filter(([, rows]) => rows)
      .map(([title, rows]) =>
        el(
          "section",
          {},
          el("h3", {}, t(title)),
          el(
            "dl",
            { class: "keys" },
            rowsOf(rows).map(([keys, what]) =>
              el(
                "div",
                {},
                el(
                  "dt",
                  {},
                  keys.split(" ").map((key) => el("kbd", {}, key)),
                ),
                el("dd", {}, what),
              ),
            ),
          ),
        ),
      ),
    { kind: "shortcuts" },
  );
}

function rowsOf(rows) {
  return Array.isArray(rows) ? rows.map((row) => (Array.isArray(row) ? row : [row.keys, row.text])) : Object.entries(rows);
}

/** A menu below a button: `items` are nodes; Escape and a click outside close it. */
export function menuButton({ text, label, drawing, kind, focus, items }) {
  const id = `menu-${focus}`;
  const opener = button({
    text,
    label,
    drawing,
    kind,
    focus,
    "aria-haspopup": "true",
    "aria-expanded": "false",
    popovertarget: id,
  });
  const menu = el(
    "div",
    { class: "menu", id, popover: "auto" },
    items.map((item) => el("div", {}, item)),
  );
  menu.addEventListener("beforetoggle", (event) => {
    if (event.newState === "open") menu.style.visibility = "hidden";
  });
  menu.addEventListener("toggle", (event) => {
    const isOpen = event.newState === "open";
    opener.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    const at = opener.getBoundingClientRect(),
      size = menu.getBoundingClientRect();
    const fits = at.bottom + 4 + size.height <= innerHeight;
    menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
    menu.style.top = `${fits ? at.bottom + 4 : Math.max(8, at.top - 4 - size.height)}px`;
    menu.style.visibility = "";
    menu.querySelector("a, button")?.focus();
  });
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const all = [...menu.querySelectorAll("a, button:not(:disabled)")];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
    event.preventDefault();
  });
  menu.addEventListener("click", (event) => {
    if (event.target.closest("a, button")) menu.hidePopover();
  });
  return [opener, menu];
}
