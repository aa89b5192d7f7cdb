"""The motion: a smooth flow that carries the ED still into the ES still, and beyond.

The flow is that of one steady velocity field v: a point at x goes to exp(t v)(x) in time t. Time 1 carries ED to ES.
Flows do not fold, at any time, and run backwards as well; so a contraction level s beyond 0..1 gives a larger or
smaller ventricle of the same kind. v is a thin-plate spline through landmarks whose time-1 flow meets their places at
ES; it is found by adding what is missed to the spline's values until nothing is.

Source: thin-plate spline, Bookstein, IEEE TPAMI 1989;11:567; steady velocity fields, Arsigny et al., MICCAI 2006, LNCS
4190:924.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray
from lvef.geometry.contour import interpolate
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import tracing_of_contour
from lvef.synthesis.animated_stills.appearance import Sector, sector_of
from lvef.synthesis.animated_stills.matching import (
    StillPair,
    apex_of,
    hinges_of,
    match_contours,
    match_landmarks,
)

GRID_STEP_PX = 4.0
"""Distance of the nodes on which the flow is kept, in pixels of a still of about 200."""

GRID_NODES = 56
"""Nodes along the longer side of a still; larger stills get wider steps."""

MARGIN_NODES = 3
"""Nodes kept beyond each border of the still."""

TIME_STEP = 0.05
"""Step of the flow's time between two kept maps; in between they are interpolated."""

REACH = 2.0
"""Longest time that a still is carried: contraction levels run from -`REACH` to 1 + `REACH`."""

SMOOTHING = 2e-4
"""What is added to the spline's diagonal (in long axes): bends of the masks smaller than a pixel are not followed."""

FIT_ROUNDS = 4
"""Rounds of adding what is missed; the landmarks are then met within about a third of a pixel."""

AREA_LIMITS = (0.2, 5.0)
"""An extrapolated still is nowhere squeezed or stretched in area by more than this; beyond, speckle looks pulled."""

FOLD_LIMIT = 0.02
"""Below this area factor between the two stills the masks do not belong to one heart."""

Maps = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Flow:
    """Displacements of a flow at many times.

    Attributes:
        times: ``(t,)`` ascending, 0 among them.
        displacements: ``(t, rows, columns, 2)`` float32 in pixels of the still: exp(t v)(x) - x at the nodes.
        step: Pixels between nodes.
        origin: Pixel of the first node, the same in x and y.
        areas: ``(t, 2)`` smallest and largest area factor (Jacobian determinant) of each map inside the still.
        velocity: ``(rows, columns, 2)`` of the nodes, pixels per unit of time.
    """

    times: FloatArray
    displacements: Maps
    step: float
    origin: float
    areas: FloatArray
    velocity: FloatArray

    @property
    def range(self) -> tuple[float, float]:
        """Times around 0 for which the area factors stay within `AREA_LIMITS`."""
        good = (self.areas[:, 0] >= AREA_LIMITS[0]) & (self.areas[:, 1] <= AREA_LIMITS[1])
        zero = int(np.argmin(np.abs(self.times)))
        low = zero - int(np.argmin(np.append(good[zero::-1], False))) + 1
        high = zero + int(np.argmin(np.append(good[zero:], False))) - 1
        return float(self.times[low]), float(self.times[high])

    def at(self, time: float) -> Maps:
        """Displacements ``(rows, columns, 2)`` at any time inside `times`; beyond, the ends are held."""
        place = float(np.clip((time - self.times[0]) / TIME_STEP, 0, len(self.times) - 1))
        below = min(int(place), len(self.times) - 2)
        share = np.float32(place - below)
        first, second = self.displacements[below], self.displacements[below + 1]
        return np.asarray(first + share * (second - first), dtype=np.float32)

    def carried(self, points: FloatArray, times: FloatArray) -> FloatArray:
        """Points ``(k, 2)`` carried for each of the times (sorted or not), ``(len(times), k, 2)``."""
        steps = np.round(times / TIME_STEP).astype(int)
        paths = {0: np.asarray(points, dtype=np.float64)}
        for sign in (-1, 1):
            place = paths[0]
            for i in range(1, int(max((sign * steps).max(), 0)) + 1):
                place = self._stepped(place, sign * TIME_STEP)
                paths[sign * i] = place
        return np.stack([paths[int(i)] for i in steps])

    def _stepped(self, points: FloatArray, time: float) -> FloatArray:
        half = points + time / 2 * self._velocity_at(points)
        return np.asarray(points + time * self._velocity_at(half))

    def _velocity_at(self, points: FloatArray) -> FloatArray:
        return interpolate(self.velocity, (points - self.origin) / self.step)


