// The page: it owns state and routes, and gives each part what it shows.
import * as api from "./api.js";
import { createBar } from "./topbar.js";
import { confirmDialog, openDialog, shortcutsDialog } from "./dialogs.js";
import { el } from "./dom.js";
import { createList } from "./list.js";
import { createMessages } from "./messages.js";
import { createPages } from "./pages.js";
import { createProgress } from "./progress.js";
import { createDetails } from "./details.js";
import { createResult } from "./result.js";
import { goTo, itemHash, readRoute } from "./routes.js";
import { scaleDialog } from "./scale.js";
import { settingsDialog } from "./settings.js";
import { createStore, isBusy, isShown } from "./store.js";
import { loadTexts, t } from "./text.js";
import { acceptDrops, createPanel } from "./upload.js";
import { createUploads } from "./uploads.js";
import { createViewer } from "./viewer.js";

const byId = (id) => document.getElementById(id);

async function start() {
  await loadTexts();
  document.title = t("page.title");
  byId("skip").textContent = t("page.skip");
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
  });
  byId("foot").append(el("p", {}, t("page.disclaimer")));

  const notify = createMessages(byId("messages"));
  let route = readRoute(),
    isDrawing = false,
    preview = null,
    loaded = {},
    early = [];
  const parts = {
    start: el("div", { class: "start" }),
    work: el("div", { class: "work" }),
    page: el("div", { class: "page", tabindex: "-1" }),
  };
  const work = {
    list: el("aside", { class: "list", "aria-label": t("list.label") }),
    viewer: el("section", { class: "viewer-place", "aria-label": t("page.viewer") }),
    progress: el("section", { class: "progress", "aria-label": t("state.progress") }),
    ef: el("section", { class: "ef", "aria-label": t("result.ef") }),
    details: el("div", { class: "details" }),
  };
  parts.work.append(...Object.values(work));
  byId("main").append(el("h1", { class: "unseen" }, t("page.title")), ...Object.values(parts));

  const store = createStore({ onChange: draw, notify });
  const { state } = store;
  const uploads = createUploads({
    store,
    notify,
    onChange: draw,
    onAdded: (item, isFirst) => {
      if (isFirst) goTo(itemHash(item.id));
    },
  });

  const actions = {
    redraw: draw,
    open: (id) => goTo(itemHash(id), { replace: route.name === "item" }),
    add: openAdd,
    help: shortcutsDialog,
    stop: (item) => store.run(async () => store.putSummary((await api.stopItem(item.id)) || { ...item, state: "stopped" })),
    again: (item, body = {}) => store.run(async () => store.putSummary(await api.measureItem(item.id, body))),
    swap: (item) => actions.again(item, { swap: true }),
    compare: (item) => goTo(`#/compare/${encodeURIComponent(item.id)}`),
    correct: (is) => goTo(itemHash(state.selected, is ? "correct" : "cine")),
    scale: (item, detail) => scaleDialog({ item, detail, onScale: (scale) => actions.again(item, { scale }) }),
    study: (pair) => studyOf(pair),
    sample: (name, label) => uploads.addSample(name, label),
    forget,
    forgetAll,
    settings,
  };

  const viewer = createViewer(work.viewer, {
    api,
    t,
    announce,
    onResult: (detail) => {
      preview = null;
      store.setDetail(detail);
    },
    onMode: (mode) => {
      if (route.name === "item" && mode !== route.mode) goTo(itemHash(route.id, mode));
    },
    onPreview: (found) => {
      preview = found;
      draw();
    },
  });
  const bar = createBar({ root: byId("bar"), state, actions });
  const list = createList({ root: work.list, state, uploads, actions });
  const progress = createProgress({ root: work.progress, actions });
  const result = createResult({ root: work.ef, actions }),
    details = createDetails({ root: work.details, actions });
  const pages = createPages({ root: parts.page, state, store, actions, notify });
  const panel = createPanel({ state, uploads, notify, where: "start", onSample: actions.sample, onDone: draw });
  parts.start.append(panel.root);
  acceptDrops({ message: () => t("upload.drop_now"), onFiles: dropped, onError: notify });

  addEventListener("hashchange", () => {
    route = readRoute();
    follow();
  });
  addEventListener("keydown", onKey);
  addEventListener("online", () => store.poll(0));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) store.poll(0);
  });

  try {
    await store.load();
  } catch (error) {
    state.offline = true;
    if (!error.isOffline) notify(error.message);
  }
  follow();
  store.poll(300);

  async function follow() {
    if (!state.isLoaded) {
      draw();
      return;
    }
    if (route.name === "start" && state.items.length) {
      goTo(itemHash(state.selected || state.items.at(-1).id), { replace: true });
      return;
    }
    if (route.name === "item" && !store.find(route.id)) {
      // Another tab may have added it.
      const { id } = route;
      await store.run(store.refresh);
      if (route.id !== id || state.offline) return;
      if (!store.find(id)) {
        notify(t("errors.item_gone"));
        state.selected = null;
        goTo("#/", { replace: true });
        return;
      }
    }
    if (route.id) {
      if (state.selected !== route.id) preview = null;
      store.select(route.id);
    }
    draw();
  }

  function draw() {
    if (isDrawing) return;
    isDrawing = true;
    // Several changes at once are drawn once; a hidden tab has no animation frames, but timers.
    setTimeout(() => {
      isDrawing = false;
      drawNow();
    }, 0);
  }

  function drawNow() {
    drawBanner();
    bar.draw(route);
    if (!state.isLoaded) return;
    const item = store.find(route.name === "item" ? route.id : state.selected);
    if (route.name === "item" && !item) {
      if (!state.offline) follow();
      return;
    }
    const isUploading = route.name === "start" && state.uploads.length > 0;
    const shows = route.name === "item" || isUploading ? "work" : route.name === "start" ? "start" : "page";
    for (const [name, node] of Object.entries(parts)) node.hidden = name !== shows;
    document.body.dataset.shows = shows;
    if (early.length) dropped(early.splice(0));
    if (shows === "start") panel.draw();
    if (shows === "page") pages.draw(route);
    if (shows === "work") drawWork(item, isUploading);
    else viewer.suspend();
  }

  function drawWork(item, isUploading) {
    const detail = item && state.details.get(item.id);
    const hasResult = Boolean(item && isShown(item) && !isUploading),
      isWaiting = isUploading || isBusy(item);
    const isListed = state.items.length + state.uploads.length > 1;
    work.list.hidden = !isListed;
    work.viewer.hidden = work.details.hidden = !hasResult;
    work.ef.hidden = !hasResult && !isWaiting;
    work.progress.hidden = hasResult;
    parts.work.classList.toggle("waiting", isWaiting);
    if (isListed) list.draw();
    if (!hasResult) {
      viewer.suspend();
      if (isUploading) progress.drawUpload(state.uploads, uploads);
      else progress.drawItem(item);
      if (isWaiting) result.drawWaiting();
      return;
    }
    result.draw({ item, detail, mode: route.mode, preview });
    details.draw({ item, detail, mode: route.mode, preview });
    if (!detail) return;
    if (loaded.id !== detail.id || loaded.revision !== detail.revision) {
      loaded = { id: detail.id, revision: detail.revision };
      preview = null;
      Promise.resolve(viewer.load(detail)).then(draw);
      announceResult(detail);
    }
    viewer.setMode(route.mode);
    viewer.resume();
  }

  function announce(text) {
    byId("live").textContent = text;
  }

  function announceResult(detail) {
    const { result: found } = detail;
    const { name, machine } = detail,
      values = { name, ef: found?.ef_text, decision: t(`decision.${found?.decision || "none"}`) };
    if (!found?.ef_text || !Number.isFinite(found.ef_percent)) announce(t("result.announce_none", { name }));
    else announce(t(machine ? "result.announce_reader" : "result.announce", values));
  }

  function drawBanner() {
    const text = state.offline ? t("errors.offline_banner") : state.session?.trouble || "";
    if (byId("banner").textContent !== text) byId("banner").textContent = text;
    byId("banner").hidden = !text;
  }

  function openAdd(found = null, kind = "") {
    if (!found && route.name === "start" && !state.uploads.length) {
      panel.root.querySelector("button, input")?.focus();
      return null;
    }
    const adding = createPanel({
      state,
      uploads,
      notify,
      where: "dialog",
      onSample: actions.sample,
      onDone: () => dialog.close(),
    });
    const dialog = openDialog(t("upload.title"), adding.root, { kind: "adding-dialog" });
    dialog.lvefPanel = adding;
    if (kind) adding.setKind(kind);
    if (found) adding.take(found);
    return adding;
  }

  function dropped(found) {
    // What may be sent is not known yet: the files wait.
    if (!state.isLoaded) {
      early.push(...found);
      return;
    }
    const opened = document.querySelector("dialog[open]");
    if (opened && !opened.classList.contains("adding-dialog")) opened.close();
    if (opened?.lvefPanel) {
      opened.lvefPanel.take(found);
      return;
    }
    if (!parts.start.hidden) {
      panel.take(found);
      return;
    }
    const probe = createPanel({ state, uploads, notify, where: "probe", onSample: actions.sample });
    // Two stills ask which of them is ED; clips need no dialog.
    if (!probe.isPairOf(found)) probe.take(found);
    else openAdd(found, "stills");
  }

  async function studyOf([one, ...partners]) {
    const partner = partners.length === 1 ? partners[0] : await pages.choosePartner(one, partners);
    if (!partner) return;
    const [a4c, a2c] = one.view === "A2C" ? [partner, one] : [one, partner];
    await store.run(async () => {
      const item = await api.postItem({ kind: "study", items: [a4c.id, a2c.id] });
      store.putSummary(item);
      goTo(itemHash(item.id));
    });
  }

  async function forget(item) {
    if (
      !item ||
      !(await confirmDialog({
        title: t("forget.one_title"),
        text: t("forget.one", { name: item.name }),
        action: t("forget.action"),
      }))
    )
      return;
    await store.run(async () => {
      await api.deleteItem(item.id);
      store.setItems(state.items.filter((other) => other.id !== item.id));
      if (state.selected === item.id) {
        state.selected = null;
        goTo("#/", { replace: true });
      }
      draw();
      store.poll(0);
    });
  }

  async function forgetAll() {
    if (
      !(await confirmDialog({
        title: t("forget.all_title"),
        text: t("forget.all", { n: state.items.length }),
        action: t("forget.action"),
      }))
    )
      return;
    await store.run(async () => {
      await api.deleteSession();
      state.selected = null;
      state.uploads.slice().forEach((task) => uploads.cancel(task));
      await store.load();
      goTo("#/");
      follow();
      notify(t("forget.done"), { kind: "note" });
    });
  }

  function settings() {
    const item = route.name === "item" ? store.find(state.selected) : null;
    settingsDialog({
      options: state.session.options || {},
      models: state.session.models || [],
      item: item && isShown(item) ? item : null,
      save: async (options) => {
        state.session.options = (await api.putOptions(options)).options;
        state.details.clear();
        store.poll(0);
        store.select(state.selected);
      },
      measureAgain: (shown) => actions.again(shown, { options: state.session.options }),
    });
  }

  function onKey(event) {
    const isField = event.target.closest?.("input, select, textarea, [contenteditable]");
    if (
      event.defaultPrevented ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      isField ||
      document.querySelector("dialog[open]")
    )
      return;
    const step = { "[": -1, "]": 1 }[event.key];
    if (event.key === "?") shortcutsDialog();
    else if (event.key.toLowerCase() === "a") openAdd();
    else if (event.key === ",") settings();
    else if (step && state.items.length > 1) {
      const at = state.items.findIndex((item) => item.id === state.selected);
      actions.open(state.items[(at + step + state.items.length) % state.items.length].id);
    } else return;
    event.preventDefault();
  }
}

start();
