// The toolbar above the images: mode, view of a study, what is drawn, zoom.
import { choice, control, roving } from "./controls.js";
import { el } from "./dom.js";
import { lineSample } from "./glyphs.js";

/** The toolbar. `shown` are the toggles of `Scene`; `act(name, value)` does what a control asks for. */
export class ViewBar {
  constructor({ t, shown, act }) {
    this.shown = shown;
    this.modes = choice({
      name: "mode",
      label: t("viewer.mode"),
      kind: "v-strong",
      value: "cine",
      onChoose: (mode) => act("mode", mode),
      options: ["cine", "correct"].map((mode) => ({ value: mode, text: t(`viewer.mode_${mode}`) })),
    });
    this.parts = choice({
      name: "part",
      label: t("viewer.part"),
      options: [],
      value: "",
      onChoose: (part) => act("part", part),
    });
    this.toggles = el(
      "span",
      { class: "v-group v-toggles" },
      ["contour", "ed", "es", "disks"].map((name) =>
        control({
          text: t(`viewer.toggle.${name}`),
          title: t(`viewer.toggle.${name}_help`),
          sample: name !== "disks" && lineSample(name),
          pressed: shown[name],
          data: { toggle: name },
          click: () => act("toggle", name),
        }),
      ),
    );
    this.overlays = choice({
      name: "overlay",
      label: t("viewer.overlay.label"),
      value: shown.overlay,
      onChoose: (name) => act("overlay", name),
      options: ["both", "reader", "model"].map((name) => ({ value: name, text: t(`viewer.overlay.${name}`) })),
    });
    const zoom = (name, drawing) =>
      control({
        label: t(`viewer.zoom.${name}`),
        title: t(`viewer.zoom.${name}_help`),
        drawing,
        click: () => act("zoom", name),
      });
    const zooms = el("span", { class: "v-group" }, zoom("out", "minus"), zoom("in", "plus"), zoom("fit", "fit"));
    const space = el("span", { class: "v-space" });
    const attributes = { class: "v-bar", role: "toolbar", "aria-label": t("viewer.toolbar") };
    this.root = el("div", attributes, this.modes, this.parts, this.toggles, this.overlays, space, zooms);
    this.overlays.hidden = this.parts.hidden = true;
    this.arrange = roving(this.root);
  }

  /** Shows the parts of an item: none for a clip, two for a study. */
  setParts(parts, part) {
    this.parts.hidden = parts.length < 2;
    this.parts.setOptions(parts.length < 2 ? [] : parts.map((value) => ({ value, text: value })));
    this.parts.choose(part);
  }

  /** Shows mode and toggles. */
  update({ mode, isChanged, isCorrectable, title }) {
    const correct = this.modes.option("correct");
    this.modes.choose(mode);
    [correct.disabled, correct.title] = [!isCorrectable, title];
    this.toggles.hidden = !isCorrectable;
    for (const button of this.toggles.children)
      button.setAttribute("aria-pressed", String(this.shown[button.dataset.toggle]));
    this.overlays.hidden = !isChanged;
    this.overlays.choose(this.shown.overlay);
    this.arrange();
  }
}
