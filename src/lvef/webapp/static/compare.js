// Every model on one clip: EF, difference from the shown model, and the contours of the same ED and ES frame at one scale.
import * as api from "./api.js";
import { pairs } from "./contour.js";
import { button, el, rebuild, svg } from "./dom.js";
import { itemHash } from "./routes.js";
import { pathOf } from "./stage.js";
import { t } from "./text.js";

const POLL_MS = 600;
const PARTS = ["A4C", "A2C"];

/** The page in `root`. */
export function createCompare({ root, state, store, actions }) {
  let id = null,
    revision = null,
    part = "",
    found = null,
    error = "",
    images = null,
    timer = 0;

  function draw(route) {
    const clips = state.items.filter((item) => item.state === "done");
    const item = clips.find((one) => one.id === route.id) || null;
    if (item && (item.id !== id || item.revision !== revision)) begin(item);
    rebuild(
      root,
      JSON.stringify([clips.map((one) => [one.id, one.name]), item?.id, part, found, error, Boolean(images)]),
      () => [
        el(
          "div",
          { class: "page-head" },
          el("h2", {}, t("compare.title")),
          el("p", { class: "soft" }, t("compare.lead")),
          choice(clips, item),
        ),
        item ? body(item) : el("p", { class: "soft empty" }, t(clips.length ? "compare.choose" : "compare.none")),
      ],
    );
  }

  function choice(clips, item) {
    if (!clips.length) return null;
    const select = el(
      "select",
      {
        id: "compare-clip",
        dataset: { focus: "clip" },
        on: {
          change: () => {
            location.hash = `#/compare/${encodeURIComponent(select.value)}`;
          },
        },
      },
      item ? null : el("option", { value: "", selected: true, disabled: true }, t("compare.choose")),
      clips.map((one) => el("option", { value: one.id, selected: one.id === item?.id }, one.name)),
    );
    return el(
      "div",
      { class: "tools" },
      el("label", { for: "compare-clip" }, t("compare.clip")),
      select,
      item?.kind === "study" ? parts() : null,
      item ? el("a", { class: "button", href: itemHash(item.id) }, t("compare.back")) : null,
    );
  }

  function parts() {
    return el(
      "fieldset",
      { class: "segments" },
      el("legend", { class: "unseen" }, t("compare.part")),
      PARTS.map((name) =>
        el(
          "label",
          {},
          el("input", {
            type: "radio",
            name: "compare-part",
            checked: name === part,
            dataset: { focus: `part-${name}` },
            on: { change: () => choosePart(name) },
          }),
          el("span", {}, name),
        ),
      ),
    );
  }

  function choosePart(name) {
    [part, images] = [name, null];
    loadImages(id).catch(fail);
    poll(id).catch(fail);
  }

  function fail(failure) {
    error = failure.message;
    actions.redraw();
  }

  function begin(item) {
    const next = item.id;
    for (const url of images?.urls.values() || []) URL.revokeObjectURL(url);
    [id, revision, part, found, error, images] = [
      next,
      item.revision,
      item.kind === "study" ? PARTS[0] : "",
      null,
      "",
      null,
    ];
    clearTimeout(timer);
    store.run(async () => {
      try {
        await api.postCompare(next);
        loadImages(next);
        await poll(next);
      } catch (failure) {
        if (id === next) fail(failure);
      }
    });
  }

  async function poll(next) {
    if (id !== next || !location.hash.startsWith("#/compare")) {
      if (id === next && found?.state !== "done") id = null;
      return;
    }
    const of = part,
      now = await api.getCompare(next, of);
    if (id !== next || part !== of) return;
    found = now;
    actions.redraw();
    if (now.state === "queued" || now.state === "running") timer = setTimeout(() => poll(next).catch(fail), POLL_MS);
  }

  async function loadImages(next) {
    const of = part;
    const [view, blobs] = await Promise.all([api.getView(next, of), api.getFrames(next, of)]);
    if (id !== next || part !== of) return;
    images = {
      view,
      at: (frame) => blobs[Math.min(blobs.length - 1, Math.round(frame / (view.every || 1)))],
      urls: new Map(),
    };
    actions.redraw();
  }

  function body(item) {
    if (error)
      return el(
        "div",
        { class: "card" },
        el("p", {}, error),
        button({
          text: t("state.try_again"),
          kind: "primary",
          focus: "again",
          on: () => {
            id = null;
            actions.redraw();
          },
        }),
      );
    const models = found?.models || [];
    if (!models.length) return el("p", { class: "soft empty", role: "status" }, t("compare.running"));
    const efs = models.filter((model) => Number.isFinite(model.ef_percent)).length;
    const says = [
      efs > 1 && Number.isFinite(found.range_points)
        ? t("compare.range", { n: efs, points: Math.round(found.range_points) })
        : "",
      models.some((model) => model.experimental) ? t("compare.experimental") : "",
    ];
    return [
      table(models),
      el("p", { class: "soft", role: "status" }, says.filter(Boolean).join(" ")),
      pictures(item, models),
    ];
  }

  function table(models) {
    return el(
      "div",
      { class: "table-scroll" },
      el(
        "table",
        { class: "models" },
        el("caption", { class: "unseen" }, t("compare.caption")),
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ["model", "ef", "interval", "difference"].map((name) => el("th", { scope: "col" }, t(`compare.${name}`))),
          ),
        ),
        el(
          "tbody",
          {},
          models.map((model) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, nameOf(model)),
              model.state === "done" && model.ef_text && model.ef_text !== "-"
                ? [
                    el("td", { class: "num" }, el("strong", {}, model.ef_text)),
                    el("td", {}, model.interval_text || el("span", { class: "soft" }, model.interval_note || "-")),
                    el("td", { class: "num" }, model.is_own ? t("compare.shown") : model.difference_text || "-"),
                  ]
                : el(
                    "td",
                    { colspan: "3", class: "soft" },
                    model.message ||
                      (model.state === "running"
                        ? t("compare.measuring", { percent: Math.round(100 * (model.progress || 0)) })
                        : t(`state.${model.state || "queued"}`)),
                  ),
            ),
          ),
        ),
      ),
    );
  }

  function nameOf(model) {
    return [
      model.name || model.label,
      model.experimental ? el("span", { class: "tag" }, t("compare.experimental_tag")) : null,
    ];
  }

  function pictures(item, models) {
    if (!images || !Number.isFinite(found.ed_frame)) return null;
    const drawn = models.filter((model) => model.contours && Object.values(model.contours).some(Boolean)),
      without = models.filter((model) => model.state === "done" && !drawn.includes(model));
    return el(
      "section",
      { class: "contours" },
      el("h3", {}, t("compare.contours", { ed: found.ed_frame + 1, es: found.es_frame + 1 })),
      el(
        "div",
        { class: "grid" },
        drawn.map((model) =>
          el(
            "figure",
            {},
            el("figcaption", {}, nameOf(model), el("strong", {}, model.ef_text || "")),
            el(
              "div",
              { class: "pair" },
              ["ed", "es"].map((phase) => frameImage(model, phase)),
            ),
          ),
        ),
      ),
      without.length
        ? el("p", { class: "soft" }, t("compare.without", { models: without.map((model) => model.name).join(", ") }))
        : null,
    );
  }

  function frameImage(model, phase) {
    const { view } = images,
      frame = found[`${phase}_frame`],
      aspect = view.aspect || 1,
      contour = model.contours?.[String(frame)];
    const box = boxOf(view, found.models);
    const place = svg("svg", {
      viewBox: `${box.x} ${box.y * aspect} ${box.width} ${box.height * aspect}`,
      role: "img",
      class: phase,
      "aria-label": t("compare.image", { model: model.label || model.name, phase: phase.toUpperCase(), frame: frame + 1 }),
    });
    const image = svg("image", {
      x: -0.5,
      y: -0.5 * aspect,
      width: view.width,
      height: view.height * aspect,
      href: urlOf(frame),
      preserveAspectRatio: "none",
    });
    place.append(
      image,
      svg(
        "text",
        {
          x: box.x + 0.03 * box.width,
          y: (box.y + 0.09 * box.height) * aspect,
          "font-size": 0.065 * box.width,
          class: "phase",
        },
        phase.toUpperCase(),
      ),
    );
    const d = contour && pathOf(
      pairs(contour).map(([x, y]) => [x, y * aspect]),
      true,
    );
    if (d)
      place.append(
        ...["under", "line"].map((name) => svg("path", { class: name, "vector-effect": "non-scaling-stroke", d })),
      );
    return place;
  }

  function urlOf(frame) {
    if (!images.urls.has(frame)) images.urls.set(frame, URL.createObjectURL(images.at(frame)));
    return images.urls.get(frame);
  }

  return { draw };
}

/** The part of the image around all contours, the same for every image; the sector where there are none. */
function boxOf(view, models) {
  const flat = models.flatMap((model) => Object.values(model.contours || {}).flatMap((contour) => contour || []));
  const [left, top, right, bottom] = flat.length ? [...boundsOf(flat)] : view.sector_box || [0, 0, view.width, view.height];
  const aspect = view.aspect || 1,
    middle = [(left + right) / 2, (top + bottom) / 2],
    side = 1.5 * Math.max(right - left, (bottom - top) * aspect);
  const [width, height] = [Math.min(side, view.width), Math.min(side / aspect, view.height)];
  const within = (from, size, most) => Math.max(-0.5, Math.min(most - 0.5 - size, from));
  return {
    x: within(middle[0] - width / 2, width, view.width),
    y: within(middle[1] - height / 2, height, view.height),
    width,
    height,
  };
}

function boundsOf(flat) {
  const of = (rest, pick) => pick(...flat.filter((_, i) => i % 2 === rest));
  return [of(0, Math.min), of(1, Math.min), of(0, Math.max), of(1, Math.max)];
}
