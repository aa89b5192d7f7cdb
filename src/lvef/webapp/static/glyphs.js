// Drawings of the viewer's buttons.
import { svg } from "./dom.js";

const PATHS = {
  play: ["M8 5.5v13l11-6.5z", "full"],
  pause: ["M7 5.5h3.5v13H7zM13.5 5.5H17v13h-3.5z", "full"],
  back: ["M15 6l-6 6 6 6"],
  on: ["M9 6l6 6-6 6"],
  plus: ["M12 5.5v13M5.5 12h13"],
  minus: ["M5.5 12h13"],
  fit: ["M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15"],
  undo: ["M9 14L4.5 9.5 9 5M4.5 9.5h10a5 5 0 0 1 0 10H11"],
  redo: ["M15 14l4.5-4.5L15 5M19.5 9.5h-10a5 5 0 0 0 0 10H13"],
  points: ["M5 17c2-9 5-11 7-11s5 2 7 11M5 14.8a2.2 2.2 0 1 0 .1 0M12 3.8a2.2 2.2 0 1 0 .1 0M19 14.8a2.2 2.2 0 1 0 .1 0"],
  redraw: ["M4.5 19.5l1-4.5L16 4.5l3.5 3.5L9 18.5z"],
  landmarks: ["M12 5.5v.01M6 18.5v.01M18 18.5v.01", "dots"],
  hide: ["M3 12s3.3-6 9-6 9 6 9 6-3.3 6-9 6-9-6-9-6zM12 9.5a2.5 2.5 0 1 0 .1 0M5 4.5l14 15"],
};

/** A drawing beside a name, hidden from screen readers. */
export function glyph(name) {
  const [d, kind = "line"] = PATHS[name];
  return svg(
    "svg",
    { class: `v-glyph v-${kind}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { d }),
  );
}

/** A sample of a line, as the stage draws it: `ed`, `es`, `frame`, `model`. */
export function lineSample(name) {
  return svg(
    "svg",
    { class: `v-sample v-${name}`, viewBox: "0 0 22 10", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: "M1 5h20" }),
  );
}