def fit_flow(first: FloatArray, second: FloatArray, shape: tuple[int, int], length: float) -> Flow:
    """The flow that carries landmarks from their places at ED to those at ES.

    Args:
        first: Marks at ED, ``(m, 2)`` pixels.
        second: The same landmarks at ES.
        shape: ``(h, w)`` of the still.
        length: Long axis in pixels, the unit of the spline.

    Raises:
        GeometryError: The two stills cannot be carried into each other without folds.
    """
    step = max(GRID_STEP_PX / 4, max(shape) / GRID_NODES)
    origin = -MARGIN_NODES * step
    rows, columns = (int(np.ceil(n / step)) + 2 * MARGIN_NODES + 1 for n in shape)
    y, x = np.mgrid[:rows, :columns] * step + origin
    spline = _Spline((first + second) / 2, length)
    start, goal = first / length, second / length
    values = goal - start
    for _ in range(FIT_ROUNDS):
        spline.fit(values)
        values = values + goal - spline.flowed(start)
    spline.fit(values)
    nodes = np.stack([x.ravel(), y.ravel()], axis=1)
    velocity = spline(nodes / length).reshape(rows, columns, 2) * length
    flow = _integrated(velocity, step, origin, shape)
    worst = float(flow.areas[np.abs(flow.times) <= 1 + 1e-9, 0].min())
    if worst < FOLD_LIMIT:
        raise GeometryError(
            f"The two stills cannot be carried into each other: tissue would be squeezed to {max(worst, 0):.3f} of its "
            f"area, at least {FOLD_LIMIT:g} was expected; leave this pair out."
        )
    return flow


class _Spline:
    """Thin-plate spline with fixed centres, in long axes; far away it is held by anchors among the centres."""

    def __init__(self, centres: FloatArray, length: float) -> None:
        self.centres = centres / length
        m = len(centres)
        matrix = np.zeros((m + 3, m + 3))
        matrix[:m, :m] = _kernel(self.centres, self.centres) + SMOOTHING * np.eye(m)
        matrix[:m, m] = matrix[m, :m] = 1
        matrix[:m, m + 1 :] = self.centres
        matrix[m + 1 :, :m] = self.centres.T
        self.inverse = np.linalg.inv(matrix)
        self.weights = np.zeros((m + 3, 2))

    def fit(self, values: FloatArray) -> None:
        self.weights = self.inverse @ np.concatenate([values, np.zeros((3, 2))])

    def __call__(self, points: FloatArray) -> FloatArray:
        m = len(self.centres)
        bent = _kernel(points, self.centres) @ self.weights[:m]
        return np.asarray(bent + self.weights[m] + points @ self.weights[m + 1 :])

    def flowed(self, points: FloatArray) -> FloatArray:
        """Points after time 1, in six steps."""
        for _ in range(6):
            half = points + self(points) / 12
            points = points + self(half) / 6
        return points


def _kernel(points: FloatArray, centres: FloatArray) -> FloatArray:
    """r^2 log r^2, ``(n, m)``."""
    dx = points[:, :1] - centres[:, 0]
    dy = points[:, 1:] - centres[:, 1]
    square = dx * dx + dy * dy
    return np.asarray(square * np.log(np.maximum(square, 1e-12)))


def _integrated(velocity: FloatArray, step: float, origin: float, shape: tuple[int, int]) -> Flow:
    rows, columns = velocity.shape[:2]
    field = np.asarray(velocity / step, dtype=np.float32)
    y, x = (a.astype(np.float32) for a in np.mgrid[:rows, :columns])
    rest = np.stack([x, y], axis=-1)

    def at(places: Maps) -> Maps:
        none = np.empty(0, np.float32)
        got = cv2.remap(field, places, none, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(got, dtype=np.float32)

    n = round(REACH / TIME_STEP)
    found = {0: rest}
    for sign in (-1, 1):
        place = rest
        dt = np.float32(sign * TIME_STEP)
        for i in range(1, n + 1):
            place = place + dt * at(place + dt / 2 * at(place))
            found[sign * i] = place
    order = range(-n, n + 1)
    places = np.stack([found[i] for i in order])
    inside = (slice(None), *(slice(MARGIN_NODES, MARGIN_NODES + int(side / step)) for side in shape))
    across, down = np.diff(places, axis=2)[:, :-1], np.diff(places, axis=1)[:, :, :-1]
    area = (across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0])[inside]
    areas = np.stack([area.min(axis=(1, 2)), area.max(axis=(1, 2))], axis=1).astype(np.float64)
    moved = np.asarray((places - rest) * np.float32(step), dtype=np.float32)
    return Flow(np.array([i * TIME_STEP for i in order]), moved, step, origin, areas, velocity)


