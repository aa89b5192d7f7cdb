// Geometry of a contour of fifteen control points. No DOM: every function is pure and is tested with node.
//
// Points are [x, y] in pixels of the image, as in lvef.geometry.control_points: left hinge point of the mitral annulus, six
// on the left wall from base to apex, apex, six on the right wall, right hinge point.

export const APEX = 7,
  LAST = 14,
  COUNT = 15;
const STEPS = 8,
  DISKS = 20;

/** Neighbours within so many mean spacings of a dragged point move with it. */
const REACH = 3.5;
/** Sharpest angles that a move may make, at the wall and at the apex, in degrees. */
const WALL_ANGLE = 55,
  APEX_ANGLE = 30;
/** Cosine of the turn from which on a contour folds back. */
const FOLD = Math.cos((120 * Math.PI) / 180);
/** Control points keep this share of their mean spacing from each other. */
const CLOSEST = 0.12;

/** Points of a contour as the server sends it: x, y, x, y, ... */
export const pairs = (flat) => Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);

export const copy = (points) => points.map(([x, y]) => [x, y]);
const away = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const between = (a, b, t) => [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
const cosine = (distance, reach) => (distance >= reach ? 0 : 0.5 * (1 + Math.cos((Math.PI * distance) / reach)));

/** The smooth contour through the points: centripetal Catmull-Rom, as in lvef.geometry.control_points. */
export function contourOf(points) {
  const beyond = (end, next) => [2 * end[0] - next[0], 2 * end[1] - next[1]];
  const ring = [beyond(points[0], points[1]), ...points, beyond(points[LAST], points[LAST - 1])];
  const line = [];
  for (let i = 0; i < LAST; i++) {
    const four = ring.slice(i, i + 4),
      knots = [0];
    for (let j = 0; j < 3; j++) knots.push(knots[j] + Math.sqrt(Math.max(away(four[j], four[j + 1]), 1e-6)));
    const [t0, t1, t2, t3] = knots;
    const mix = (t, from, to, a, b) => [0, 1].map((k) => ((to - t) * a[k] + (t - from) * b[k]) / (to - from));
    for (let step = 0; step < STEPS; step++) {
      const t = t1 + ((t2 - t1) * step) / STEPS;
      const a1 = mix(t, t0, t1, four[0], four[1]),
        a2 = mix(t, t1, t2, four[1], four[2]),
        a3 = mix(t, t2, t3, four[2], four[3]);
      line.push(mix(t, t1, t2, mix(t, t0, t2, a1, a2), mix(t, t1, t3, a2, a3)));
    }
  }
  line.push([...points[LAST]]);
  return line;
}

/** Middle of the mitral plane. */
export const baseOf = (points) => between(points[0], points[LAST], 0.5);

/** Where 20 disks across the long axis cut the contour. */
export function disksOf(contour, apex, base) {
  const length = away(apex, base);
  if (!(length > 0)) return [];
  const u = [(base[0] - apex[0]) / length, (base[1] - apex[1]) / length];
  const own = contour.map(([x, y]) => [
    (x - apex[0]) * u[0] + (y - apex[1]) * u[1],
    (y - apex[1]) * u[0] - (x - apex[0]) * u[1],
  ]);
  const chords = [];
  for (let i = 0; i < DISKS; i++) {
    const level = ((i + 0.5) * length) / DISKS,
      cuts = [];
    own.forEach(([along, across], k) => {
      const [next, beside] = own[(k + 1) % own.length];
      if (along <= level !== next <= level) cuts.push(across + ((level - along) / (next - along)) * (beside - across));
    });
    if (cuts.length < 2) continue;
    chords.push(
      [Math.min(...cuts), Math.max(...cuts)].map((c) => [
        apex[0] + level * u[0] - c * u[1],
        apex[1] + level * u[1] + c * u[0],
      ]),
    );
  }
  return chords;
}

/** Volume of the disks in cubic units: only its ratio to another contour's means something. */
export function volumeOf(contour, apex, base) {
  const sum = disksOf(contour, apex, base).reduce((total, [a, b]) => total + away(a, b) ** 2, 0);
  return (Math.PI / 4) * sum * (away(apex, base) / DISKS);
}

/** Signed area of a closed polygon. */
export function areaOf(polygon) {
  let sum = 0;
  polygon.forEach(([x, y], i) => {
    const [u, v] = polygon[(i + 1) % polygon.length];
    sum += x * v - u * y;
  });
  return sum / 2;
}

/** Whether two sides of a closed polygon cross. */
export function crossesItself(polygon) {
  const n = polygon.length,
    side = (a, b, p) => (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
  for (let i = 0; i < n; i++) {
    const a = polygon[i],
      b = polygon[(i + 1) % n];
    for (let j = i + 2; j < n; j++) {
      const c = polygon[j],
        d = polygon[(j + 1) % n];
      // Most pairs lie far apart: their boxes answer first.
      if (Math.max(a[0], b[0]) < Math.min(c[0], d[0]) || Math.max(c[0], d[0]) < Math.min(a[0], b[0])) continue;
      if (Math.max(a[1], b[1]) < Math.min(c[1], d[1]) || Math.max(c[1], d[1]) < Math.min(a[1], b[1])) continue;
      if (side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0) return true;
    }
  }
  return false;
}

/** A closed polygon without the points at which it turns back on itself: smoothing over time leaves such folds at the apex. */
export function withoutFolds(polygon) {
  let line = polygon;
  for (let i = 0; i < line.length && line.length > 3; i++) {
    const [a, b, c] = [line.at(i - 1), line[i], line[(i + 1) % line.length]];
    const [one, other] = [
      [b[0] - a[0], b[1] - a[1]],
      [c[0] - b[0], c[1] - b[1]],
    ];
    const size = Math.hypot(...one) * Math.hypot(...other);
    if (size > 0 && (one[0] * other[0] + one[1] * other[1]) / size > FOLD) continue;
    line = line.filter((_, k) => k !== i);
    i = Math.max(-1, i - 3);
  }
  return line;
}

/** Distance along a line from its first point to each. */
export function lengthsOf(line) {
  const at = [0];
  for (let i = 1; i < line.length; i++) at.push(at[i - 1] + away(line[i - 1], line[i]));
  return at;
}

/** The point of a line at a distance along it. */
export function pointAt(line, at, wanted) {
  let i = 1;
  while (i < line.length - 1 && at[i] < wanted) i += 1;
  const span = at[i] - at[i - 1];
  return between(line[i - 1], line[i], span > 0 ? Math.min(Math.max((wanted - at[i - 1]) / span, 0), 1) : 0);
}

/** Where a line is nearest to a point: distance along the line, and from it. */
export function nearestOn(line, at, point) {
  let best = { at: 0, distance: Infinity };
  for (let i = 1; i < line.length; i++) {
    const [a, b] = [line[i - 1], line[i]],
      [dx, dy] = [b[0] - a[0], b[1] - a[1]],
      square = dx * dx + dy * dy;
    const t = square > 0 ? Math.min(Math.max(((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / square, 0), 1) : 0;
    const distance = away(point, between(a, b, t));
    if (distance < best.distance) best = { at: at[i - 1] + t * (at[i] - at[i - 1]), distance };
  }
  return best;
}

/** How much each point moves with a dragged one (0-1): a cosine of the distance along its wall.
 *
 * Hinge points and apex mark anatomy: only their own drag moves them. So a wall moves between its ends, and those stay.
 */
export function weightsOf(points, index, single = false) {
  const weights = points.map((_, i) => (i === index ? 1 : 0));
  if (single) return weights;
  const at = lengthsOf(points),
    reach = (REACH * at[LAST]) / LAST;
  for (const step of [-1, 1]) {
    const end = step < 0 ? (index > APEX ? APEX : 0) : index < APEX ? APEX : LAST;
    if (end === index) continue;
    const room = Math.min(reach, Math.abs(at[end] - at[index]));
    for (let i = index + step; i !== end && i >= 0 && i <= LAST; i += step)
      weights[i] = cosine(Math.abs(at[i] - at[index]), room);
  }
  return weights;
}

function angleAt(points, i) {
  const [a, b] = [points[i - 1], points[i + 1]].map(([x, y]) => [x - points[i][0], y - points[i][1]]);
  const size = Math.hypot(...a) * Math.hypot(...b);
  return size > 0 ? (Math.acos(Math.min(Math.max((a[0] * b[0] + a[1] * b[1]) / size, -1), 1)) * 180) / Math.PI : 0;
}

/** Whether points make a contour without crossing or spike; what was so in `before` is allowed to stay so. */
export function isSound(points, before) {
  const spacing = (CLOSEST * lengthsOf(before)[LAST]) / LAST;
  for (let i = 0; i < LAST; i++) {
    if (away(points[i], points[i + 1]) < Math.min(spacing, away(before[i], before[i + 1]) - 1e-9)) return false;
    if (i === 0) continue;
    if (angleAt(points, i) < Math.min(i === APEX ? APEX_ANGLE : WALL_ANGLE, angleAt(before, i) - 1e-6)) return false;
  }
  const [own, old] = [contourOf(points), contourOf(before)];
  return areaOf(own) * areaOf(old) > 0 && (!crossesItself(own) || crossesItself(old));
}

/** The points after a drag of one by `delta`, stopped where the contour would cross itself or make a spike.
 *
 * `size` is [width, height] of the image: points stay in it. With `single` no neighbour moves.
 */
export function dragPoints(before, index, delta, { size, single = false }) {
  const weights = weightsOf(before, index, single);
  const inside = (value, most) => Math.min(Math.max(value, 0), most - 1);
  const moved = (share) =>
    before.map(([x, y], i) =>
      weights[i] === 0
        ? [x, y]
        : [inside(x + weights[i] * share * delta[0], size[0]), inside(y + weights[i] * share * delta[1], size[1])],
    );
  return furthest(before, moved);
}

function furthest(before, moved) {
  const whole = moved(1);
  if (isSound(whole, before)) return { points: whole, limited: false };
  let low = 0,
    high = 1;
  for (let i = 0; i < 9; i++) {
    const middle = (low + high) / 2;
    if (isSound(moved(middle), before)) low = middle;
    else high = middle;
  }
  return { points: low > 0 ? moved(low) : copy(before), limited: true };
}

/** The points after a freehand stroke along the wall, or why not: `{points}` or `{error: "short" | "far" | "crosses"}`.
 *
 * The points between the stroke's ends are sampled on the stroke at equal shares of its length; those beyond move with
 * its ends, so that no step is left. The apex, where the stroke covers it, is the stroke's point furthest from the base.
 */
export function redrawStretch(points, stroke, size) {
  const contour = contourOf(points),
    at = lengthsOf(contour),
    spacing = at[at.length - 1] / LAST;
  let line = stroke.map(([x, y]) => [Math.min(Math.max(x, 0), size[0] - 1), Math.min(Math.max(y, 0), size[1] - 1)]);
  if (line.length < 2 || lengthsOf(line)[line.length - 1] < spacing) return { error: "short" };
  let [from, to] = [line[0], line[line.length - 1]].map((end) => nearestOn(contour, at, end));
  if (Math.max(from.distance, to.distance) > 2.5 * spacing) return { error: "far" };
  if (from.at > to.at) [line, from, to] = [line.slice().reverse(), to, from];
  const places = points.map((_, i) => at[i * STEPS]),
    along = lengthsOf(line),
    length = along[along.length - 1];
  // A stroke that begins beside a hinge point takes it with it; one that begins further up leaves it.
  const start = from.at < 0.6 * spacing ? 0 : from.at,
    end = to.at > at[at.length - 1] - 0.6 * spacing ? at[at.length - 1] : to.at;
  const covered = places.map((place) => place >= start && place <= end);
  if (!covered.some(Boolean)) return { error: "short" };
  const tip = covered[APEX] ? tipOf(line, along, baseOf(points)) : null;
  const share = (place) => {
    if (tip === null) return ((place - start) / (end - start)) * length;
    const apex = places[APEX];
    return place <= apex
      ? ((place - start) / Math.max(apex - start, 1e-9)) * tip
      : tip + ((place - apex) / Math.max(end - apex, 1e-9)) * (length - tip);
  };
  const offset = (target, place) => pointAt(contour, at, place).map((v, k) => target[k] - v);
  const [first, second] = [offset(line[0], start), offset(line[line.length - 1], end)];
  const result = points.map(([x, y], i) => {
    if (covered[i]) return pointAt(line, along, share(places[i]));
    if (i === 0 || i === APEX || i === LAST) return [x, y];
    const before = places[i] < start,
      weight = cosine(before ? start - places[i] : places[i] - end, 2 * spacing);
    const by = before ? first : second;
    return [x + weight * by[0], y + weight * by[1]];
  });
  return isSound(result, points) ? { points: result } : { error: "crosses" };
}

function tipOf(line, along, base) {
  let best = 0;
  line.forEach((p, i) => {
    if (away(p, base) > away(line[best], base)) best = i;
  });
  return along[best];
}

/** A half ellipse between three points: a start where no contour is there. */
export function contourFromLandmarks(apex, hinges) {
  const [left, right] = orderHinges(apex, hinges),
    base = between(left, right, 0.5);
  return Array.from({ length: COUNT }, (_, i) => {
    const angle = (Math.PI * i) / LAST,
      side = -Math.cos(angle),
      up = Math.sin(angle);
    const wide = [0, 1].map((k) => ((right[k] - left[k]) / 2) * side * (1 + 0.35 * up));
    return [0, 1].map((k) => base[k] + wide[k] + (apex[k] - base[k]) * up);
  });
}

/** Hinge points as [left, right] as seen from the apex with the base below. */
export function orderHinges(apex, [a, b]) {
  const base = between(a, b, 0.5);
  const side = (base[0] - apex[0]) * (a[1] - apex[1]) - (base[1] - apex[1]) * (a[0] - apex[0]);
  return side > 0 ? [a, b] : [b, a];
}

/** The contour bent so that apex and hinge points lie at three given points: the one affine map of three points. */
export function fitLandmarks(points, apex, hinges) {
  const [p0, p1, p2] = [points[0], points[APEX], points[LAST]];
  // Two hinge points may be clicked in any order; the contour keeps its direction.
  const isTurned = areaOf([p0, p1, p2]) * areaOf([hinges[0], apex, hinges[1]]) < 0;
  const [left, right] = isTurned ? [hinges[1], hinges[0]] : hinges;
  const own = [
    [p1[0] - p0[0], p1[1] - p0[1]],
    [p2[0] - p0[0], p2[1] - p0[1]],
  ];
  const det = own[0][0] * own[1][1] - own[0][1] * own[1][0];
  if (Math.abs(det) < 1e-6) return contourFromLandmarks(apex, hinges);
  return points.map(([x, y]) => {
    const [dx, dy] = [x - p0[0], y - p0[1]];
    const u = (dx * own[1][1] - dy * own[1][0]) / det,
      v = (dy * own[0][0] - dx * own[0][1]) / det;
    return [0, 1].map((k) => left[k] + u * (apex[k] - left[k]) + v * (right[k] - left[k]));
  });
}

/** What a point is: `{key, number}` of the catalogue's `viewer.point.*`. */
export function roleOf(i) {
  if (i === APEX) return { key: "apex" };
  if (i === 0 || i === LAST) return { key: i === 0 ? "left_hinge" : "right_hinge" };
  return i < APEX ? { key: "left_wall", number: i } : { key: "right_wall", number: LAST - i };
}

/** The smallest box around points, or null where there are none. */
export function boxOf(points) {
  if (!points.length) return null;
  const [xs, ys] = [0, 1].map((k) => points.map((p) => p[k]));
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y };
}
