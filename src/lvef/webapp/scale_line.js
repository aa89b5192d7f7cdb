// A line with two ends on an image: a click moves the nearer end, which can be dragged on; arrow keys move the chosen one.
// Points are pixels of the image, whole numbers in their middle; in the drawing y is multiplied by a pixel's aspect.
const SVG = "http://www.w3.org/2000/svg";
const RADIUS_PX = 9;
const NAMES = ["First end of the line", "Second end of the line"];

export default function ({ data, parentElement: root, setStateValue }) {
  const svg = root.querySelector(".picture"), group = root.querySelector(".ends");
  const kept = root.lvefLine;
  const state = kept && kept.id === data.id ? kept : { id: data.id, line: [...data.line], held: null };
  root.lvefLine = state;
  const high = data.height * data.aspect;
  svg.setAttribute("viewBox", `-0.5 ${-0.5 * data.aspect} ${data.width} ${high}`);
  const image = svg.querySelector("image"), place = { x: -0.5, y: -0.5 * data.aspect, width: data.width, height: high, href: data.picture };
  for (const [name, value] of Object.entries(place)) image.setAttribute(name, value);

  const ends = NAMES.map((name, i) => {
    const circle = group.children[i] || group.appendChild(document.createElementNS(SVG, "circle"));
    circle.setAttribute("tabindex", "0");
    circle.setAttribute("role", "slider");
    circle.setAttribute("aria-label", name);
    return circle;
  });

  function draw() {
    const [x1, y1, x2, y2] = state.line, unit = data.width / Math.max(svg.getBoundingClientRect().width, 1);
    for (const path of svg.querySelectorAll("path")) path.setAttribute("d", `M${x1} ${y1 * data.aspect}L${x2} ${y2 * data.aspect}`);
    ends.forEach((circle, i) => {
      circle.setAttribute("cx", state.line[2 * i]);
      circle.setAttribute("cy", state.line[2 * i + 1] * data.aspect);
      circle.setAttribute("r", RADIUS_PX * unit);
      circle.setAttribute("aria-valuenow", Math.round(state.line[2 * i + 1]));
      circle.setAttribute("aria-valuetext", `column ${Math.round(state.line[2 * i])}, row ${Math.round(state.line[2 * i + 1])}`);
    });
  }

  function move(i, x, y) {
    const within = (value, most) => Math.round(10 * Math.max(0, Math.min(most - 1, value))) / 10;
    state.line[2 * i] = within(x, data.width);
    state.line[2 * i + 1] = within(y, data.height);
    draw();
  }

  function pointOf(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [at.x, at.y / data.aspect];
  }

  const send = () => setStateValue("line", [...state.line]);

  svg.onpointerdown = (event) => {
    const [x, y] = pointOf(event);
    const away = [0, 1].map((i) => Math.hypot(x - state.line[2 * i], (y - state.line[2 * i + 1]) * data.aspect));
    state.held = away[0] <= away[1] ? 0 : 1;
    svg.setPointerCapture(event.pointerId);
    ends[state.held].focus();
    move(state.held, x, y);
    event.preventDefault();
  };
  svg.onpointermove = (event) => { if (state.held !== null) move(state.held, ...pointOf(event)); };
  svg.onpointerup = () => { if (state.held !== null) { state.held = null; send(); } };
  svg.onpointercancel = svg.onpointerup;
  ends.forEach((circle, i) => {
    circle.onkeydown = (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      const by = event.shiftKey ? 10 : 1;
      move(i, state.line[2 * i] + by * step[0], state.line[2 * i + 1] + by * step[1]);
      event.preventDefault();
    };
    circle.onkeyup = (event) => { if (event.key.startsWith("Arrow")) send(); };
  });
  const watcher = new ResizeObserver(draw);
  watcher.observe(svg);
  draw();
  return () => watcher.disconnect();
}
