// A scale from a line of known length: two ends on the ED frame, dragged or moved by arrow keys, and its length in mm.
import * as api from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, el, svg } from "./dom.js";
import { t } from "./text.js";

const RADIUS_PX = 9,
  LENGTHS_MM = [1, 500];

/** Opens the scale of an item; `onScale` gets `{line, length_mm}`, or null where the scale is removed. */
export async function scaleDialog({ item, detail, onScale }) {
  const part = detail.scale?.part || "";
  const place = el("div", { class: "scale-image" }, el("p", { class: "soft" }, t("scale.loading")));
  const length = el("input", {
    id: "scale-length",
    type: "number",
    min: LENGTHS_MM[0],
    max: LENGTHS_MM[1],
    step: "0.1",
    inputmode: "decimal",
    required: true,
    value: detail.scale?.length_mm ?? "",
  });
  const outcome = el("p", { class: "soft", role: "status" }),
    error = el("p", { class: "form-error", role: "alert", hidden: true });
  let line = null,
    view = null;
  const form = el(
    "form",
    { novalidate: true, on: { submit } },
    el("p", {}, t("scale.help")),
    place,
    el(
      "div",
      { class: "form-row" },
      el("div", { class: "field" }, el("label", { class: "field-label", for: "scale-length" }, t("scale.length")), length),
      outcome,
    ),
    error,
    el(
      "div",
      { class: "dialog-actions" },
      detail.scale?.line
        ? button({
            text: t("scale.remove"),
            on: () => {
              dialog.close();
              onScale(null);
            },
          })
        : null,
      el("span", { class: "grow" }),
      button({ text: t("dialog.cancel"), on: () => dialog.close() }),
      button({ text: t("scale.use"), kind: "primary", type: "submit" }),
    ),
  );
  let url = "";
  const dialog = openDialog(part ? t("scale.title_of", { view: part }) : t("scale.title"), form, {
    kind: "scale",
    onClose: () => {
      if (url) URL.revokeObjectURL(url);
    },
  });
  length.addEventListener("input", show);
  try {
    const [found, blobs] = await Promise.all([api.getView(item.id, part), api.getFrames(item.id, part)]);
    view = found;
    const frame = Math.min(blobs.length - 1, Math.round((view.ed_frame || 0) / (view.every || 1)));
    url = URL.createObjectURL(blobs[frame]);
    line = [...(detail.scale?.line || detail.scale?.start_line || [view.width / 2, 0, view.width / 2, view.height - 1])];
    place.replaceChildren(lineImage(view, url, line, show));
    show();
    length.focus();
  } catch (failure) {
    place.replaceChildren(el("p", {}, failure.message));
  }

  function lengthPx() {
    return Math.hypot(line[2] - line[0], (line[3] - line[1]) * (view.aspect || 1));
  }

  function show() {
    const mm = Number(length.value);
    outcome.textContent =
      line && mm > 0 && lengthPx() > 1
        ? t("scale.outcome", {
            mm: (mm / lengthPx()).toPrecision(3),
            high: Math.round((view.height * (view.aspect || 1) * mm) / lengthPx()),
          })
        : "";
  }

  function submit(event) {
    event.preventDefault();
    const mm = Number(length.value);
    if (!line) return;
    if (!(mm >= LENGTHS_MM[0] && mm <= LENGTHS_MM[1]) || lengthPx() < 2) {
      error.hidden = false;
      error.textContent =
        lengthPx() < 2 ? t("scale.too_short") : t("scale.wrong_length", { low: LENGTHS_MM[0], high: LENGTHS_MM[1] });
      length.focus();
      return;
    }
    dialog.close();
    onScale({ line, length_mm: mm, ...(part ? { part } : {}) });
  }
}

/** The image with the line; points are pixels of the image, in the drawing y is multiplied by a pixel's aspect. */
function lineImage(view, href, line, onChange) {
  const aspect = view.aspect || 1;
  const root = svg(
    "svg",
    {
      class: "ruler",
      viewBox: `-0.5 ${-0.5 * aspect} ${view.width} ${view.height * aspect}`,
      role: "group",
      "aria-label": t("scale.line"),
    },
    svg("image", {
      x: -0.5,
      y: -0.5 * aspect,
      width: view.width,
      height: view.height * aspect,
      href,
      preserveAspectRatio: "none",
    }),
    svg("path", { class: "under", "vector-effect": "non-scaling-stroke" }),
    svg("path", { class: "line", "vector-effect": "non-scaling-stroke" }),
  );
  let held = null;
  const ends = [0, 1].map((i) => {
    const circle = svg("circle", {
      tabindex: "0",
      role: "slider",
      "aria-label": t(`scale.end_${i + 1}`),
      "aria-valuemin": 0,
      "aria-valuemax": view.height - 1,
    });
    circle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      const by = event.shiftKey ? 10 : 1;
      move(i, line[2 * i] + by * step[0], line[2 * i + 1] + by * step[1]);
      event.preventDefault();
    });
    root.append(circle);
    return circle;
  });

  function move(i, x, y) {
    const within = (value, most) => Math.round(10 * Math.max(0, Math.min(most - 1, value))) / 10;
    line[2 * i] = within(x, view.width);
    line[2 * i + 1] = within(y, view.height);
    draw();
    onChange();
  }

  function draw() {
    const [x1, y1, x2, y2] = line,
      unit = view.width / Math.max(root.getBoundingClientRect().width, 1);
    for (const path of root.querySelectorAll("path")) path.setAttribute("d", `M${x1} ${y1 * aspect}L${x2} ${y2 * aspect}`);
    ends.forEach((circle, i) => {
      const [x, y] = [line[2 * i], line[2 * i + 1]];
      const set = {
        cx: x,
        cy: y * aspect,
        r: RADIUS_PX * unit,
        "aria-valuenow": Math.round(y),
        "aria-valuetext": t("scale.place", { x: Math.round(x), y: Math.round(y) }),
      };
      for (const [name, value] of Object.entries(set)) circle.setAttribute(name, value);
    });
  }

  function pointOf(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(root.getScreenCTM().inverse());
    return [at.x, at.y / aspect];
  }

  root.addEventListener("pointerdown", (event) => {
    const [x, y] = pointOf(event);
    const away = [0, 1].map((i) => Math.hypot(x - line[2 * i], (y - line[2 * i + 1]) * aspect));
    held = away[0] <= away[1] ? 0 : 1;
    root.setPointerCapture(event.pointerId);
    ends[held].focus({ preventScroll: true });
    move(held, x, y);
    event.preventDefault();
  });
  root.addEventListener("pointermove", (event) => {
    if (held !== null) move(held, ...pointOf(event));
  });
  for (const name of ["pointerup", "pointercancel"])
    root.addEventListener(name, () => {
      held = null;
    });
  new ResizeObserver(draw).observe(root);
  draw();
  return root;
}
