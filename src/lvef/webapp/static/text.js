// Texts of the page: one catalogue, a translation is a file beside en.json.

let texts = {};
const missing = new Set();

/** Sets the catalogue: nested objects whose leaves are texts, or objects of plural forms. */
export function setTexts(catalogue) {
  texts = catalogue || {};
}

/** Loads the catalogue of a language. */
export async function loadTexts(language = "en") {
  const response = await fetch(new URL(`static/texts/${language}.json`, document.baseURI), { cache: "no-cache" });
  if (!response.ok) throw new Error(`texts/${language}.json: status ${response.status}`);
  setTexts(await response.json());
}

function lookUp(key) {
  return key.split(".").reduce((at, name) => (at && typeof at === "object" ? at[name] : undefined), texts);
}

/** Whether the catalogue has a key. */
export function hasText(key) {
  return lookUp(key) !== undefined;
}

/** The raw entry of a key: a list or an object of texts; undefined without one. */
export function entry(key) {
  return lookUp(key);
}

/**
 * The text of a key with `{name}` replaced by `values.name`; the key itself where the catalogue lacks it.
 * An entry of the forms `one` and `other` is chosen by `values.n`.
 */
export function t(key, values = {}) {
  let found = lookUp(key);
  if (found && typeof found === "object" && "other" in found) {
    const form = new Intl.PluralRules(document.documentElement.lang || "en").select(Number(values.n));
    found = found[form] ?? found.other;
  }
  if (typeof found !== "string") {
    if (!missing.has(key)) console.warn(`No text for ${key}`);
    missing.add(key);
    return key;
  }
  return found.replace(/\{(\w+)\}/g, (whole, name) =>
    values[name] === undefined || values[name] === null ? whole : String(values[name]),
  );
}

/** A warning in words, with the view of a study: the catalogue's sentence where its values are known, else the server's. */
export function warningText({ code, values = {}, text = "" }) {
  const found = filled(`warnings.${code}`, values) || text;
  return values.view ? t("result.of_view", { view: values.view, text: found }) : found;
}

/** Why there is no EF: `title`, `text` and `remedy`, each empty where it is not known. */
export function reasonParts(item) {
  const key = `reasons.${item.reason_code}`;
  if (!item.reason_code || !hasText(`${key}.text`)) return { title: "", text: item.reason || "", remedy: "" };
  return { title: filled(`${key}.title`), text: filled(`${key}.text`), remedy: filled(`${key}.remedy`) };
}

/** Why there is no EF, in one line. */
export function reasonText(item) {
  const { text, remedy } = reasonParts(item);
  return [text, remedy].filter(Boolean).join(" ");
}

function filled(key, values = {}) {
  const found = hasText(key) ? t(key, values) : "";
  return /\{\w+\}/.test(found) ? "" : found;
}
