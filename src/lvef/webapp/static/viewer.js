// Everything between image and EF: cine, ED and ES side by side, volume-time curve, and the correction, in one viewer.
import { CorrectBar } from "./correctbar.js";
import { Curve } from "./curve.js";
import { el } from "./dom.js";
import { Editor } from "./editor.js";
import { Frames } from "./frames.js";
import { Pane } from "./pane.js";
import { PHASES, Phases, timeText, volumeText } from "./phases.js";
import { Player } from "./player.js";
import { CINE_LAYERS, Scene } from "./scene.js";
import { Camera } from "./stage.js";
import { Tools } from "./tools.js";
import { ViewBar } from "./viewbar.js";

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
const PHASE_KEYS = { d: "ed", s: "es" };
const ZOOMS = { in: (camera) => camera.scaleBy(1.25), out: (camera) => camera.scaleBy(0.8), fit: (camera) => camera.fit() };

/**
 * Creates the viewer in `root`. Options: `api`, `t`, `onResult(detail)` after a correction was stored, `onPreview(result)`
 * while a point moves (null when it ends), `onMode(mode)`, `announce(text)` for screen readers.
 */
export function createViewer(root, options) {
  const viewer = new Viewer(root, options);
  return {
    load: (detail) => viewer.load(detail),
    setMode: (mode) => viewer.setMode(mode),
    seek: (frame) => viewer.player.seek(frame),
    suspend: () => viewer.suspend(),
    resume: () => viewer.resume(),
    destroy: () => viewer.destroy(),
  };
}

class Viewer {
  constructor(root, { api, t, onResult = () => {}, onPreview = () => {}, onMode = () => {}, announce = () => {} }) {
    Object.assign(this, { root, api, t, onResult, onPreview, onMode, announce });
    [this.mode, this.wanted] = ["cine", "cine"];
    this.turn = 0;
    this.shown = { contour: true, ed: true, es: true, disks: false, overlay: "both" };
    this.cameras = { cine: new Camera(), pair: new Camera() };
    const hooks = {
      onChange: (what) => this.changed(what),
      onPreview: (result) => this.onPreview(result),
      onResult: (detail) => this.stored(detail),
      onMessage: (...message) => this.message(...message),
      announce,
    };
    this.editor = new Editor({ api, t, hooks });
    this.build();
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
  }

  build() {
    const { t, editor, shown, announce } = this,
      act = (name, value) => this.act(name, value);
    this.phases = new Phases({ camera: this.cameras.pair, t, editor, bitmapOf: (frame) => this.bitmapOf(frame) });
    this.cine = new Pane({ name: "cine", camera: this.cameras.cine, t, layers: CINE_LAYERS });
    this.panes = { cine: this.cine, ...this.phases.panes };
    const { panes } = this,
      { handles } = this.phases;
    this.scene = new Scene({ editor, panes, handles, shown });
    this.player = new Player({
      t,
      announce,
      show: (frame, text) => this.showFrame(frame, text),
      isReady: (frame) => Boolean(this.bitmapOf(frame)),
      prefetch: (list) => this.frames?.prefetch(new Set(list.map((frame) => this.imageOf(frame)))),
    });
    const onPhase = (phase, frame, isDone) => {
      if (isDone) editor.chooseFrames({ [phase]: frame });
      else this.phases.lookAt(phase, frame);
    };
    this.curve = new Curve({ t, onSeek: (frame) => this.player.seek(frame), onPhase });
    this.correctBar = new CorrectBar({ t, act });
    this.viewBar = new ViewBar({ t, shown, act });
    this.tools = new Tools({
      editor,
      panes,
      handles,
      t,
      announce,
      message: (...message) => this.message(...message),
      onTool: (tool) => this.correctBar.tools.choose(tool),
    });
    for (const phase of PHASES) {
      panes[phase].stage.onView = () => {
        handles[phase].show(handles[phase].points, true);
        this.tools.redrawMarks();
      };
    }
    this.sentence = el("p", { class: "v-message", role: "status" });
    const images = el("div", { class: "v-images" }, panes.cine.root, panes.ed.root, panes.es.root);
    const area = el("div", { class: "v-stage-area" }, images, this.sentence);
    this.box = el(
      "div",
      { class: "v-viewer", dataset: { mode: "cine", kind: "plain" } },
      this.viewBar.root,
      this.correctBar.root,
      area,
      this.player.root,
      this.curve.root,
      this.correctBar.form,
    );
    this.root.replaceChildren(this.box);
  }

