// The controls of the mode Correct: the toolbar above the images, and the line below with name, note and files.
import { choice, control, roving } from "./controls.js";
import { el } from "./dom.js";

const BY_HAND = -1;

/** Toolbar and line of the mode Correct. `act(name, value)` does what a control asks for. */
export class CorrectBar {
  constructor({ t, act }) {
    this.t = t;
    this.act = act;
    const tool = (value) => ({
      value,
      drawing: value,
      text: t(`viewer.correct.tool_${value}`),
      title: t(`viewer.correct.tool_${value}_help`),
    });
    this.tools = choice({
      name: "tool",
      label: t("viewer.correct.tool"),
      value: "points",
      onChoose: (value) => act("tool", value),
      options: ["points", "redraw", "landmarks"].map(tool),
    });
    const name = t("viewer.correct.beat");
    this.beat = el("select", {
      class: "v-select",
      "aria-label": name,
      title: name,
      on: { change: () => act("beat", Number(this.beat.value)) },
    });
    const steps = el("span", { class: "v-group" }, this.#button("undo", "undo"), this.#button("redo", "redo"));
    const resets = el(
      "span",
      { class: "v-group" },
      ["reset_ed", "reset_es", "reset_all"].map((key) => this.#button(key)),
    );
    const attributes = { class: "v-bar v-correct", role: "toolbar", "aria-label": t("viewer.correct.label") };
    this.root = el(
      "div",
      attributes,
      this.tools,
      steps,
      resets,
      this.beat,
      this.#button("by_volume"),
      this.#button("propagate"),
    );
    this.file = el("input", {
      type: "file",
      accept: ".json,application/json",
      hidden: true,
      on: { change: () => this.#taken() },
    });
    const files = [this.#button("save"), this.#button("load_file")];
    this.form = el("div", { class: "v-form" }, this.#field("reader", 100), this.#field("note", 500), this.file, files);
    this.arrange = roving(this.root);
  }

  #button(name, drawing = null) {
    const text = this.t(`viewer.correct.${name}`),
      title = this.t(`viewer.correct.${name}_help`);
    return (this[name] = control({ text: drawing ? "" : text, label: text, title, drawing, click: () => this.act(name) }));
  }

  #field(name, most) {
    const { t, act } = this;
    this[name] = el("input", {
      type: "text",
      class: "v-field",
      maxlength: most,
      autocomplete: "off",
      placeholder: t(`viewer.correct.${name}_example`),
      on: {
        change: () => act("sign"),
        keydown: (event) => {
          if (event.key === "Enter") act("sign");
        },
      },
    });
    return el("label", { class: `v-label v-for-${name}` }, el("span", {}, t(`viewer.correct.${name}`)), this[name]);
  }

  #taken() {
    const [file] = this.file.files;
    if (file) this.act("load", file);
    // So that the same file can be chosen again.
    this.file.value = "";
  }

  /** Shows the state of the editor; `beats` are those of the view. */
  update(editor, beats) {
    const { own } = editor,
      ed = editor.phase("ed").frame,
      es = editor.phase("es").frame,
      isMissing = ed === null || es === null;
    const off = {
      undo: !editor.canUndo,
      redo: !editor.canRedo,
      reset_ed: !own.ed_points,
      reset_es: !own.es_points,
      reset_all: !editor.isChanged,
      save: !editor.isChanged,
      propagate: !editor.canPropagate,
    };
    for (const [name, isOff] of Object.entries(off)) this[name].disabled = isOff;
    this.propagate.hidden = isMissing || editor.view.n_frames <= 2;
    this.propagate.setAttribute("aria-pressed", String(editor.isPropagated));
    this.by_volume.hidden = !isMissing;
    this.tools.hidden = isMissing;
    this.#showBeats(
      beats,
      beats.findIndex((beat) => beat.ed_frame === ed && beat.es_frame === es),
    );
    for (const name of ["reader", "note"]) if (document.activeElement !== this[name]) this[name].value = editor[name];
    this.arrange();
  }

  #showBeats(beats, chosen) {
    const { t } = this;
    this.beat.hidden = !beats.length || (beats.length === 1 && chosen === 0);
    const kind = (beat) => (beat.excluded ? "beat_excluded" : beat.shown ? "beat_shown" : "beat_other");
    const texts = beats.map((beat, i) => t(`viewer.correct.${kind(beat)}`, { number: i + 1, ef: beat.text }));
    const key = JSON.stringify([texts, chosen]);
    if (key === this.key) return;
    this.key = key;
    const option = (value, text) => el("option", { value, selected: value === chosen }, text);
    const byHand = chosen === BY_HAND ? [option(BY_HAND, t("viewer.correct.beat_by_hand"))] : [];
    this.beat.replaceChildren(...byHand, ...texts.map((text, i) => option(i, text)));
  }
}
