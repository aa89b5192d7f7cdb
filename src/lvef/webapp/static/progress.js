// What stands in place of viewer and result while there is none: progress with Stop, stopped and failed with Try again.
import { badge } from "./result.js";
import { button, el, rebuild } from "./dom.js";
import { doingText } from "./list.js";
import { isBusy } from "./store.js";
import { reasonText, t } from "./text.js";

/** The panel; `actions` holds stop, again, swap, forget. */
export function createProgress({ root, actions }) {
  function drawItem(item) {
    const share = Math.round(100 * (item.progress || 0));
    const key = [item.id, item.state, item.name, item.reason, item.position];
    rebuild(root, JSON.stringify(key), () => (isBusy(item) ? busy(item) : ended(item)));
    const bar = root.querySelector("progress");
    if (bar && isBusy(item)) {
      bar.value = share;
      root.querySelector(".doing").textContent =
        item.state === "queued"
          ? Number.isFinite(item.position)
            ? t("state.queued_long", { n: item.position })
            : t("state.queued")
          : doingText(item);
      root.querySelector(".percent").textContent = item.state === "queued" ? "" : `${share} %`;
    }
  }

  function drawUpload(tasks, uploads) {
    const task = tasks[0],
      share = Math.round(100 * task.share);
    rebuild(root, JSON.stringify([task.key, task.state, task.message, tasks.length]), () =>
      card(task.name, [
        task.state === "error"
          ? el("p", { class: "refusal-reason" }, task.message)
          : [
              el(
                "p",
                { class: "doing" },
                task.kind === "sample"
                  ? t("state.preparing")
                  : tasks.length > 1
                    ? t("upload.sending_one_of", { n: tasks.length })
                    : t("upload.sending"),
              ),
              el("progress", { max: "100", "aria-label": t("upload.sending") }),
              el("p", { class: "percent soft" }),
            ],
        el(
          "div",
          { class: "dialog-actions" },
          task.state === "error"
            ? button({
                text: t("upload.again"),
                drawing: "again",
                kind: "primary",
                focus: "again",
                on: () => uploads.retry(task),
              })
            : null,
          task.kind === "sample"
            ? null
            : button({ text: t("upload.cancel"), drawing: "close", focus: "cancel", on: () => uploads.cancel(task) }),
        ),
      ]),
    );
    const bar = root.querySelector("progress");
    if (bar && task.kind !== "sample") {
      bar.value = share;
      root.querySelector(".percent").textContent = `${share} %`;
    }
  }

  function busy(item) {
    return card(item.name, [
      el("p", { class: "doing", role: "status" }),
      el("progress", { max: "100", "aria-label": t("state.progress") }),
      el("p", { class: "percent soft" }),
      el(
        "div",
        { class: "dialog-actions" },
        button({ text: t("state.stop"), drawing: "stop", focus: "stop", on: () => actions.stop(item) }),
      ),
    ]);
  }

  function ended(item) {
    const isStopped = item.state === "stopped";
    return card(item.name, [
      badge(isStopped ? "stopped" : "refused", t(isStopped ? "state.stopped" : "result.failed_title")),
      el("p", { class: "refusal-reason", role: "status" }, isStopped ? t("state.stopped_long") : reasonText(item)),
      el(
        "div",
        { class: "dialog-actions" },
        button({
          text: t("state.try_again"),
          drawing: "again",
          kind: "primary",
          focus: "again",
          on: () => actions.again(item),
        }),
        button({ text: t("result.forget"), drawing: "forget", focus: "forget", on: () => actions.forget(item) }),
      ),
    ]);
  }

  const card = (name, children) => el("div", { class: "card" }, el("h2", { title: name }, name), children);

  return { drawItem, drawUpload };
}
