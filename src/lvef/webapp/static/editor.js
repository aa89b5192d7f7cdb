// The correction of a result: state, undo, drag, keys. It draws nothing: `onChange` follows each change, and what draws
// asks `phase`.
import { APEX, baseOf, contourFromLandmarks, contourOf, copy, dragPoints, volumeOf } from "./contour.js";
import {
  isEmpty,
  isReadable,
  isUnchanged,
  keptOf,
  readEdit,
  withFrames,
  withKept,
  withPoints,
  withPropagation,
  writeEdit,
  emptyState,
} from "./edits.js";
import { emptyHistory, fitHistory, pushStep, readHistory, redoStep, undoStep } from "./history.js";
import { Saver } from "./saving.js";

const HISTORY_BYTES = 200000;
const KEYS_SETTLE_MS = 450;
const MOST_FILE_BYTES = 2 ** 20;

/** The correction of one item. `hooks`: onChange(what), onPreview, onResult, onMessage(text, phase), announce. */
export class Editor {
  constructor({ api, t, hooks }) {
    Object.assign(this, { api, t, hooks });
    this.live = null; // {phase, points} while a point moves
    this.looked = null; // the state with another frame while a marker or a slider moves
    this.onLeave = () => this.flush();
    this.onHidden = () => {
      if (document.hidden && this.saver) this.finishKeys();
    };
    window.addEventListener("pagehide", this.onLeave);
    document.addEventListener("visibilitychange", this.onHidden);
  }

  /** Takes the correction of an item as the server has it. */
  load(detail) {
    const isOther = this.id !== detail.id;
    if (isOther) {
      this.flush();
      this.saver?.close();
    }
    this.id = detail.id;
    this.parts = detail.parts?.length ? detail.parts : [""];
    const { state: stored, reader, note } = readEdit(detail.edit, this.parts),
      state = withKept(stored, detail.history?.kept);
    Object.assign(this, { state, reader, note, live: null, looked: null });
    this.history = readHistory(detail.history);
    this.accepted = { state, history: this.history };
    if (isOther || !this.saver) this.saver = new Saver(this.api, detail.id, detail.revision, this.#hooks());
    else this.saver.revision = detail.revision;
  }

  #hooks() {
    const { hooks } = this;
    return {
      onSaved: (detail, tag, isMore) => {
        this.accepted = tag;
        if (!isMore) hooks.onResult(detail);
      },
      onConflict: (detail) => {
        this.load(detail);
        hooks.onChange("all");
        hooks.onResult(detail);
        this.#message(this.t("viewer.conflict"));
      },
      onRejected: (error) => {
        const phase = this.lastPhase;
        Object.assign(this, { state: this.accepted.state, history: this.accepted.history, live: null, looked: null });
        hooks.onPreview(null);
        hooks.onChange("all");
        this.#message(`${error.message} ${this.t(phase ? "viewer.put_back" : "viewer.unchanged")}`, phase);
      },
      onFailed: (error, isRetried) => this.#message(isRetried ? this.t("viewer.not_saved_yet") : error.message),
      onPreview: (result) => {
        if (this.live || this.looked) hooks.onPreview(result);
      },
      onPreviewError: (error) => {
        if (this.live) hooks.onMessage(error.message, this.live.phase);
        else if (this.looked) hooks.onPreview(null);
      },
    };
  }

