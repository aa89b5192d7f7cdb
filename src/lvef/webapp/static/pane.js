// One pane of the viewer: a line of text on black, and the stage below it. Cine, ED and ES are panes.
import { el } from "./dom.js";
import { glyph } from "./glyphs.js";
import { Stage } from "./stage.js";

/** A pane; `name` is `cine`, `ed` or `es`. Only ED and ES have a choice of frame, shown while correcting. */
export class Pane {
  constructor({ name, camera, t, layers, onFrame, onFrameInput }) {
    this.t = t;
    this.stage = new Stage({ camera, label: t(`viewer.pane.${name}`), layers });
    this.chip = el("span", { class: `v-chip v-${name}` }, name === "cine" ? "" : name.toUpperCase());
    this.time = el("span", { class: "v-time" });
    this.place = el("span", {});
    this.text = el("span", { class: "v-pane-text" }, this.place, this.time);
    this.value = el("span", { class: "v-pane-value" });
    const step = (by, key) =>
      el(
        "button",
        {
          type: "button",
          class: "v-icon v-dark",
          "aria-label": t(`viewer.pane.${name}_${key}`),
          title: t(`viewer.pane.${name}_${key}`),
          on: { click: () => onFrame(this.frame + by) },
        },
        glyph(by < 0 ? "back" : "on"),
      );
    this.slider =
      name === "cine"
        ? null
        : el("input", {
            type: "range",
            class: "v-slider v-dark",
            min: "0",
            step: "1",
            "aria-label": t(`viewer.pane.${name}_frame`),
            on: { input: () => onFrameInput(Number(this.slider.value)), change: () => onFrame(Number(this.slider.value)) },
          });
    this.choice = name === "cine" ? null : el("span", { class: "v-choice" }, step(-1, "back"), this.slider, step(1, "on"));
    this.note = el("p", { class: "v-note" });
    this.root = el(
      "figure",
      { class: `v-pane v-${name}` },
      el("figcaption", { class: "v-pane-head" }, this.chip, this.text, this.choice, this.value),
      el("div", { class: "v-pane-stage" }, this.stage.root, this.note),
    );
  }

  /** Frame and time in words. */
  setText(place, time = "") {
    [this.place.textContent, this.time.textContent] = [place, time && ` · ${time}`];
  }

  /** Which frame of how many can be chosen. */
  setChoice(frame, frames, text) {
    this.frame = frame;
    this.slider.max = String(Math.max(0, frames - 1));
    // Not while it is moved: some browsers then take the change for the page's.
    if (this.slider.value !== String(frame)) this.slider.value = String(frame);
    this.slider.setAttribute("aria-valuetext", text);
    this.choice.hidden = frames <= 2;
    [this.choice.firstChild.disabled, this.choice.lastChild.disabled] = [frame <= 0, frame >= frames - 1];
  }

  /** The label on the left: the phase, or the view of the cine. */
  setChip(text, kind = "") {
    this.chip.textContent = text;
    this.chip.hidden = !text;
    this.chip.className = `v-chip v-${kind}`;
  }

  /** A sentence on the image; empty for none. */
  setNote(text, isHint) {
    this.note.textContent = text;
    this.note.classList.toggle("v-hint", isHint);
  }
}
