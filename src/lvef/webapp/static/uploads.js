// Sending files: at most four at once, one after the other where there are more; a failed one can be tried again.
import * as api from "./api.js";
import { bytesText } from "./dom.js";
import { t } from "./text.js";

const SEQUENTIAL_FROM = 5,
  AT_ONCE = 4;
const IGNORED = /^(\.|thumbs\.db$|desktop\.ini$|dicomdir$|__macosx$)/i;
const VIEW_IN_NAME = { A4C: /(^|[^a-z0-9])(a4c|4ch|a4ch|ap4|four)/i, A2C: /(^|[^a-z0-9])(a2c|2ch|a2ch|ap2|two)/i };
const PHASE_IN_NAME = { ED: /(^|[^a-z])(ed|diastol\w*)([^a-z]|$)/i, ES: /(^|[^a-z])(es|systol\w*)([^a-z]|$)/i };

/** The two parts of a pair, by kind. */
export const SLOTS = { stills: ["ED", "ES"], study: ["A4C", "A2C"] };

/** The suffix of a name in lower case, with its dot; empty without one. */
export const suffixOf = (name) => /(\.[a-z0-9]{1,8})$/i.exec(name)?.[1].toLowerCase() || "";

/** Why a file cannot be measured, in one sentence; empty where nothing speaks against it. */
export function fileError(file, kind, limits) {
  const suffix = suffixOf(file.name),
    allowed = [...(limits.suffixes || []), ...(kind === "stills" ? limits.still_suffixes || [] : [])];
  const name = file.name;
  if (file.size > limits.max_upload_bytes)
    return t("errors.file_too_large", { name, size: bytesText(file.size), limit: bytesText(limits.max_upload_bytes) });
  if (file.size === 0) return t("errors.file_empty", { name });
  // A DICOM file often has no suffix, or a number as one: its content decides.
  if (suffix && !/^\.\d+$/.test(suffix) && allowed.length && !allowed.includes(suffix)) {
    return t(kind === "stills" ? "errors.file_no_still" : "errors.file_no_clip", { name, suffix });
  }
  return "";
}

/** Which of two files is the first of a pair, by their names: 0, 1, or null where the names do not say. */
export function firstByName(kind, names) {
  const [first, second] = kind === "study" ? [VIEW_IN_NAME.A4C, VIEW_IN_NAME.A2C] : [PHASE_IN_NAME.ED, PHASE_IN_NAME.ES];
  const says = names.map((name) => (first.test(name) ? 1 : 0) - (second.test(name) ? 1 : 0));
  if (says[0] === says[1]) return null;
  return says[0] > says[1] ? 0 : 1;
}

/** Which slot a name belongs to: 0, 1, or null. */
export function slotByName(kind, name) {
  const [first, second] = kind === "study" ? [VIEW_IN_NAME.A4C, VIEW_IN_NAME.A2C] : [PHASE_IN_NAME.ED, PHASE_IN_NAME.ES];
  if (first.test(name) === second.test(name)) return null;
  return first.test(name) ? 0 : 1;
}

/** All files of a drop, those in its folders too; `fromFolder` of a file says where it lay. */
export async function filesOfDrop(transfer) {
  const entries = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() || item.getAsFile());
  const found = [];
  for (const entry of entries) await walk(entry, false, found);
  return found;
}

async function walk(entry, isInFolder, found) {
  if (!entry || (isInFolder && IGNORED.test(entry.name))) return;
  if (entry instanceof File) found.push({ file: entry, isInFolder });
  else if (entry.isFile) found.push({ file: await new Promise((done, failed) => entry.file(done, failed)), isInFolder });
  else {
    const reader = entry.createReader();
    for (;;) {
      // A reader gives a part of the entries at a time, and none at the end.
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) break;
      for (const one of some) await walk(one, true, found);
    }
  }
}

/** The queue of files that are sent; `onAdded` gets each new item and whether it is the first of its drop. */
export function createUploads({ store, onChange, onAdded, notify }) {
  let number = 0;
  const tasks = store.state.uploads;

  function add(kind, groups) {
    const drop = {};
    for (const files of groups) {
      number += 1;
      tasks.push({
        key: `u${number}`,
        kind,
        files,
        ids: [],
        name: files.map((file) => file.name).join(" + "),
        share: 0,
        state: "waiting",
        message: "",
        drop,
      });
    }
    onChange();
    advance();
  }

  /** A sample that the server prepares, shown like a file that is sent. */
  async function addSample(name, label) {
    if (tasks.some((task) => task.kind === "sample")) return;
    number += 1;
    const task = {
      key: `u${number}`,
      kind: "sample",
      files: [],
      ids: [],
      name: label,
      share: 0,
      state: "preparing",
      message: "",
      drop: {},
    };
    tasks.push(task);
    onChange();
    await store.run(async () => {
      const item = await api.postSample(name);
      remove(task);
      store.putSummary(item);
      onAdded(item, true);
    });
    remove(task);
    onChange();
  }

  function advance() {
    const open = tasks.filter((task) => task.state === "waiting" || task.state === "sending");
    const most = open.length >= SEQUENTIAL_FROM ? 1 : AT_ONCE;
    const running = open.filter((task) => task.state === "sending").length;
    for (const task of open.filter((one) => one.state === "waiting").slice(0, Math.max(0, most - running))) send(task);
  }

  async function send(task) {
    task.state = "sending";
    task.abort = new AbortController();
    try {
      const total = task.files.reduce((sum, file) => sum + file.size, 0) || 1;
      let sent = 0;
      for (const [i, file] of task.files.entries()) {
        const onProgress = (share) => {
          task.share = (sent + share * file.size) / total;
          onChange();
        };
        task.ids[i] ||= await api.uploadFile(file, { onProgress, signal: task.abort.signal });
        sent += file.size;
      }
      const item = await api.postItem({ kind: task.kind, uploads: task.ids });
      remove(task);
      const isFirst = !task.drop.isOpened;
      task.drop.isOpened = true;
      store.putSummary(item);
      onAdded(item, isFirst);
    } catch (error) {
      if (error.code === "aborted") remove(task);
      else {
        // An upload that the server no longer has is sent again.
        if (error.status === 404 || error.status === 410) task.ids = [];
        task.state = "error";
        task.message = error.message;
        // One message for a drop: the list names every file that failed.
        task.drop.close ||= notify(error.message);
      }
    }
    onChange();
    advance();
  }

  function remove(task) {
    const at = tasks.indexOf(task);
    if (at >= 0) tasks.splice(at, 1);
  }

  return {
    add,
    addSample,
    cancel: (task) => {
      if (task.state === "sending") task.abort.abort();
      else {
        remove(task);
        onChange();
      }
    },
    retry: (task) => {
      task.drop.close?.();
      task.drop.close = null;
      task.state = "waiting";
      task.message = "";
      onChange();
      advance();
    },
  };
}
