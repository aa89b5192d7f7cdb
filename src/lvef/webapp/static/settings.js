// The settings: patient and measurement. Those of the patient hold at once, the others for the next measurement.
import { openDialog } from "./dialogs.js";
import { button, el } from "./dom.js";
import { t } from "./text.js";

const PATIENT = ["sex", "height_cm", "weight_kg"];
const RANGES = { height_cm: [40, 250, 1], weight_kg: [2, 400, 0.1], frame_rate_hz: [1, 1000, 0.01] };
const VIEWS = ["unknown", "A4C", "A2C"];

/**
 * Opens the settings; `save(options)` stores them and rejects with an error where they are wrong; `item` is the shown one or
 * null, `measureAgain(item)` measures it with the new settings.
 */
export function settingsDialog({ options, models, item, save, measureAgain }) {
  const fields = {},
    error = el("p", { class: "form-error", role: "alert", hidden: true });
  const again = item ? button({ text: t("settings.save_again"), kind: "primary", on: () => submit(true) }) : null;
  const store = button({ text: t("settings.save"), kind: "primary", type: "submit" });
  const form = el(
    "form",
    {
      novalidate: true,
      on: {
        submit: (event) => {
          event.preventDefault();
          submit(false);
        },
      },
    },
    el(
      "fieldset",
      {},
      el("legend", {}, t("settings.patient")),
      el("p", { class: "soft" }, t("settings.patient_help")),
      el(
        "div",
        { class: "form-row" },
        el(
          "div",
          { class: "field", role: "radiogroup", "aria-label": t("settings.sex") },
          el("span", { class: "field-label" }, t("settings.sex")),
          el(
            "div",
            { class: "segments" },
            ["", "F", "M"].map((value) => radio(value)),
          ),
        ),
      ),
      el("div", { class: "form-row" }, number("height_cm"), number("weight_kg")),
    ),
    el(
      "fieldset",
      {},
      el("legend", {}, t("settings.measurement")),
      el("p", { class: "soft" }, t("settings.measurement_help")),
      el(
        "div",
        { class: "form-row" },
        choice(
          "weights",
          models.map((model) => [
            model.name,
            model.experimental && !/experimental/.test(model.label)
              ? t("settings.experimental", { model: model.label })
              : model.label,
          ]),
        ),
      ),
      el(
        "div",
        { class: "form-row" },
        choice(
          "view",
          VIEWS.map((view) => [view, t(`settings.views.${view}`)]),
        ),
        number("frame_rate_hz"),
      ),
      el(
        "label",
        { class: "check" },
        (fields.second_opinion = el("input", { type: "checkbox", checked: Boolean(options.second_opinion) })),
        el("span", {}, t("settings.second_opinion"), el("span", { class: "soft" }, t("settings.second_opinion_help"))),
      ),
    ),
    error,
    el("div", { class: "dialog-actions" }, button({ text: t("dialog.cancel"), on: () => dialog.close() }), again, store),
  );
  const dialog = openDialog(t("settings.title"), form, { kind: "settings" });
  const before = read();
  form.addEventListener("input", showAgain);
  showAgain();

  function radio(value) {
    const input = el("input", { type: "radio", name: "sex", value, checked: (options.sex || "") === value });
    return el("label", {}, input, el("span", {}, t(`settings.sexes.${value || "none"}`)));
  }

  function number(name) {
    const [min, max, step] = RANGES[name],
      id = `setting-${name}`;
    fields[name] = el("input", {
      id,
      type: "number",
      min,
      max,
      step,
      inputmode: "decimal",
      value: options[name] ?? "",
      placeholder: t("settings.not_given"),
    });
    return el(
      "div",
      { class: "field" },
      el("label", { class: "field-label", for: id }, t(`settings.${name}`)),
      fields[name],
    );
  }

  function choice(name, rows) {
    const id = `setting-${name}`;
    fields[name] = el(
      "select",
      { id },
      rows.map(([value, label]) => el("option", { value, selected: (options[name] || rows[0][0]) === value }, label)),
    );
    return el(
      "div",
      { class: "field wide" },
      el("label", { class: "field-label", for: id }, t(`settings.${name}`)),
      fields[name],
    );
  }

  function read() {
    const asNumber = (name) => (fields[name].value.trim() === "" ? null : Number(fields[name].value));
    return {
      sex: form.elements.sex.value || null,
      height_cm: asNumber("height_cm"),
      weight_kg: asNumber("weight_kg"),
      weights: fields.weights.value,
      view: fields.view.value,
      frame_rate_hz: asNumber("frame_rate_hz"),
      second_opinion: fields.second_opinion.checked,
    };
  }

  function changesMeasurement() {
    const now = read();
    return Object.keys(now).some((name) => !PATIENT.includes(name) && now[name] !== before[name]);
  }

  function showAgain() {
    error.hidden = true;
    if (!again) return;
    again.hidden = !changesMeasurement();
    store.classList.toggle("primary", again.hidden);
  }

  function wrong() {
    const bad = Object.keys(RANGES).find((name) => !fields[name].checkValidity() && !fields[name].validity.stepMismatch);
    if (bad) return t("settings.out_of_range", { name: t(`settings.${bad}`), low: RANGES[bad][0], high: RANGES[bad][1] });
    return (fields.height_cm.value === "") !== (fields.weight_kg.value === "") ? t("settings.both") : "";
  }

  async function submit(measures) {
    const message = wrong();
    if (message) return showError(message);
    try {
      await save(read());
    } catch (failure) {
      return showError(failure.message);
    }
    dialog.close();
    if (measures) measureAgain(item);
    return undefined;
  }

  function showError(message) {
    error.hidden = false;
    error.textContent = message;
  }
}