FRAME_MARGIN = 0.3
"""Anchors stand this part of the longer side beyond the image."""

FRAME_ANCHORS = 12
"""Anchors along each side of that frame."""

SECTOR_ANCHORS = 60
"""Anchors along the sector's border, of which those near the heart are left out."""


@dataclass(frozen=True, slots=True)
class ContractionModel:
    """A heart that contracts to any level: contours, volumes, and the level of a volume.

    Level 0 is the ED still, level 1 the ES still. Contours between are the ED contour carried forward and the ES
    contour carried backward, weighted by the level, so that both ends are met exactly.

    Attributes:
        pair: The stills.
        sector: Where the scanner looks.
        flow: The motion from ED (time 0) to ES (time 1).
        levels: ``(n,)`` ascending contraction levels that can be drawn without folds or torn speckle.
        volumes: ``(n,)`` disks on the contour of each level, strictly falling; ml, or cubic pixels without a scale.
        lv: ``(n, k, 2)`` contour of the cavity at each level, pixels of the still, ordered as in `Contours`.
        wall: The same of cavity and wall together, or None.
        atrium: The same of the atrium, or None.
    """

    pair: StillPair
    sector: Sector
    flow: Flow
    levels: FloatArray
    volumes: FloatArray
    lv: FloatArray
    wall: FloatArray | None
    atrium: FloatArray | None

    @property
    def own_ef_percent(self) -> float:
        """EF of the two stills by disks on their masks."""
        return self._ef(0.0, 1.0)

    def volume(self, level: float) -> float:
        """Volume at a level."""
        return float(np.interp(level, self.levels, self.volumes))

    def levels_of(self, volume: FloatArray) -> FloatArray:
        """Level at which the ventricle has each volume, ``(m,)``; the ends of `levels` where there is none.

        The volume between two kept levels is that of the contour between them; two secant steps find its level.
        """
        wanted = np.asarray(volume, dtype=np.float64)
        found = np.interp(-wanted, -self.volumes, self.levels)
        low = np.clip(np.searchsorted(self.levels, found, side="right") - 1, 0, len(self.levels) - 2)
        for i, (target, k) in enumerate(zip(wanted, low, strict=True)):
            if not self.volumes[k + 1] < target < self.volumes[k]:
                continue
            ends = [(self.levels[at], self.volumes[at] - target) for at in (k, k + 1)]
            for _ in range(2):
                (a, fa), (b, fb) = ends
                middle = a + (b - a) * fa / (fa - fb)
                value = _volume(self.contour(self.lv, middle), self.pair) - target
                ends = [(middle, value), (b, fb)] if value > 0 else [(a, fa), (middle, value)]
                if abs(value) < 1e-5 * target:
                    break
            found[i] = middle
        return found

    def contour(self, stack: FloatArray, level: float) -> FloatArray:
        """The contour ``(k, 2)`` of one of `lv`, `wall`, `atrium` at a level."""
        place = float(np.clip((level - self.levels[0]) / TIME_STEP, 0, len(self.levels) - 1))
        below = min(int(place), len(self.levels) - 2)
        share = place - below
        return np.asarray(stack[below] * (1 - share) + stack[below + 1] * share)

    def levels_for_ef(self, ef_percent: float) -> tuple[float, float, float]:
        """Levels of end-diastole and end-systole for an EF, and the EF that they have.

        A smaller EF than the patient's own starts at the ED still and contracts less. A larger one goes beyond both stills,
        by the same part of what is possible on either side. The nearest EF is taken where that asked for cannot be had.
        """
        own = self.own_ef_percent
        if ef_percent <= own:
            target = self.volume(0.0) * (1 - max(ef_percent, 0.0) / 100)
            level = float(self.levels_of(np.array([target]))[0])
            return 0.0, level, self._ef(0.0, level)
        first, last = float(self.levels[0]), float(self.levels[-1])

        def ends(part: float) -> tuple[float, float]:
            return part * min(first, 0.0), 1 + part * (last - 1)

        low, high = 0.0, 1.0
        if self._ef(*ends(1.0)) <= ef_percent:
            low = 1.0
        else:
            for _ in range(24):
                middle = (low + high) / 2
                low, high = (middle, high) if self._ef(*ends(middle)) < ef_percent else (low, middle)
        ed, es = ends(low)
        return ed, es, self._ef(ed, es)

    def _ef(self, ed: float, es: float) -> float:
        return ejection_fraction(self.volume(ed), self.volume(es))