  // --- loading -----------------------------------------------------------------------------------------------------------

  /** Shows an item; the same item again only takes what changed. */
  async load(detail) {
    const before = this.detail,
      isOther = before?.id !== detail.id;
    // What is being stored is newer than any detail that was asked for before.
    if (!isOther && (before.revision >= detail.revision || this.editor.isStoring)) return;
    if (isOther) {
      this.enter("cine");
      this.player.pause();
      // What was playing must not play on in the frames of this item.
      [this.part, this.view, this.hasPlayed, this.wasPlaying] = [detail.parts?.[0] ?? "", null, false, false];
      this.player.isUsed = false;
    }
    this.detail = detail;
    this.editor.load(detail);
    this.viewBar.setParts(detail.parts ?? [""], this.part);
    await this.loadPart(!isOther && this.frames && before.swap === detail.swap && before.state === detail.state);
  }

  async loadPart(hasSameImages) {
    const turn = (this.turn += 1),
      { api, detail, part } = this;
    this.message("");
    this.box.setAttribute("aria-busy", "true");
    if (!hasSameImages) this.loadFrames(detail.id, part, turn);
    try {
      const view = await api.getView(detail.id, part);
      if (turn === this.turn) this.takeView(view, hasSameImages);
    } catch (error) {
      if (turn === this.turn) this.message(error.message);
    }
    if (turn === this.turn) this.box.removeAttribute("aria-busy");
  }

  async loadFrames(id, part, turn) {
    this.player.pause();
    this.frames?.close();
    for (const pane of Object.values(this.panes)) pane.stage.setBitmap(null);
    this.frames = new Frames(() => this.decoded());
    const query = part ? `?part=${encodeURIComponent(part)}` : "";
    try {
      await this.frames.load(new URL(`api/items/${encodeURIComponent(id)}/frames${query}`, document.baseURI).href);
    } catch (error) {
      if (turn === this.turn && error.name !== "AbortError") this.message(this.t("viewer.frames_broken"));
    }
  }

  takeView(view, isSame) {
    // Two stills are ED and ES, also without an EF.
    if (view.is_still && view.n_frames === 2) view = { ...view, ed_frame: view.ed_frame ?? 0, es_frame: view.es_frame ?? 1 };
    const isPlaying = isSame && this.player.isPlaying,
      frame = isSame ? this.player.frame : (view.ed_frame ?? 0);
    this.view = view;
    this.editor.setView(this.part, view);
    this.scene.setView(view);
    const geometry = { width: view.width, height: view.height, aspect: view.aspect || 1 };
    for (const pane of Object.values(this.panes)) pane.stage.setGeometry(geometry);
    this.fit(isSame);
    this.curve.setView(view);
    this.player.setView(view, frame);
    this.changed("all");
    if (isPlaying) this.player.play();
    else if (this.wanted !== "correct") this.playOnce();
    // The mode may have been asked for before the view was here.
    if (view.correctable) this.setMode(this.wanted);
    else if (this.wanted === "correct") this.onMode("cine");
  }

  /** Stills, a clip with contours, one with ED and ES but bare of contours, or a plain one: the layout depends on it. */
  setKind() {
    const hasPhases = PHASES.every((phase) => this.editor.phase(phase).frame !== null);
    const kind = !hasPhases && this.mode !== "correct" ? "plain" : this.view.correctable ? "clip" : "bare";
    this.box.dataset.kind = this.view.is_still ? "still" : kind;
  }

  fit(keep = false) {
    const { whole, sector, pair } = this.scene.boxes();
    this.cameras.cine.setBox(sector, whole, keep);
    this.cameras.pair.setBox(pair, whole, keep);
  }

