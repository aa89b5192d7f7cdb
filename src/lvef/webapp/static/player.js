// Playback of a clip by its own times, and the transport below the image.
import { choice, control } from "./controls.js";
import { el } from "./dom.js";
import { glyph } from "./glyphs.js";

const SPEEDS = [0.25, 0.5, 1];
const AHEAD = 24;

/** The frames that a loop runs over, `[from, to]`, and its length in seconds; a beat ends where the next begins. */
export function loopOf(view, beat) {
  const times = view.times,
    last = times.length - 1,
    mean = (times[last] - times[0]) / Math.max(last, 1);
  if (!beat) return { from: 0, to: last, seconds: times[last] - times[0] + mean };
  const from = Math.max(0, Math.min(beat.from, beat.to)),
    to = Math.min(last, Math.max(beat.from, beat.to));
  // Its last frame is the first of the next beat: the same phase, shown once.
  return to - from > 3
    ? { from, to: to - 1, seconds: times[to] - times[from] }
    : { from: 0, to: last, seconds: times[last] - times[0] + mean };
}

/** Frame of a loop after so many seconds. */
export function frameAfter(view, loop, seconds) {
  const time = view.times[loop.from] + (((seconds % loop.seconds) + loop.seconds) % loop.seconds);
  let frame = loop.from;
  while (frame < loop.to && view.times[frame + 1] <= time) frame += 1;
  return frame;
}

/** Playback and transport. `show(frame)` draws; `isReady(frame)` says whether it could; `prefetch(frames)` decodes ahead. */
export class Player {
  constructor({ t, show, isReady, prefetch, announce }) {
    Object.assign(this, { t, show, isReady, prefetch, announce });
    this.frame = 0;
    this.speed = 1;
    this.overBeat = false;
    this.request = null;
    this.view = { times: [0], beats: [] };
    this.#build();
    this.onHidden = () => {
      if (document.hidden && this.request !== null) {
        this.pause();
        this.again = true;
      } else if (!document.hidden && this.again) this.play();
    };
    document.addEventListener("visibilitychange", this.onHidden);
  }

