// Shows one clip frame by frame beside its volume-time curve. All frames are in the browser, so a click needs no request.
const SVG = "http://www.w3.org/2000/svg";
const NAMES = { ed: "ED", es: "ES" };

function make(name, attributes, parent, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function niceStep(span, most) {
  const rough = span / most, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough);
}

export default function (component) {
  const { data, parentElement: root } = component;
  const find = (name) => root.querySelector(name);
  const stage = find(".stage"), image = find("img"), drawn = find(".drawn"), tag = find(".tag"), curve = find(".curve");
  const slider = find(".slider"), play = find(".play"), now = find(".now");
  const last = data.times.length - 1;
  const kept = root.lvefViewer;
  // A rerun of the page sends the same clip again: keep the frame.
  let frame = kept && kept.id === data.id ? Math.min(kept.frame, last) : data.start;
  let running = null;
  if (kept && kept.stop) kept.stop();
  const state = { id: data.id, frame };
  root.lvefViewer = state;

  stage.style.aspectRatio = `${data.shape[0]} / ${data.shape[1]}`;
  drawn.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
  drawn.setAttribute("preserveAspectRatio", "none");
  drawn.replaceChildren();
  const contour = make("polygon", { fill: "none", "stroke-width": 2, "vector-effect": "non-scaling-stroke" }, drawn);
  slider.max = last;

  const seen = data.volume.some((v) => v !== null);
  find(".chart").hidden = !seen;
  for (const button of root.querySelectorAll(".jump")) button.hidden = data[button.dataset.phase] === null;
  find(".left-out").hidden = !data.left_out;
  find(".left-out").textContent = data.left_out;

  let place = null;

  function draw() {
    if (!seen) return;
    const width = Math.max(curve.clientWidth, 260), height = curve.clientHeight || 240;
    const box = { left: 52, right: width - 14, top: 44, bottom: height - 34 };
    curve.setAttribute("viewBox", `0 0 ${width} ${height}`);
    curve.replaceChildren();
    const values = data.volume.filter((v) => v !== null);
    let low = Math.min(...values), high = Math.max(...values);
    const room = (high - low) || Math.max(high, 1);
    low = Math.max(0, low - 0.12 * room); high += 0.12 * room;
    const t0 = data.times[0], t1 = Math.max(data.times[last], t0 + 1e-3);
    const x = (f) => box.left + ((data.times[f] - t0) / (t1 - t0)) * (box.right - box.left);
    const y = (v) => box.bottom - ((v - low) / (high - low)) * (box.bottom - box.top);
    const pattern = make("pattern", { id: "hatch", width: 9, height: 9, patternUnits: "userSpaceOnUse",
      patternTransform: "rotate(45)" }, make("defs", {}, curve));
    make("line", { class: "hatch-line", x1: 0, y1: 0, x2: 0, y2: 9 }, pattern);
    for (const beat of data.beats) {
      const [a, b] = [x(beat.from), x(beat.to)].sort((p, q) => p - q);
      if (beat.excluded || beat.answer) {
        make("rect", { class: beat.excluded ? "excluded" : "answer", x: a, y: box.top, width: b - a,
          height: box.bottom - box.top }, curve);
      }
      if (b - a > 52) {
        make("text", { class: "beat-text", x: (a + b) / 2, y: box.top - 8, "text-anchor": "middle",
          "font-weight": beat.answer ? 700 : 400 }, curve, beat.excluded ? "excluded" : beat.text);
      }
    }
    const step = niceStep(high - low, 4);
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
      make("line", { class: "grid", x1: box.left, x2: box.right, y1: y(v), y2: y(v) }, curve);
      make("text", { x: box.left - 8, y: y(v) + 4, "text-anchor": "end" }, curve, `${+v.toFixed(2)}`);
    }
    make("text", { x: 2, y: 13 }, curve, data.unit);
    const tick = niceStep(t1 - t0, 6);
    for (let t = Math.ceil(t0 / tick) * tick; t <= t1 + 1e-9; t += tick) {
      const at = box.left + ((t - t0) / (t1 - t0)) * (box.right - box.left);
      make("text", { x: at, y: box.bottom + 17, "text-anchor": "middle" }, curve, `${+t.toFixed(2)}`);
    }
    make("text", { x: box.right, y: height - 3, "text-anchor": "end" }, curve, "time (s)");
    let path = "", pen = "M";
    data.volume.forEach((v, f) => {
      if (v === null) { pen = "M"; return; }
      path += `${pen}${x(f).toFixed(1)} ${y(v).toFixed(1)}`; pen = "L";
    });
    make("path", { class: "line", d: path }, curve);
    for (const [f, phase, counted] of data.marks) {
      if (data.volume[f] === null) continue;
      const d = phase === "ed" ? "M-6.5 -12H6.5L0 -2Z" : "M-6.5 12H6.5L0 2Z";
      make("path", { class: phase + (counted ? "" : " faded"), d,
        transform: `translate(${x(f).toFixed(1)} ${y(data.volume[f]).toFixed(1)})` }, curve);
    }
    const cursor = make("line", { class: "cursor", y1: box.top, y2: box.bottom }, curve);
    const dot = make("circle", { class: "dot", r: 5 }, curve);
    place = () => {
      cursor.setAttribute("x1", x(frame)); cursor.setAttribute("x2", x(frame));
      const v = data.volume[frame];
      dot.setAttribute("visibility", v === null ? "hidden" : "visible");
      if (v !== null) { dot.setAttribute("cx", x(frame)); dot.setAttribute("cy", y(v)); }
    };
    place.at = (px) => {
      const t = t0 + ((px - box.left) / (box.right - box.left)) * (t1 - t0);
      return data.times.reduce((best, s, f) => (Math.abs(s - t) < Math.abs(data.times[best] - t) ? f : best), 0);
    };
    place();
  }

  function words() {
    const v = data.volume[frame];
    const size = v === null || !seen ? "" : `  ·  ${data.unit.startsWith("ml") ? `${v.toFixed(0)} ml` : `${v.toFixed(0)} % of ED`}`;
    return `Frame ${frame} of ${last}  ·  ${data.times[frame].toFixed(2)} s${size}`;
  }

  function show(next) {
    frame = Math.max(0, Math.min(last, next));
    state.frame = frame;
    image.src = data.frames[Math.min(Math.floor(frame / data.every), data.frames.length - 1)];
    const points = data.contours[frame];
    const phase = frame === data.ed ? "ed" : frame === data.es ? "es" : (data.marks.find(([f, , c]) => f === frame && c) || [])[1];
    const colour = phase === "ed" ? "#56b4e9" : phase === "es" ? "#f0a01e" : "#3cd7aa";
    contour.setAttribute("points", points ? points.join(" ") : "");
    contour.setAttribute("stroke", colour);
    tag.hidden = !phase;
    if (phase) { tag.textContent = NAMES[phase]; tag.style.background = colour; }
    const text = words();
    image.alt = `${data.label}, ${text}${points ? ", with the contour of the left ventricle" : ""}`;
    now.textContent = text;
    slider.value = frame;
    slider.setAttribute("aria-valuetext", text);
    curve.setAttribute("aria-valuenow", frame);
    curve.setAttribute("aria-valuetext", text);
    if (place) place();
  }

  function stop() {
    if (running !== null) cancelAnimationFrame(running);
    running = null;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  function start() {
    if (frame >= last) show(0);
    const from = data.times[frame], began = performance.now();
    const span = data.times[last] - data.times[0] + (data.times[last] - data.times[0]) / Math.max(last, 1);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    const go = () => {
      const t = data.times[0] + ((from - data.times[0] + (performance.now() - began) / 1000) % span);
      let next = 0;
      while (next < last && data.times[next + 1] <= t) next += 1;
      if (next !== frame) show(next);
      running = requestAnimationFrame(go);
    };
    running = requestAnimationFrame(go);
  }

  function choose(next) { stop(); show(next); }

  function key(event) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
    if (event.key in steps) choose(frame + steps[event.key]);
    else if (event.key === "Home") choose(0);
    else if (event.key === "End") choose(last);
    else if (event.key === " ") (running === null ? start : stop)();
    else return;
    event.preventDefault();
  }

  curve.setAttribute("tabindex", "0");
  curve.setAttribute("role", "slider");
  curve.setAttribute("aria-label", "Volume of the left ventricle over time; arrow keys move from frame to frame");
  curve.setAttribute("aria-valuemin", "0");
  curve.setAttribute("aria-valuemax", String(last));
  const point = (event) => { if (place) choose(place.at(event.clientX - curve.getBoundingClientRect().left)); };
  curve.onpointerdown = (event) => { curve.setPointerCapture(event.pointerId); curve.focus(); point(event); };
  curve.onpointermove = (event) => { if (event.buttons) point(event); };
  curve.onkeydown = key;
  slider.oninput = () => choose(Number(slider.value));
  play.onclick = () => (running === null ? start() : stop());
  for (const button of root.querySelectorAll(".step")) button.onclick = () => choose(frame + Number(button.dataset.step));
  for (const button of root.querySelectorAll(".jump")) button.onclick = () => choose(data[button.dataset.phase]);
  state.stop = stop;
  stop();
  const watcher = new ResizeObserver(draw);
  watcher.observe(find(".chart"));
  draw();
  show(frame);
  return () => { watcher.disconnect(); stop(); };
}