  #message(text, phase = null, isHint = false) {
    this.hooks.onMessage(text, phase, isHint);
    if (text) this.hooks.announce(text);
  }

  /** Shows another part of a study; `view` is its ViewData. */
  setView(part, view) {
    this.part = part;
    this.view = view;
    this.sizes = new WeakMap();
  }

  // --- what is shown -----------------------------------------------------------------------------------------------------

  get own() {
    return (this.looked ?? this.state)?.[this.part] ?? {};
  }
  get isChanged() {
    return Boolean(this.state) && !isUnchanged(this.state);
  }
  get isPartChanged() {
    return !isEmpty(this.own);
  }
  get isPropagated() {
    return Boolean(this.own.propagate);
  }
  get canPropagate() {
    return Boolean(this.own.ed_points || this.own.es_points);
  }

  /** A phase as the reader has it: frame, points, whether they are the reader's, and the model's points on this frame. */
  phase(phase) {
    const frame = this.own[`${phase}_frame`] ?? this.view?.[`${phase}_frame`] ?? null;
    const machine = frame === null ? null : (this.view.points?.[String(frame)] ?? null);
    const reader = this.live?.phase === phase ? this.live.points : (this.own[`${phase}_points`] ?? null);
    return { frame, points: reader ?? machine, machine, isOwn: reader !== null };
  }

  /** Volume of the reader's contour in units of the curve, from the model's on the same frame; null for the model's. */
  volume(phase) {
    const { frame, points, machine, isOwn } = this.phase(phase);
    const known = frame === null ? null : this.view.volume?.[frame];
    if (!isOwn || !machine || typeof known !== "number") return null;
    return (known * this.#size(points)) / this.#size(machine);
  }

  #size(points) {
    const { aspect } = this.view;
    if (!this.sizes.has(points)) {
      const display = (p) => p.map(([x, y]) => [x, y * aspect]),
        shown = display(points);
      this.sizes.set(points, volumeOf(display(contourOf(points)), shown[APEX], baseOf(shown)));
    }
    return this.sizes.get(points);
  }

  // --- changes -----------------------------------------------------------------------------------------------------------

  /** Makes a state the current one, with a step of undo, and stores it. */
  commit(state, phase = null) {
    this.#end();
    if (JSON.stringify(state) === JSON.stringify(this.state)) {
      this.hooks.onPreview(null);
      this.hooks.onChange("all");
      return;
    }
    this.history = pushStep(this.history, this.state);
    this.state = state;
    this.#store(phase);
  }

  #store(phase) {
    this.lastPhase = phase;
    this.#message("");
    this.hooks.onChange("all");
    const missing = ["ed", "es"].find((p) => this.view && this.phase(p).frame !== null && !this.phase(p).points);
    if (missing) {
      // Nothing can be measured yet: it is stored with the contour that is drawn next.
      this.#message(this.t("viewer.no_contour_here", { phase: missing.toUpperCase() }), missing);
      return;
    }
    this.#put();
  }

  #put() {
    const { state, history } = this,
      body = {
        edit: writeEdit(state, this.reader, this.note),
        history: fitHistory({ ...history, kept: keptOf(state) }, HISTORY_BYTES),
      };
    this.saver.put(body, { state: this.state, history: this.history });
  }

  #end() {
    clearTimeout(this.timer);
    this.live = this.looked = null;
    this.saver.endPreview();
  }

  /** A whole new contour of a phase. */
  setPoints(phase, points) {
    this.commit(withPoints(this.state, this.part, phase, points), phase);
  }

  /** The model's contour on the frame that is shown. */
  resetContour(phase) {
    this.commit(withPoints(this.state, this.part, phase, null), phase);
    this.hooks.announce(this.t("viewer.reset_done", { phase: phase.toUpperCase() }));
  }

  /** The model's result, in all parts; this can be undone. */
  resetAll() {
    this.commit(emptyState(this.parts));
    this.hooks.announce(this.t("viewer.reset_all_done"));
  }

  /** Another frame of one phase, or of both: `{ed, es}`. */
  chooseFrames(frames) {
    const last = this.view.n_frames - 1;
    this.looked = null;
    const now = { ed: this.phase("ed").frame, es: this.phase("es").frame, ...frames };
    if (Object.values(frames).some((frame) => frame < 0 || frame > last)) return;
    if (now.ed === now.es) {
      this.#end();
      this.hooks.onPreview(null);
      this.#message(this.t("viewer.same_frame"));
      this.hooks.onChange("all");
      return;
    }
    this.commit(withFrames(this.state, this.part, frames, this.view));
  }

  /** Shows a phase on another frame, with the EF that it would give, while a marker or a slider moves. */
  lookAt(phase, frame) {
    this.finishKeys();
    this.#end();
    const state = withFrames(this.state, this.part, { [phase]: frame }, this.view);
    // A slider that comes back to its frame reports no change afterwards.
    if (JSON.stringify(state) !== JSON.stringify(this.state)) this.looked = state;
    const [ed, es] = [this.phase("ed"), this.phase("es")];
    this.hooks.onChange(phase);
    if (this.looked && ed.frame !== es.frame && ed.points && es.points) this.saver.preview(writeEdit(this.looked, this.reader, this.note));
    else this.hooks.onPreview(null);
  }

  /** Starts from the frames of the largest and the smallest volume. */
  chooseByVolume() {
    const volume = this.view.volume ?? [],
      known = volume.map((v, i) => [v, i]).filter(([v, i]) => v !== null && this.view.points?.[String(i)]);
    if (known.length < 2) {
      this.#message(this.t("viewer.no_volume"));
      return;
    }
    known.sort((a, b) => a[0] - b[0]);
    this.chooseFrames({ ed: known.at(-1)[1], es: known[0][1] });
  }

  setPropagation(isOn) {
    this.commit(withPropagation(this.state, this.part, isOn));
  }

  /** Reader's name and note: stored without a step of undo. */
  sign(reader, note) {
    if (reader === this.reader && note === this.note) return;
    [this.reader, this.note] = [reader, note];
    this.#put();
  }

  undo() {
    this.#step(undoStep, "viewer.undone");
  }
  redo() {
    this.#step(redoStep, "viewer.redone");
  }

  #step(step, word) {
    this.finishKeys();
    const found = step(this.history, this.state);
    if (!found) return;
    this.#end();
    Object.assign(this, { state: { ...emptyState(this.parts), ...found.state }, history: found.history });
    this.#store(null);
    this.hooks.announce(this.t(word));
  }

  get isStoring() {
    return this.saver?.isDirty || this.live !== null || this.looked !== null;
  }
  get canUndo() {
    return this.history?.past.length > 0 || Boolean(this.live);
  }
  get canRedo() {
    return this.history?.future.length > 0;
  }

  // --- moving points -----------------------------------------------------------------------------------------------------

  /** Starts a drag of a point. */
  grab(phase, index) {
    this.finishKeys();
    this.hooks.onMessage("");
    this.live = { phase, index, before: copy(this.phase(phase).points), points: this.phase(phase).points };
  }

  /** Moves the held point by a distance from where it was grabbed. */
  drag(delta, single) {
    const { phase, index, before } = this.live,
      { width, height } = this.view;
    const moved = dragPoints(before, index, delta, { size: [width, height], single });
    this.live.points = moved.points;
    this.hooks.onChange(phase);
    this.#preview();
  }

  #preview() {
    const { phase, points } = this.live;
    this.saver.preview(writeEdit(withPoints(this.state, this.part, phase, points), this.reader, this.note));
  }

  /** Ends a drag: what moved is stored. */
  release(isCancelled = false) {
    if (!this.live) return;
    const { phase, before, points } = this.live,
      hasMoved = points.some((p, i) => Math.hypot(p[0] - before[i][0], p[1] - before[i][1]) > 1e-6);
    this.live = null;
    if (hasMoved && !isCancelled) {
      this.commit(withPoints(this.state, this.part, phase, points), phase);
      return;
    }
    this.#end();
    this.hooks.onPreview(null);
    this.hooks.onChange("all");
  }

  /** Moves a point by a key; moves that follow each other are one step of undo. */
  nudge(phase, index, delta, single) {
    if (this.live && (this.live.phase !== phase || this.live.index !== index)) this.finishKeys();
    if (!this.live) {
      this.grab(phase, index);
      this.live.isKeyed = true;
      this.live.delta = [0, 0];
    }
    const wanted = this.live.delta.map((v, k) => v + delta[k]);
    this.drag(wanted, single);
    // What was stopped does not add up.
    const { before, points } = this.live;
    this.live.delta = [0, 1].map((k) => points[index][k] - before[index][k]);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.finishKeys(), KEYS_SETTLE_MS);
  }

  finishKeys() {
    clearTimeout(this.timer);
    if (this.live?.isKeyed) this.release();
  }

  // --- contour of three points, files ------------------------------------------------------------------------------------

  /** A contour through an apex and two hinge points; without the model's help it is bent or made from a half ellipse. */
  async resegment(phase, apex, annulus, fallback) {
    const { frame } = this.phase(phase),
      part = this.part,
      id = this.id;
    this.#message(this.t("viewer.three.working"), phase, true);
    let points,
      note = "";
    try {
      ({ points } = await this.api.resegment(id, { part, frame, apex, annulus }));
    } catch (error) {
      if (error.status !== 422 && !error.isOffline && error.status !== 404) {
        this.#message(error.message, phase);
        return;
      }
      points = fallback ?? contourFromLandmarks(apex, annulus);
      note = this.t(fallback ? "viewer.three.bent" : "viewer.three.drawn");
    }
    if (this.id !== id || this.part !== part || this.phase(phase).frame !== frame) return;
    this.setPoints(phase, points);
    this.#message(note || this.t("viewer.three.done"), phase, !note);
  }

  /** Takes a correction from a file. */
  async loadFile(file) {
    let edit = null;
    try {
      if (file.size > MOST_FILE_BYTES) throw new Error("too large");
      edit = JSON.parse(await file.text());
    } catch {
      this.#message(this.t("viewer.file_unreadable", { name: file.name }));
      return;
    }
    const isStudy = this.parts.length > 1;
    if (!edit || typeof edit !== "object" || (edit.schema !== undefined && edit.schema !== "lvef-correction/1")) {
      this.#message(this.t("viewer.file_other", { name: file.name }));
      return;
    }
    if (isStudy !== Boolean(edit.views)) {
      this.#message(this.t(isStudy ? "viewer.file_of_clip" : "viewer.file_of_study", { name: file.name }));
      return;
    }
    const { state, reader, note } = readEdit(edit, this.parts);
    if (!isReadable(state, this.view.n_frames)) {
      this.#message(this.t("viewer.file_damaged", { name: file.name, frames: this.view.n_frames }));
      return;
    }
    [this.reader, this.note] = [reader || this.reader, note || this.note];
    this.commit(state);
    this.hooks.announce(this.t("viewer.file_loaded", { name: file.name }));
  }

  /** Address of the stored correction, once everything is stored. */
  async fileAddress() {
    this.finishKeys();
    await this.saver.settle();
    return this.api.fileUrl(this.id, "correction.json");
  }

  /** Sends what is not stored yet, while the page is left. */
  flush() {
    if (!this.saver) return;
    this.saver.leave();
    this.finishKeys();
    const address = new URL(`api/items/${encodeURIComponent(this.id)}/edit`, document.baseURI).href;
    this.saver.flush(address, (body, bytes) => ({
      edit: body.edit,
      history: fitHistory(body.history ?? emptyHistory(), bytes - JSON.stringify(body.edit).length - 200),
    }));
  }

  destroy() {
    this.flush();
    this.saver?.close();
    window.removeEventListener("pagehide", this.onLeave);
    document.removeEventListener("visibilitychange", this.onHidden);
  }
}