  imageOf(frame) {
    return Math.min(Math.floor(frame / (this.view?.every || 1)), Math.max(0, (this.frames?.count || 1) - 1));
  }

  usedCameras() {
    return this.mode === "correct" ? [this.cameras.pair] : Object.values(this.cameras);
  }

  bitmapOf(frame) {
    return this.frames?.get(this.imageOf(frame)) ?? null;
  }

  decoded() {
    if (!this.view) return;
    this.paintCine();
    this.phases.repaint();
    this.playOnce();
  }

  /** Plays the shown beat once after loading: contraction is what the eye needs. */
  playOnce() {
    const isStill = this.isSuspended || this.mode !== "cine" || !this.view || this.view.is_still;
    // Who looks at a frame already is not led away from it.
    if (this.hasPlayed || this.player.isUsed || isStill || window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    if (!this.frames?.has(this.imageOf(1))) return;
    this.hasPlayed = true;
    this.player.play();
  }

  // --- drawing -----------------------------------------------------------------------------------------------------------

  /** Redraws after a change: of one phase while a point moves, else everything. */
  changed(what) {
    if (!this.view) return;
    const { editor, view, mode } = this;
    this.scene.drawPhases(what, mode === "correct");
    this.curve.setReader(this.phases.readerVolumes(), what !== "all");
    if (what !== "all") {
      this.phases.describe(what);
      return;
    }
    this.setKind();
    this.phases.update(view);
    const frames = { ed: editor.phase("ed").frame, es: editor.phase("es").frame };
    this.player.setPhases(frames);
    this.curve.setPhases(mode === "correct" ? frames : null);
    this.frames?.pin(Object.values(this.phases.shownFrame).map((frame) => this.imageOf(frame)));
    this.scene.drawCineGhosts();
    this.scene.drawCine(this.player.frame);
    const title = this.t(view.correctable ? "viewer.mode_correct_help" : "viewer.not_correctable");
    this.viewBar.update({ mode, isChanged: editor.isPartChanged, isCorrectable: Boolean(view.correctable), title });
    this.correctBar.update(editor, view.beats ?? []);
  }

  showFrame(frame, text) {
    this.scene.drawCine(frame);
    this.paintCine();
    this.curve.setFrame(frame, text);
    const { phase } = this.cine.stage.root.dataset;
    this.cine.setChip(phase ? phase.toUpperCase() : "", phase);
    this.cine.setText(this.t("viewer.frame", { frame: frame + 1 }), timeText(this.t, this.view, frame));
    this.cine.value.textContent = volumeText(this.t, this.view, this.view.volume?.[frame]);
  }

  paintCine() {
    const bitmap = this.bitmapOf(this.player.frame);
    if (bitmap) this.cine.stage.setBitmap(bitmap);
  }

  /** A sentence on the images, or on that of a phase while correcting; empty for none. A hint is no warning. */
  message(text, phase = null, isHint = false) {
    const isOnImage = phase !== null && this.mode === "correct";
    for (const name of PHASES) this.panes[name].setNote(isOnImage && name === phase ? text : "", isHint);
    this.sentence.textContent = isOnImage ? "" : text;
    this.sentence.classList.toggle("v-hint", isHint);
  }

  // --- acts --------------------------------------------------------------------------------------------------------------

  setMode(mode) {
    this.wanted = mode;
    if (mode === this.mode || (mode === "correct" && !this.view?.correctable)) return;
    // A cine that was playing goes on after the correction.
    if (mode === "correct") this.goesOn = this.player.isPlaying;
    this.enter(mode);
    if (mode === "cine" && this.goesOn) this.player.play();
    this.onMode(mode);
  }

  enter(mode) {
    this.editor.finishKeys();
    this.mode = mode;
    this.box.dataset.mode = mode;
    if (mode === "correct") this.player.pause();
    else this.tools.choose("points");
    this.tools.setActive(mode === "correct");
    this.message("");
    this.changed("all");
  }

  choosePart(part) {
    if (part === this.part) return;
    this.editor.finishKeys();
    this.part = part;
    this.viewBar.parts.choose(part);
    this.hasPlayed = this.player.isUsed = false;
    this.loadPart(false);
  }

  async act(name, value) {
    const { editor, correctBar, shown } = this,
      beat = this.view?.beats?.[value];
    if (name === "mode") this.setMode(value);
    else if (name === "part") this.choosePart(value);
    else if (name === "zoom") this.usedCameras().forEach(ZOOMS[value]);
    else if (name === "toggle" || name === "overlay") {
      Object.assign(shown, name === "toggle" ? { [value]: !shown[value] } : { overlay: value });
      this.changed("all");
    } else if (name === "tool") this.tools.choose(value);
    else if (name === "undo") editor.undo();
    else if (name === "redo") editor.redo();
    else if (name === "reset_ed" || name === "reset_es") editor.resetContour(name.slice(6));
    else if (name === "reset_all") editor.resetAll();
    else if (name === "beat" && beat) {
      editor.chooseFrames({ ed: beat.ed_frame, es: beat.es_frame });
      this.fit();
    } else if (name === "by_volume") {
      editor.chooseByVolume();
      this.fit();
    } else if (name === "propagate") editor.setPropagation(!editor.isPropagated);
    else if (name === "sign") editor.sign(correctBar.reader.value.trim(), correctBar.note.value.trim());
    else if (name === "load_file") correctBar.file.click();
    else if (name === "load") editor.loadFile(value);
    else if (name === "save") el("a", { href: await editor.fileAddress(), download: "" }).click();
  }

  /** The server has stored the correction. */
  async stored(detail) {
    this.detail = detail;
    this.onPreview(null);
    this.onResult(detail);
    if (!this.editor.isPropagated && !this.view.reader_contours) return;
    const { turn, part } = this,
      view = await this.api.getView(detail.id, part).catch(() => null);
    if (!view || turn !== this.turn) return;
    Object.assign(this.view, { reader_contours: view.reader_contours, reader_volume: view.reader_volume });
    this.curve.draw();
    this.changed("all");
  }

  key(event) {
    const active = document.activeElement,
      isHere = !active || active === document.body || this.root.contains(active);
    if (event.defaultPrevented || this.isSuspended || !this.view || !this.root.isConnected || !isHere) return;
    const word = event.key.toLowerCase(),
      isControl = event.ctrlKey || event.metaKey;
    if (active?.matches("input[type=text]")) return;
    if (isControl && this.mode === "correct" && (word === "z" || word === "y")) {
      if (word === "y" || event.shiftKey) this.editor.redo();
      else this.editor.undo();
    } else if (isControl || event.altKey || active?.matches("input, select")) return;
    else if (word === "h") this.act("toggle", "contour");
    else if (word in PHASE_KEYS) this.toPhase(PHASE_KEYS[word]);
    else if (word === "b" && this.mode === "cine" && !this.view.is_still) this.player.nextBeat();
    else if (!this.playerKey(event.key, active)) return;
    event.preventDefault();
  }

  toPhase(phase) {
    if (this.mode === "cine" && !this.view.is_still) this.player.jump(phase);
    else this.panes[phase].stage.root.focus();
  }

  playerKey(key, active) {
    const { player } = this;
    if (this.view.is_still) return false;
    if (key === " " && !active?.matches("button")) player.playOrPause();
    else if (key in STEPS) player.step(STEPS[key]);
    else if (key === "Home") player.seek(0);
    else if (key === "End") player.seek(player.last);
    else return false;
    return true;
  }

  /** Another page is shown: playback stops. */
  suspend() {
    if (this.isSuspended) return;
    this.isSuspended = true;
    this.wasPlaying = this.player.isPlaying;
    this.player.pause();
    this.editor.finishKeys();
  }

  /** This page is shown again. */
  resume() {
    if (!this.isSuspended) return;
    this.isSuspended = false;
    if (this.wasPlaying && this.mode === "cine") this.player.play();
    else this.playOnce();
  }

  destroy() {
    document.removeEventListener("keydown", this.onKey);
    this.player.destroy();
    this.editor.destroy();
    this.frames?.close();
    this.curve.destroy();
    for (const pane of Object.values(this.panes)) pane.stage.destroy();
    this.root.replaceChildren();
  }
}
