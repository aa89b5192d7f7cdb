// State of the page. It comes from the server, so that reload, the back button and a second tab show the same.
import * as api from "./api.js";
import { hasText, t } from "./text.js";

const BUSY_MS = 300,
  IDLE_MS = 5000,
  OFFLINE_MS = 2000;
const GONE = new Set([401, 403, 410]);

/** Whether an item is still being measured. */
export const isBusy = (item) => item.state === "queued" || item.state === "running";
/** Whether an item can be shown: it was measured, or read and refused. */
export const isShown = (item) => item.state === "done" || item.state === "refused";

/**
 * The store: `state` holds session, items, details; every change calls `onChange`.
 * `notify` shows a message.
 */
export function createStore({ onChange, notify }) {
  const state = {
    session: null,
    items: [],
    uploads: [],
    selected: null,
    details: new Map(),
    offline: false,
    isLoaded: false,
  };
  let timer = 0,
    isPolling = false,
    wanted = null,
    revision = null;

  const find = (id) => state.items.find((item) => item.id === id);

  function setItems(items) {
    state.items = items;
    const known = new Set(items.map((item) => item.id));
    for (const id of state.details.keys()) if (!known.has(id)) state.details.delete(id);
  }

  function putSummary(summary) {
    const at = state.items.findIndex((item) => item.id === summary.id);
    if (at < 0) state.items = [...state.items, summary];
    else state.items = state.items.map((item, i) => (i === at ? { ...item, ...summary } : item));
    onChange();
    poll(0);
  }

  function setDetail(detail) {
    state.details.set(detail.id, detail);
    const { result, machine, by_part, history, edit, ...summary } = detail;
    state.items = state.items.map((item) => (item.id === detail.id ? { ...item, ...summary } : item));
    onChange();
  }

  async function loadDetail() {
    const item = find(state.selected);
    if (!item || !isShown(item)) return;
    const known = state.details.get(item.id);
    if (known && known.revision >= item.revision && known.state === item.state) return;
    if (wanted === item.id) return;
    wanted = item.id;
    try {
      const detail = await api.getItem(item.id);
      const now = state.details.get(item.id);
      if (!now || now.revision <= detail.revision || now.state !== detail.state) setDetail(detail);
    } catch (error) {
      if (!error.isOffline && error.status !== 404) notify(error.message);
    } finally {
      wanted = null;
    }
  }

  async function load() {
    const session = await api.getSession();
    state.session = session;
    setItems(session.items || []);
    revision = session.revision;
    state.isLoaded = true;
    state.offline = false;
    if (session.notice)
      notify(hasText(`errors.${session.notice.code}`) ? t(`errors.${session.notice.code}`) : session.notice.message);
    onChange();
    loadDetail();
  }

  async function refresh() {
    const found = await api.getItems();
    if (found.revision === revision && JSON.stringify(found.items) === JSON.stringify(state.items)) return;
    revision = found.revision;
    setItems(found.items);
    onChange();
  }

  function schedule(after) {
    clearTimeout(timer);
    timer = setTimeout(tick, after);
  }

  async function tick() {
    if (isPolling) return;
    isPolling = true;
    try {
      if (state.offline || !state.isLoaded) {
        const hadItems = state.items.length > 0;
        await load();
        if (hadItems && !state.items.length && !state.session.notice) notify(t("errors.session_expired"));
      } else {
        await refresh();
      }
      await loadDetail();
    } catch (error) {
      if (GONE.has(error.status)) await renew();
      else if (error.isOffline !== false) {
        if (!state.offline) {
          state.offline = true;
          onChange();
        }
      } else notify(error.message);
    } finally {
      isPolling = false;
    }
    const isActive = state.items.some(isBusy);
    schedule(state.offline ? OFFLINE_MS : isActive ? BUSY_MS : IDLE_MS);
  }

  async function renew() {
    notify(t("errors.session_expired"));
    state.details.clear();
    await api.renewSession().catch(() => {});
    await load().catch(() => {
      state.offline = true;
      onChange();
    });
  }

  function poll(after = 0) {
    schedule(after);
  }

  function select(id) {
    state.selected = id;
    loadDetail();
  }

  async function run(action) {
    try {
      return await action();
    } catch (error) {
      if (GONE.has(error.status)) await renew();
      else if (error.code !== "aborted") notify(error.message);
      if (error.isOffline) {
        state.offline = true;
        onChange();
        poll(OFFLINE_MS);
      }
      return null;
    }
  }

  return { state, find, load, refresh, poll, select, putSummary, setDetail, setItems, run };
}
