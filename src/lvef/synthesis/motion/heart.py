"""A heart that contracts to any level: the outlines, the volume and the way back from a volume to its level.

Level 0 is the ED still, level 1 the ES still. Outlines between are the ED outline carried forward and the ES outline carried
backward, mixed by the level, so that both ends are met exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import tracing_of_contour
from lvef.synthesis.motion.matching import apex_of, hinges_of, landmarks, match
from lvef.synthesis.motion.pair import StillPair
from lvef.synthesis.motion.picture import Sector, sector_of
from lvef.synthesis.motion.warp import TIME_STEP, Flow, fit_flow

FRAME_MARGIN = 0.3
"""Anchors stand this part of the longer side beyond the picture."""

FRAME_ANCHORS = 12
"""Anchors along each side of that frame."""

SECTOR_ANCHORS = 60
"""Anchors along the sector's border, of which those near the heart are left out."""


@dataclass(frozen=True, slots=True)
class Heart:
    """All contraction levels of one pair of stills.

    Attributes:
        pair: The stills.
        sector: Where the scanner looks.
        flow: The motion from ED (time 0) to ES (time 1).
        levels: ``(n,)`` ascending contraction levels that can be drawn without folds or torn speckle.
        volumes: ``(n,)`` disks on the outline of each level, strictly falling; ml, or cubic pixels without a scale.
        lv: ``(n, k, 2)`` outline of the cavity at each level, pixels of the still, ordered as in `Outlines`.
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

        The volume between two kept levels is that of the outline between them; two secant steps find its level.
        """
        wanted = np.asarray(volume, dtype=np.float64)
        found = np.interp(-wanted, -self.volumes, self.levels)
        low = np.clip(np.searchsorted(self.levels, found, side="right") - 1, 0, len(self.levels) - 2)
        for i, (target, k) in enumerate(zip(wanted, low, strict=True)):
            if not self.volumes[k + 1] < target < self.volumes[k]:
                continue
            ends = [
                (self.levels[k], self.volumes[k] - target),
                (self.levels[k + 1], self.volumes[k + 1] - target),
            ]
            for _ in range(2):
                (a, fa), (b, fb) = ends
                middle = a + (b - a) * fa / (fa - fb)
                value = self._measured(self.outline(self.lv, middle)) - target
                ends = [(middle, value), (b, fb)] if value > 0 else [(a, fa), (middle, value)]
                if abs(value) < 1e-5 * target:
                    break
            found[i] = middle
        return found

    def outline(self, stack: FloatArray, level: float) -> FloatArray:
        """The outline ``(k, 2)`` of one of `lv`, `wall`, `atrium` at a level."""
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

    def _measured(self, lv: FloatArray) -> float:
        return _volume(lv, self.pair)


def heart_of(pair: StillPair) -> Heart:
    """Match the stills, find the motion and all levels.

    Raises:
        GeometryError: The pair cannot be set in motion, with the reason.
    """
    ed, es = match(pair)
    sector = sector_of(pair.ed, pair.es)
    first, second = landmarks(ed, es, _anchors(pair.ed.shape, sector), sector.hull)
    length = float(np.hypot(*(ed.apex - ed.hinges.mean(axis=0))))
    try:
        flow = fit_flow(first, second, pair.ed.shape, length)
    except GeometryError as error:
        raise GeometryError(f"{pair.patient} {pair.view}: {error}") from None
    low, high = flow.range
    n_low, n_high = round(high / TIME_STEP), round((1 - low) / TIME_STEP)
    levels = np.asarray(np.arange(-n_low, n_high + 1) * TIME_STEP, dtype=np.float64)
    lv = _at_levels(flow, ed.lv, es.lv, levels)
    volumes = np.array([_volume(outline, pair) for outline in lv])
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
    return Heart(pair, sector, flow, levels[kept], volumes[kept], lv[kept], wall, atrium)


def _at_levels(flow: Flow, first: FloatArray, second: FloatArray, levels: FloatArray) -> FloatArray:
    """Outline at each level, ``(n, k, 2)``."""
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
    """Points ``(n, 2)`` that do not move: a frame around the picture and the sector's border."""
    h, w = shape
    margin = FRAME_MARGIN * max(shape)
    xs, ys = (np.linspace(-margin, n + margin, FRAME_ANCHORS) for n in (w, h))
    frame = [(x, y) for x in xs for y in (-margin, h + margin)] + [
        (x, y) for y in ys[1:-1] for x in (-margin, w + margin)
    ]
    closed = np.concatenate([sector.hull, sector.hull[:1]])
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.arange(SECTOR_ANCHORS) / SECTOR_ANCHORS * arc[-1]
    border = np.stack([np.interp(at, arc, closed[:, i]) for i in (0, 1)], axis=1)
    return np.concatenate([np.array(frame), border])
