// A scale from a line of known length: two ends on the ED frame, dragged or moved by arrow keys, and its length in mm.
import * as api from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, el, svg } from "./dom.js";
import { t } from "./text.js";

const RADIUS_PX = 9,
  LENGTHS_MM = [1, 500];

/** Opens the scale of an item, of a study that of each view; `onScale` gets the lines, or null where they are removed. */
export function scaleDialog({ item, detail, onScale }) {
  const scales = detail.scale.parts.map((one) => ({ ...one, line: one.line && [...one.line], view: null, url: "" }));
  let at = scales[0];
  const place = el("div", { class: "scale-image" });
  const length = el("input", {
    id: "scale-length",
    type: "number",
    min: LENGTHS_MM[0],
    max: LENGTHS_MM[1],
    step: "0.1",
    inputmode: "decimal",
    required: true,
  });
  const outcome = el("p", { class: "soft", role: "status" }),
    error = el("p", { class: "form-error", role: "alert", hidden: true });
  const form = el(
    "form",
    { novalidate: true, on: { submit } },
    el("p", {}, t("scale.help")),
    scales.length > 1 ? [el("p", {}, t("scale.both")), viewChoice()] : null,
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
      detail.scale.parts.some((one) => one.line)
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
      button({ text: t("scale.use"), kind: "primary", type: "submit", focus: "scale-use" }),
    ),
  );
  const title = at.part && scales.length === 1 ? t("scale.title_of", { view: at.part }) : t("scale.title");
  const dialog = openDialog(title, form, {
    kind: "scale",
    onClose: () => scales.forEach((one) => one.url && URL.revokeObjectURL(one.url)),
  });
  length.addEventListener("input", () => {
    at.length_mm = length.value;
    show();
  });
  choose(at);

  function viewChoice() {
    return el(
      "fieldset",
      { class: "segments" },
      el("legend", { class: "unseen" }, t("scale.view")),
      scales.map((one) =>
        el(
          "label",
          {},
          el("input", {
            type: "radio",
            name: "scale-view",
            checked: one === at,
            dataset: { focus: `scale-${one.part}` },
            on: { change: () => choose(one) },
          }),
          el("span", {}, one.part),
        ),
      ),
    );
  }

  /** Shows the image and the line of a view. */
  async function choose(one) {
    at = one;
    length.value = one.length_mm ?? "";
    error.hidden = true;
    show();
    if (!one.view) {
      place.replaceChildren(el("p", { class: "soft" }, t("scale.loading")));
      try {
        await load(one);
      } catch (failure) {
        if (at === one) place.replaceChildren(el("p", {}, failure.message));
        return;
      }
    }
    if (at !== one) return;
    place.replaceChildren(lineImage(one.view, one.url, one.line, show));
    show();
    length.focus();
  }

  async function load(one) {
    const [view, blobs] = await Promise.all([api.getView(item.id, one.part), api.getFrames(item.id, one.part)]);
    const frame = Math.min(blobs.length - 1, Math.round((view.ed_frame || 0) / (view.every || 1)));
    one.url = URL.createObjectURL(blobs[frame]);
    one.line ||= [...(one.start_line || [view.width / 2, 0, view.width / 2, view.height - 1])];
    one.view = view;
  }

  function show() {
    const mm = Number(length.value),
      { view } = at;
    outcome.textContent =
      view && mm > 0 && lengthPx(at) > 1
        ? t("scale.outcome", {
            mm: (mm / lengthPx(at)).toPrecision(3),
            high: Math.round((view.height * (view.aspect || 1) * mm) / lengthPx(at)),
          })
        : "";
  }

  function submit(event) {
    event.preventDefault();
    if (!at.view) return;
    // The other view of a study may wait; a line without a length is then none.
    const given = scales.filter((one) => one === at || (one.view && one.length_mm));
    const wrong = given.find((one) => !isLength(one.length_mm) || lengthPx(one) < 2);
    if (wrong) {
      if (wrong !== at) {
        form.querySelector(`[data-focus="scale-${wrong.part}"]`).checked = true;
        choose(wrong);
      }
      error.hidden = false;
      error.textContent =
        lengthPx(wrong) < 2 ? t("scale.too_short") : t("scale.wrong_length", { low: LENGTHS_MM[0], high: LENGTHS_MM[1] });
      length.focus();
      return;
    }
    dialog.close();
    onScale(given.map(({ part, line, length_mm }) => ({ part, line, length_mm: Number(length_mm) })));
  }
}

const lengthPx = ({ line, view }) => Math.hypot(line[2] - line[0], (line[3] - line[1]) * (view.aspect || 1));

const isLength = (mm) => Number(mm) >= LENGTHS_MM[0] && Number(mm) <= LENGTHS_MM[1];

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
