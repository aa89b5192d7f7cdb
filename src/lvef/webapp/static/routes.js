// Addresses of the page: what is shown stands in the hash, so that reload and the back button work.

/** The route of the present hash: `name` is start, item, batch, compare or about. */
export function readRoute(hash = location.hash) {
  const [name = "", id = "", mode = ""] = hash.replace(/^#\/?/, "").split("/");
  if (name === "item" && id) return { name, id, mode: mode === "correct" ? "correct" : "cine" };
  if (name === "compare") return { name, id, mode: "" };
  if (name === "batch" || name === "about") return { name, id: "", mode: "" };
  return { name: "start", id: "", mode: "" };
}

/** The hash of an item, in a mode. */
export const itemHash = (id, mode = "cine") => `#/item/${encodeURIComponent(id)}${mode === "correct" ? "/correct" : ""}`;

/** Goes to a hash; `replace` leaves no step for the back button. */
export function goTo(hash, { replace = false } = {}) {
  if (location.hash === hash) return;
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, "", hash);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
