// Buttons, choices and toolbars of the viewer.
import { el } from "./dom.js";
import { glyph } from "./glyphs.js";

/** A button with a drawing, a text, or both; without a text `label` names it. `pressed` makes it a toggle. */
export function control({ text = "", label, title, drawing, sample, pressed, click, kind, data = {} }) {
  const attributes = {
    type: "button",
    class: kind ?? (text ? "v-button" : "v-icon"),
    title,
    dataset: data,
    on: { click },
    "aria-label": text ? null : label,
    "aria-pressed": pressed === undefined ? null : String(pressed),
  };
  return el("button", attributes, drawing && glyph(drawing), sample, text && el("span", {}, text));
}

/**
 * One of several: `options` are `{value, text, title, drawing}`; `name` is the data attribute that holds the value. The node
 * has `choose(value)`, which shows a choice.
 */
export function choice({ name, label, options, value, onChoose, kind = "" }) {
  const node = el("div", { class: `v-segments ${kind}`.trim(), role: "radiogroup", "aria-label": label });
  node.setOptions = (list) =>
    node.replaceChildren(
      ...list.map((option) =>
        el(
          "button",
          {
            type: "button",
            role: "radio",
            title: option.title,
            dataset: { [name]: option.value },
            on: { click: () => onChoose(option.value) },
          },
          option.drawing && glyph(option.drawing),
          el("span", {}, option.text),
        ),
      ),
    );
  node.choose = (chosen) => {
    for (const radio of node.children) radio.setAttribute("aria-checked", String(radio.dataset[name] === String(chosen)));
  };
  node.option = (wanted) => [...node.children].find((radio) => radio.dataset[name] === String(wanted));
  node.setOptions(options);
  node.choose(value);
  return node;
}

/** Makes arrow keys move the focus along a toolbar, which is one stop of the tab key; call the result after its changes. */
export function roving(toolbar) {
  const all = () => [...toolbar.querySelectorAll("button, select")];
  const stops = () => all().filter((node) => !node.disabled && node.offsetParent !== null);
  let last = null;
  const choose = (node) => {
    last = node;
    for (const one of all()) one.tabIndex = one === node ? 0 : -1;
  };
  toolbar.addEventListener("keydown", (event) => {
    const list = stops(),
      at = list.indexOf(document.activeElement);
    const by = { ArrowLeft: at - 1 + list.length, ArrowRight: at + 1, Home: 0, End: list.length - 1 }[event.key];
    if (at < 0 || by === undefined) return;
    list[by % list.length].focus();
    event.preventDefault();
    event.stopPropagation();
  });
  toolbar.addEventListener("focusin", (event) => choose(event.target));
  return () => {
    const list = stops();
    choose(list.includes(last) ? last : list[0]);
  };
}
