// The panes of ED and ES: which frame each shows, its volume, and their points.
import { Handles } from "./handles.js";
import { Pane } from "./pane.js";
import { PHASE_LAYERS } from "./scene.js";

export const PHASES = ["ed", "es"];

/** Both panes. `bitmapOf(frame)` gives the bitmap of a frame or null; then `repaint` follows later. */
export class Phases {
  constructor({ camera, t, editor, bitmapOf }) {
    Object.assign(this, { t, editor, bitmapOf });
    this.shownFrame = {};
    const pane = (name) =>
      new Pane({
        name,
        camera,
        t,
        layers: PHASE_LAYERS,
        onFrame: (frame) => editor.chooseFrames({ [name]: frame }),
        onFrameInput: (frame) => this.lookAt(name, frame),
      });
    this.panes = { ed: pane("ed"), es: pane("es") };
    const handles = (phase) => new Handles({ stage: this.panes[phase].stage, phase, t, onBlur: () => editor.finishKeys() });
    this.handles = { ed: handles("ed"), es: handles("es") };
  }

  /** Shows the frames that the editor has chosen. */
  update(view) {
    this.view = view;
    this.shownFrame = {};
    for (const phase of PHASES) {
      const { frame } = this.editor.phase(phase);
      if (frame === null) continue;
      this.shownFrame[phase] = frame;
      this.describe(phase);
      this.handles[phase].describe();
    }
    this.repaint();
  }

  /** Draws the images again, for example after one was decoded. */
  repaint() {
    for (const phase of PHASES) {
      const bitmap = this.shownFrame[phase] === undefined ? null : this.bitmapOf(this.shownFrame[phase]);
      if (bitmap) this.panes[phase].stage.setBitmap(bitmap);
    }
  }

  #write(phase, frame) {
    const place = this.t("viewer.frame", { frame: frame + 1 }),
      time = timeText(this.t, this.view, frame);
    this.panes[phase].setText(this.view.is_still ? "" : place, time);
    return `${place}, ${time}`;
  }

  /** Frame, time and volume of a phase in words. */
  describe(phase) {
    const { view, editor } = this,
      { frame } = editor.phase(phase);
    if (frame === null) return;
    this.panes[phase].setChoice(frame, view.n_frames, this.#write(phase, frame));
    this.panes[phase].value.textContent = volumeText(this.t, view, editor.volume(phase) ?? view.volume?.[frame]);
  }

  /** Shows another frame while a marker or a slider moves. */
  lookAt(phase, frame) {
    if (this.editor.phase(phase).frame === frame) return;
    this.shownFrame[phase] = frame;
    this.editor.lookAt(phase, frame);
    this.repaint();
  }

  /** The reader's volumes for the curve, or null where the model's contours are shown. */
  readerVolumes() {
    const found = {};
    for (const phase of PHASES) {
      const volume = this.editor.volume(phase);
      if (volume !== null) found[phase] = { frame: this.editor.phase(phase).frame, volume: Math.round(volume * 10) / 10 };
    }
    return Object.keys(found).length ? found : null;
  }
}

/** The time of a frame in words; empty for stills. */
export function timeText(t, view, frame) {
  return view.is_still ? "" : t("viewer.seconds", { time: (view.times[frame] ?? 0).toFixed(2) });
}

/** A volume in words, in the unit of the curve; empty where there is none. */
export function volumeText(t, view, volume) {
  if (typeof volume !== "number") return "";
  return t(view.unit?.startsWith("ml") ? "viewer.ml" : "viewer.percent_of_ed", { volume: Math.round(volume) });
}
