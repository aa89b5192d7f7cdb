// All requests of the page. Addresses are relative to the document, so that the page works under a path prefix.
import { t } from "./text.js";

const TIMEOUT_MS = 30000;
const RETRY_AFTER_MS = 400;

/** What went wrong, in one sentence; `status` is 0 where the server was not reached, `body` the whole reply. */
export class ApiError extends Error {
  constructor(code, message, status = 0, body = null) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.status = status;
    this.body = body;
  }

  /** Whether the server was not reached, or something before it replied in its place. */
  get isOffline() {
    return this.status === 0 ? this.code !== "aborted" : [502, 503, 504].includes(this.status) && !this.body?.error;
  }
}

const url = (path) => new URL(path, document.baseURI).href;
const part = (name) => (name ? `?part=${encodeURIComponent(name)}` : "");
const of = (id) => `api/items/${encodeURIComponent(id)}`;

function errorOf(status, body) {
  const error = body?.error;
  if (error?.message) return new ApiError(error.code || "error", error.message, status, body);
  if (status === 413) return new ApiError("too_large", t("errors.too_large"), status, body);
  if ([502, 503, 504].includes(status)) return new ApiError("unavailable", t("errors.offline"), status, body);
  return new ApiError("error", t("errors.status", { status }), status, body);
}

async function send(method, path, { body, raw = false, signal, timeout = TIMEOUT_MS } = {}) {
  const abort = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort.abort();
  }, timeout);
  const stop = () => abort.abort();
  signal?.addEventListener("abort", stop);
  try {
    const response = await fetch(url(path), {
      method,
      signal: abort.signal,
      credentials: "same-origin",
      cache: "no-store",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (response.ok && raw) return await response.arrayBuffer();
    const text = await response.text();
    let parsed = null;
    try {
      parsed = text ? JSON.parse(text) : null;
    } catch {
      parsed = null;
    }
    if (!response.ok) throw errorOf(response.status, parsed);
    return parsed;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (signal?.aborted) throw new ApiError("aborted", t("errors.aborted"));
    throw new ApiError(timedOut ? "timeout" : "network", t(timedOut ? "errors.timeout" : "errors.offline"));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

async function get(path, options = {}) {
  try {
    return await send("GET", path, options);
  } catch (error) {
    if (error.status !== 0 || error.code === "aborted" || error.code === "timeout") throw error;
    await new Promise((done) => setTimeout(done, RETRY_AFTER_MS));
    return send("GET", path, options);
  }
}

/** The session: version, options, items, limits, models, samples. */
export const getSession = () => get("api/session", { timeout: 10000 });
/** Asks for the page itself, which gives a new session cookie where the old one expired. */
export const renewSession = () => fetch(url("."), { credentials: "same-origin", cache: "no-store" });
/** Forgets everything of the session. */
export const deleteSession = () => send("DELETE", "api/session");
/** Stores options; returns them. */
export const putOptions = (options) => send("PUT", "api/options", { body: options });
/** All items in short. */
export const getItems = (signal) => get("api/items", { signal, timeout: 10000 });
/** One item in full. */
export const getItem = (id, signal) => get(of(id), { signal });
/** Makes an item of uploads, or a study of two items. */
export const postItem = (body) => send("POST", "api/items", { body });
/** Makes an item of a sample. */
export const postSample = (name) => send("POST", `api/samples/${encodeURIComponent(name)}`, { body: {}, timeout: 60000 });
/** Stops a measurement. */
export const stopItem = (id) => send("POST", `${of(id)}/stop`, { body: {} });
/** Measures again; `body` may hold options, a scale, or swap. */
export const measureItem = (id, body = {}) => send("POST", `${of(id)}/measure`, { body });
/** Forgets one item. */
export const deleteItem = (id) => send("DELETE", of(id));
/** What the viewer draws. */
export const getView = (id, name = "", signal) => get(`${of(id)}/view${part(name)}`, { signal });
/** The EF of an edit that is not stored; an older request is stopped by its signal. */
export const preview = (id, edit, signal) => send("POST", `${of(id)}/preview`, { body: { edit }, signal });
/** Stores a correction; status 409 where another tab changed it meanwhile. */
export const putEdit = (id, body) => send("PUT", `${of(id)}/edit`, { body });
/** A contour through an apex and two annulus points. */
export const resegment = (id, body, signal) => send("POST", `${of(id)}/resegment`, { body, signal });
/** Starts the comparison of all models. */
export const postCompare = (id) => send("POST", `${of(id)}/compare`, { body: {} });
/** State of the comparison. */
export const getCompare = (id, name = "", signal) => get(`${of(id)}/compare${part(name)}`, { signal });
/** What the About page says. */
export const getAbout = () => get("api/about");

/** The frames of a clip as a list of JPEG blobs. */
export async function getFrames(id, name = "", signal) {
  const data = await get(`${of(id)}/frames${part(name)}`, { raw: true, signal, timeout: 120000 });
  const view = new DataView(data),
    count = view.getUint32(4, true);
  const blobs = [];
  for (let i = 0, at = 8 + 4 * count; i < count; i += 1) {
    const size = view.getUint32(8 + 4 * i, true);
    blobs.push(new Blob([new Uint8Array(data, at, size)], { type: "image/jpeg" }));
    at += size;
  }
  return blobs;
}

/** Address of an output file of an item. */
export const fileUrl = (id, name) => url(`${of(id)}/files/${encodeURIComponent(name)}`);
/** Address of the small image of an item; the revision makes it new after a correction. */
export const thumbUrl = (id, revision) => url(`${of(id)}/thumb?v=${encodeURIComponent(revision)}`);
/** Address of the table or the archive of all results. */
export const resultsUrl = (suffix) => url(`api/results.${suffix}`);

/** Sends a file; `onProgress` gets the share that is sent. Resolves to the id of the upload. */
export function uploadFile(file, { onProgress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url(`api/uploads?name=${encodeURIComponent(file.name)}`));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress?.(event.loaded / event.total);
    };
    request.onload = () => {
      let body = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        body = null;
      }
      if (request.status >= 200 && request.status < 300 && body?.upload) resolve(body.upload);
      else reject(errorOf(request.status, body));
    };
    request.onerror = () => reject(new ApiError("network", t("errors.upload_broken", { name: file.name })));
    request.onabort = () => reject(new ApiError("aborted", t("errors.aborted")));
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) reject(new ApiError("aborted", t("errors.aborted")));
    else request.send(file);
  });
}