def fit_contraction(pair: StillPair) -> ContractionModel:
    """Match the stills, find the motion and all levels.

    Raises:
        GeometryError: The pair cannot be animated, with the reason.
    """
    ed, es = match_contours(pair)
    sector = sector_of(pair.ed, pair.es)
    first, second = match_landmarks(ed, es, _anchors(pair.ed.shape, sector), sector.hull)
    length = float(np.hypot(*(ed.apex - ed.hinges.mean(axis=0))))
    try:
        flow = fit_flow(first, second, pair.ed.shape, length)
    except GeometryError as error:
        raise GeometryError(f"{pair.patient} {pair.view}: {error}") from None
    low, high = flow.range
    n_low, n_high = round(high / TIME_STEP), round((1 - low) / TIME_STEP)
    levels = np.asarray(np.arange(-n_low, n_high + 1) * TIME_STEP, dtype=np.float64)
    lv = _at_levels(flow, ed.lv, es.lv, levels)
    volumes = np.array([_volume(contour, pair) for contour in lv])
    kept = _falling(levels, volumes)
    if kept.stop - kept.start < 2 or levels[kept][0] > 1e-9 or levels[kept][-1] < 1 - 1e-9:
        raise GeometryError(
            f"{pair.patient} {pair.view}: the volume does not fall all the way from the ED to the ES still; leave this "
            "pair out."
        )
    wall, atrium = (
        None if a is None or b is None else _at_levels(flow, a, b, levels)[kept]
        for a, b in ((ed.wall, es.wall), (ed.atrium, es.atrium))
    )
    return ContractionModel(pair, sector, flow, levels[kept], volumes[kept], lv[kept], wall, atrium)


def _at_levels(flow: Flow, first: FloatArray, second: FloatArray, levels: FloatArray) -> FloatArray:
    """Contour at each level, ``(n, k, 2)``."""
    weight = np.clip(levels, 0, 1)[:, None, None]
    ahead = flow.carried(first, np.minimum(levels, 1.0))
    back = flow.carried(second, np.maximum(levels, 0.0) - 1)
    return np.asarray((1 - weight) * ahead + weight * back)


def _volume(lv: FloatArray, pair: StillPair) -> float:
    try:
        tracing = tracing_of_contour(lv, apex_of(lv), hinges_of(lv), aspect=pair.aspect)
    except GeometryError:  # squeezed flat: no ventricle at this level
        return float("nan")
    return volume_of_tracing(tracing, pair.spacing)


def _falling(levels: FloatArray, volumes: FloatArray) -> slice:
    """The stretch of levels around 0..1 in which every volume is smaller than the one before."""
    falls = np.diff(volumes) < 0
    middle = int(np.argmin(np.abs(levels - 0.5)))
    before, after = np.flatnonzero(~falls[:middle]), np.flatnonzero(~falls[middle:])
    start = int(before[-1]) + 1 if len(before) else 0
    stop = middle + int(after[0]) + 1 if len(after) else len(levels)
    return slice(start, stop)


def _anchors(shape: tuple[int, ...], sector: Sector) -> FloatArray:
    """Points ``(n, 2)`` that do not move: a frame around the image and the sector's border."""
    h, w = shape
    margin = FRAME_MARGIN * max(shape)
    xs, ys = (np.linspace(-margin, n + margin, FRAME_ANCHORS) for n in (w, h))
    frame = [(x, y) for x in xs for y in (-margin, h + margin)]
    frame += [(x, y) for y in ys[1:-1] for x in (-margin, w + margin)]
    closed = np.concatenate([sector.hull, sector.hull[:1]])
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.arange(SECTOR_ANCHORS) / SECTOR_ANCHORS * arc[-1]
    border = np.stack([np.interp(at, arc, closed[:, i]) for i in (0, 1)], axis=1)
    return np.concatenate([np.array(frame), border])
