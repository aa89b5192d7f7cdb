// Elements without markup in strings: a file's name or any other text cannot become HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element: `on` holds listeners, `dataset` data attributes, `null`, `undefined` and `false` leave an attribute out.
 * Children are nodes, texts, lists of them, or nothing.
 */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element; as `el`. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "value") node.value = value ?? "";
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * Builds the children of a node again, only where `key` changed since the last time; the focus stays on the element of the
 * same `data-focus`, and the scroll position stays.
 */
export function rebuild(node, key, build) {
  if (node.lvefKey === key) return false;
  node.lvefKey = key;
  const active = node.contains(document.activeElement) ? document.activeElement.dataset?.focus : undefined;
  const { scrollTop } = node;
  node.replaceChildren(...[build()].flat(Infinity).filter(Boolean));
  node.scrollTop = scrollTop;
  if (active) node.querySelector(`[data-focus="${CSS.escape(active)}"]`)?.focus({ preventScroll: true });
  return true;
}

const PATHS = {
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
  warning: "M12 4L2.8 19.5h18.4zM12 10v4.5M12 17v.4",
  refused: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18zM6 6l12 12",
  stop: "M7 7h10v10H7z",
  help: "M9 9a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 1.9v.6M12 17.6v.4",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  forget: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5",
  upload: "M12 16V4.5M7 9l5-5l5 5M4.5 15.5V19.5h15V15.5",
  down: "M12 4.5V16M7 11.5l5 5l5-5M4.5 19.5h15",
  left: "M14.5 6l-6 6l6 6",
  right: "M9.5 6l6 6l-6 6",
  swap: "M5 8.5h13M14.5 5l3.5 3.5L14.5 12M19 15.5H6M9.5 12L6 15.5L9.5 19",
  ruler: "M4 15.5L15.5 4L20 8.5L8.5 20zM8 12l2 2M11 9l2 2M14 6.2l2 2",
  again: "M19 12a7 7 0 1 1-2.2-5.1M19.5 3.5v4.5H15",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  edit: "M4.5 19.5l1-4.5L16 4.5l3.5 3.5L9 18.5zM13.5 7l3.5 3.5",
  table: "M4 5h16v14H4zM4 10h16M4 14.5h16M10 5v14",
  clip: "M4 6h16v12H4zM10 9.5v5l4.5-2.5z",
  stills: "M4 6h7v12H4zM13 6h7v12h-7z",
  study: "M3.5 5h9v9h-9zM15 10.5h5.5v8.5h-9v-2.5",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17zM12 7.5V12l3 2",
};

/** A drawing beside a text, hidden from screen readers. */
export function icon(name) {
  const strong = name === "more" ? 3 : 1.7;
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", {
      d: PATHS[name],
      fill: "none",
      stroke: "currentColor",
      "stroke-width": strong,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    }),
  );
}

/** A button with a drawing, a text, or both; without a text, `label` names it. */
export function button({ text, label, drawing, kind = "", focus, on, ...rest }) {
  return el(
    "button",
    {
      type: "button",
      class: `button ${kind} ${text ? "" : "bare"}`.trim().replace(/\s+/g, " "),
      "aria-label": text ? null : label,
      title: text ? null : label,
      dataset: focus ? { focus } : {},
      on: on ? { click: on } : {},
      ...rest,
    },
    drawing && icon(drawing),
    text && el("span", {}, text),
  );
}

/** Bytes as people read them; a MB has 2^20, as in the messages of the server. */
export function bytesText(bytes) {
  const steps = ["B", "kB", "MB", "GB"];
  let step = 0,
    value = bytes;
  while (value >= 1024 && step < steps.length - 1) [value, step] = [value / 1024, step + 1];
  return `${value >= 10 || step === 0 ? Math.round(value) : value.toFixed(1)} ${steps[step]}`;
}
