// Where files are added: three ways, a drop area, samples. On the start page and in the dialog "Add files".
import { button, bytesText, el, icon, rebuild } from "./dom.js";
import { SLOTS, fileError, filesOfDrop, firstByName, slotByName, suffixOf } from "./uploads.js";
import { entry, t } from "./text.js";

const KINDS = ["clip", "stills", "study"];
const DRAWINGS = { clip: "clip", stills: "stills", study: "study" };

/**
 * The panel; `take(found)` takes files that were dropped anywhere, `draw()` draws it again.
 * `where` is "start" or "dialog"; `onSample(name)` measures a sample, `onDone()` is called after files were taken.
 */
export function createPanel({ state, uploads, notify, where, onSample, onDone }) {
  const root = el("div", { class: `adding at-${where}` });
  let kind = "clip",
    slots = [null, null],
    isCertain = [false, false],
    errors = [];

  function setKind(next) {
    if (kind === next) return;
    [kind, slots, isCertain, errors] = [next, [null, null], [false, false], []];
    draw();
  }

  function take(found) {
    const limits = state.session.limits;
    errors = [];
    let skipped = 0;
    const files = [];
    if (kind === "clip" && isPairOf(found)) setKind("stills");
    for (const { file, isInFolder } of found) {
      const error = fileError(file, kind, limits);
      if (!error) files.push(file);
      else if (isInFolder) skipped += 1;
      else errors.push(error);
    }
    if (skipped) errors.push(t("upload.skipped", { n: skipped }));
    if (!files.length && !errors.length) errors.push(t("errors.empty_drop"));
    if (kind === "clip") {
      if (files.length) {
        uploads.add(
          "clip",
          files.map((file) => [file]),
        );
        onDone?.();
      }
      for (const error of errors) notify(error);
      errors = [];
    } else if (files.length > 2) {
      errors.push(t(`upload.${kind}.too_many`, { n: files.length }));
    } else place(files);
    draw();
    return kind !== "clip";
  }

  function place(files) {
    if (files.length === 2) {
      const first = firstByName(
        kind,
        files.map((file) => file.name),
      );
      slots = first === 1 ? [files[1], files[0]] : files;
      isCertain = [first !== null, first !== null];
    } else if (files.length === 1) {
      const named = slotByName(kind, files[0].name);
      const at = named !== null && !slots[named] ? named : slots[0] ? 1 : 0;
      put(at, files[0], named === at);
      return;
    }
    start();
  }

  function put(at, file, sure) {
    slots[at] = file;
    isCertain[at] = sure;
    start();
  }

  function start(confirmed = false) {
    if (slots[0] && slots[1] && (confirmed || (isCertain[0] && isCertain[1]))) {
      uploads.add(kind, [[slots[0], slots[1]]]);
      [slots, isCertain] = [
        [null, null],
        [false, false],
      ];
      onDone?.();
    }
    draw();
  }

  function choose(at = null) {
    const picker = el("input", { type: "file", multiple: at === null, hidden: true, tabindex: -1, "aria-hidden": "true" });
    picker.addEventListener("change", () => {
      const found = [...picker.files].map((file) => ({ file, isInFolder: false }));
      picker.remove();
      if (!found.length) return;
      if (at === null) take(found);
      else {
        const error = fileError(found[0].file, kind, state.session.limits);
        errors = error ? [error] : [];
        if (error) draw();
        else put(at, found[0].file, true);
      }
    });
    picker.addEventListener("cancel", () => picker.remove());
    document.body.append(picker);
    picker.click();
  }

  function draw() {
    const limits = state.session?.limits;
    if (!limits) return;
    const key = JSON.stringify([kind, slots.map((file) => file?.name), isCertain, errors, state.session.samples, limits]);
    rebuild(root, key, () => [
      kindChoice(),
      dropArea(limits),
      where === "start" && samples(),
      where === "start" && privacy(limits),
    ]);
  }

  function kindChoice() {
    return el(
      "fieldset",
      { class: "segments" },
      el("legend", { class: "unseen" }, t("upload.kind")),
      KINDS.map((name) =>
        el(
          "label",
          {},
          el("input", {
            type: "radio",
            name: `kind-${where}`,
            value: name,
            checked: name === kind,
            dataset: { focus: `kind-${name}` },
            on: { change: () => setKind(name) },
          }),
          el("span", {}, icon(DRAWINGS[name]), t(`upload.${name}.label`)),
        ),
      ),
    );
  }

  function dropArea(limits) {
    const formats = t(`upload.${kind}.formats`, {
      formats: kind === "stills" ? limits.still_formats : limits.clip_formats,
      limit: bytesText(limits.max_upload_bytes),
    });
    const body =
      kind === "clip"
        ? [
            el("p", { class: "drop-title" }, t("upload.clip.title")),
            button({
              text: t("upload.choose_files"),
              drawing: "upload",
              kind: "primary",
              focus: "choose",
              on: () => choose(),
            }),
          ]
        : [el("p", { class: "drop-title" }, t(`upload.${kind}.title`)), pair()];
    return el(
      "div",
      { class: "drop", role: "group", "aria-label": t("upload.drop_label") },
      body,
      el("p", { class: "soft" }, formats),
      errors.length
        ? el(
            "ul",
            { class: "drop-errors", role: "alert" },
            errors.map((text) => el("li", {}, text)),
          )
        : null,
    );
  }

  function pair() {
    const isFull = slots[0] && slots[1];
    return [
      el(
        "div",
        { class: "slots" },
        SLOTS[kind].map((name, at) =>
          el(
            "div",
            { class: `slot ${slots[at] ? "full" : ""} ${name.toLowerCase()}` },
            el("span", { class: "slot-name" }, t(`upload.${kind}.slots.${name}`)),
            slots[at] ? el("span", { class: "slot-file", title: slots[at].name }, slots[at].name) : null,
            button({
              text: t(slots[at] ? "upload.other_file" : "upload.choose_file"),
              kind: slots[at] ? "quiet" : "",
              focus: `slot-${at}`,
              on: () => choose(at),
              "aria-label": t("upload.choose_for", { slot: t(`upload.${kind}.slots.${name}`) }),
            }),
          ),
        ),
      ),
      isFull
        ? el(
            "div",
            { class: "slot-ask" },
            el("p", {}, t(`upload.${kind}.ask`)),
            button({
              text: t("upload.swap"),
              drawing: "swap",
              focus: "swap",
              on: () => {
                slots.reverse();
                draw();
              },
            }),
            button({ text: t("upload.measure"), kind: "primary", focus: "measure", on: () => start(true) }),
          )
        : slots[0] || slots[1]
          ? el(
              "p",
              { class: "soft" },
              t(`upload.${kind}.missing`, { slot: t(`upload.${kind}.slots.${SLOTS[kind][slots[0] ? 1 : 0]}`) }),
            )
          : null,
    ];
  }

  function samples() {
    const offered = state.session.samples || [];
    if (!offered.length) return null;
    return el(
      "section",
      { class: "samples", "aria-labelledby": "samples-title" },
      el("h2", { id: "samples-title" }, t("upload.samples")),
      el(
        "ul",
        {},
        offered.map((sample) => {
          const [label, help] = entry(`upload.sample_texts.${sample.name}`) || [sample.label, sample.help];
          return el(
            "li",
            {},
            el(
              "button",
              {
                type: "button",
                class: "sample",
                dataset: { focus: `sample-${sample.name}`, sample: sample.name },
                on: { click: () => onSample(sample.name, label) },
              },
              el("strong", {}, label),
              el("span", {}, help),
            ),
          );
        }),
      ),
    );
  }

  function privacy(limits) {
    return el(
      "p",
      { class: "privacy soft" },
      t(`upload.privacy.${state.session.is_kept ? "kept" : "temporary"}`, { hours: limits.keep_hours }),
    );
  }

  draw();
  /** Whether files that were dropped can only be ED and ES. */
  function isPairOf(found) {
    return found.length === 2 && found.every(({ file }) => isStill(file, state.session.limits));
  }

  return { root, take, draw, setKind, isPairOf };
}

function isStill(file, limits) {
  const suffix = suffixOf(file.name);
  return suffix && limits.still_suffixes?.includes(suffix) && /^\.(png|jpe?g|jpe|bmp|tiff?|webp)$/.test(suffix);
}

/**
 * Takes files that are dropped anywhere in the window; `onFiles` gets them, `onError` a sentence, `message` says what
 * happens on a drop.
 */
export function acceptDrops({ onFiles, onError, message }) {
  const veil = el("div", { class: "veil", hidden: true }, el("p", {}, icon("upload"), el("span")));
  document.body.append(veil);
  let depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const show = (is) => {
    veil.hidden = !is;
    if (is) veil.querySelector("span").textContent = message();
  };
  addEventListener("dragenter", (event) => {
    if (hasFiles(event)) {
      depth += 1;
      show(true);
      event.preventDefault();
    }
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) {
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
    }
  });
  addEventListener("dragleave", (event) => {
    if (hasFiles(event)) {
      depth = Math.max(0, depth - 1);
      if (!depth) show(false);
    }
  });
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    try {
      onFiles(await filesOfDrop(event.dataTransfer));
    } catch {
      onError(t("errors.drop_unreadable"));
    }
  });
}