  #build() {
    const { t } = this;
    const button = (name, click, drawing, text = "") =>
      control({ text, label: t(`viewer.player.${name}`), title: t(`viewer.player.${name}_help`), drawing, click });
    this.toggle = button("play", () => this.playOrPause(), "play");
    const back = button("back", () => this.step(-1), "back"),
      on = button("on", () => this.step(1), "on");
    this.slider = el("input", {
      type: "range",
      class: "v-slider",
      min: "0",
      step: "1",
      value: "0",
      "aria-label": t("viewer.player.frame"),
      on: { input: () => this.seek(Number(this.slider.value)) },
    });
    this.now = el("span", { class: "v-now" });
    this.jumps = {
      ed: button("ed", () => this.jump("ed"), null, t("viewer.player.ed")),
      es: button("es", () => this.jump("es"), null, t("viewer.player.es")),
      next: button("next_beat", () => this.nextBeat(), null, t("viewer.player.next_beat")),
    };
    this.loop = button("loop_beat", () => this.setOverBeat(!this.overBeat), null, t("viewer.player.loop_beat"));
    this.speeds = choice({
      name: "speed",
      label: t("viewer.player.speed"),
      value: this.speed,
      onChoose: (speed) => this.setSpeed(speed),
      options: SPEEDS.map((value) => ({ value, text: t("viewer.player.times", { speed: value }) })),
    });
    const jumps = el("span", { class: "v-group" }, Object.values(this.jumps));
    const attributes = { class: "v-transport", role: "group", "aria-label": t("viewer.player.label") };
    this.root = el("div", attributes, this.toggle, back, on, this.slider, this.now, jumps, this.loop, this.speeds);
  }

  /** Another clip; stops playback. */
  setView(view, frame) {
    this.pause();
    this.again = false;
    this.view = view;
    this.last = Math.max(0, (view.times?.length ?? 1) - 1);
    this.slider.max = String(this.last);
    this.jumps.next.hidden = (view.beats ?? []).length < 2;
    this.phases = {};
    this.beat = null;
    this.setPhases({ ed: view.ed_frame ?? null, es: view.es_frame ?? null });
    this.setOverBeat(Boolean(this.beat), false);
    this.#show(Math.min(frame, this.last));
  }

  /** The frames that are chosen as ED and ES: the jumps go there, and their beat is the one that is played. */
  setPhases({ ed, es }) {
    if (ed === this.phases.ed && es === this.phases.es) return;
    const beats = this.view.beats ?? [];
    this.phases = { ed, es };
    for (const phase of ["ed", "es"]) this.jumps[phase].hidden = this.phases[phase] === null;
    this.beat =
      beats.find((beat) => beat.ed_frame === ed && beat.es_frame === es) ?? beats.find((beat) => beat.shown) ?? null;
    this.loop.hidden = !this.beat;
    if (this.isPlaying) this.#rebase();
  }

  get isPlaying() {
    return this.request !== null;
  }

  playOrPause() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** Starts or goes on. */
  play() {
    if (this.isPlaying || this.last < 1) return;
    this.again = false;
    this.toggle.replaceChildren(glyph("pause"));
    this.toggle.setAttribute("aria-label", this.t("viewer.player.pause"));
    this.#rebase();
    let before = performance.now();
    const go = (now) => {
      this.clock += (Math.min(now - before, 250) / 1000) * this.speed;
      before = now;
      const next = frameAfter(this.view, this.range, this.clock);
      if (next !== this.frame) {
        // While the transfer is behind, the clock stands.
        if (this.isReady(next)) this.#show(next);
        else this.#rebase();
      }
      this.#ahead(next);
      this.request = requestAnimationFrame(go);
    };
    this.request = requestAnimationFrame(go);
  }

  /** Stops playback at the frame that is shown. */
  pause() {
    if (this.request !== null) cancelAnimationFrame(this.request);
    this.request = null;
    this.again = false;
    this.toggle.replaceChildren(glyph("play"));
    this.toggle.setAttribute("aria-label", this.t("viewer.player.play"));
  }

  #rebase() {
    this.range = loopOf(this.view, this.overBeat ? this.beat : null);
    const frame = this.frame >= this.range.from && this.frame <= this.range.to ? this.frame : this.range.from;
    this.clock = this.view.times[frame] - this.view.times[this.range.from];
  }

  #ahead(frame) {
    const { from, to } = this.range,
      wanted = [];
    for (let i = 1; i <= AHEAD; i++)
      wanted.push(frame + i <= to ? frame + i : from + ((frame + i - to - 1) % (to - from + 1)));
    this.prefetch(wanted);
  }

  /** Shows a frame and stops. */
  seek(frame) {
    this.isUsed = true;
    this.pause();
    this.#show(Math.min(Math.max(frame, 0), this.last));
    this.prefetch([this.frame + 1, this.frame + 2, this.frame - 1].filter((f) => f >= 0 && f <= this.last));
  }

  step(by) {
    this.seek(this.frame + by);
  }

  jump(phase) {
    const frame = this.phases[phase];
    if (frame === null) return;
    this.seek(frame);
    this.announce(this.text());
  }

  /** Moves to the ED of the next beat, after the last to that of the first; a loop over a beat moves with it. */
  nextBeat() {
    const beats = this.view.beats ?? [];
    if (!beats.length) return;
    const playing = this.isPlaying,
      at = this.overBeat && this.beat ? this.beat.from : this.frame;
    const next = beats.find((beat) => beat.from > at) ?? beats[0];
    this.beat = next;
    this.seek(next.from);
    if (playing) this.play();
    this.announce(this.t("viewer.player.beat_now", { number: beats.indexOf(next) + 1, text: this.text() }));
  }

  setOverBeat(value, isNow = true) {
    this.overBeat = value && Boolean(this.beat);
    this.loop.setAttribute("aria-pressed", String(this.overBeat));
    if (isNow && this.isPlaying) this.#rebase();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.speeds.choose(speed);
  }

  /** The shown frame in words, counted from 1. */
  text() {
    const { view, frame, last } = this;
    return this.t("viewer.frame_of", { frame: frame + 1, frames: last + 1, time: (view.times[frame] ?? 0).toFixed(2) });
  }

  #show(frame) {
    this.frame = frame;
    const text = this.text();
    this.slider.value = String(frame);
    this.slider.setAttribute("aria-valuetext", text);
    this.now.textContent = text;
    this.show(frame, text);
  }

  destroy() {
    this.pause();
    document.removeEventListener("visibilitychange", this.onHidden);
  }
}
