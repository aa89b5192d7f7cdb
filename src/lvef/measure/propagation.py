"""A reader's ED and ES contours carried over the cycle.

At ED and at ES the reader has moved the model's control points by a displacement. Every other frame gets a mixture of both
by its phase, read from the model's own volumes V: ``s = (V_ED - V) / (V_ED - V_ES)``, limited to 0..1, and the displacement
``(1 - s) d_ED + s d_ES``. So a wall that the model drew too far inside at both phases is moved out on all frames, and the
model's motion in between is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import Beat, CodedWarning, FloatArray, Measurement, Tracing, VolumeCurve, aspect_of
from lvef.geometry.control_points import control_points_of_tracing, tracing_of_control_points
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.tracing import volume_curve_of_tracings

STILL_PX = 1e-6
"""A smaller displacement leaves the model's contour as it is."""

SHARES = (1.0, 0.5, 0.25)
"""Shares of the displacement that are tried where the contour would cross itself; then the model's own is kept."""

LARGER_AT_ES = "with the contours carried over the cycle it is larger at ES than at ED"
"""Why another beat no longer counts."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Contours of a whole clip after propagation.

    Attributes:
        tracings: One a frame; None where the model has none.
        curve: Their volumes.
        reduced: Frames on which the displacement was reduced, because the contour would have crossed itself.
    """

    tracings: tuple[Tracing | None, ...]
    curve: VolumeCurve
    reduced: int

    @property
    def notice(self) -> CodedWarning:
        """What was done, as a warning of the result."""
        less = (
            f" On {self.reduced} frames by less, because the contour would have crossed itself."
            if self.reduced
            else ""
        )
        return CodedWarning(
            "corrected_over_cycle",
            "The changes of the ED and the ES contour were carried to the other frames by their volume: curve and other "
            f"beats follow from these contours; the EF is still that of the ED and the ES contour as shown.{less}",
        )


def propagate(
    machine: Measurement, drawn: Mapping[int, FloatArray | None], own: Sequence[Tracing | None]
) -> Carried:
    """Carry the reader's displacement at ED and ES to all frames.

    Args:
        machine: The model's measurement, with its curve and tracings.
        drawn: ED frame, then ES frame, with the reader's control points ``(15, 2)``; None where the model's contour stays.
        own: The tracings of the result, those of ED and ES as the reader has them.

    Raises:
        GeometryError: The model has no contour on a frame that was drawn, no contours of the other frames, or its volume is
            not smaller at ES than at ED.
    """
    (ed, ed_points), (es, es_points) = drawn.items()
    curve = machine.curve
    assert curve is not None
    _check_contours(machine, curve, (ed, es))
    shifts = [_shift(machine, frame, points) for frame, points in ((ed, ed_points), (es, es_points))]
    phase = volume_phase(curve.volume, ed, es, machine.source)
    aspect = aspect_of(machine.spacing)
    carried, reduced = list(own), 0
    for frame, tracing in enumerate(machine.tracings):
        if tracing is None or frame in (ed, es):
            continue
        share = float(phase[frame])
        shift = (1 - share) * shifts[0] + share * shifts[1]
        moved, is_reduced = _moved(tracing, shift, aspect)
        carried[frame] = moved
        reduced += is_reduced
    new = volume_curve_of_tracings(carried, curve.times_s, machine.spacing)
    return Carried(tuple(carried), new, reduced)


def volume_phase(volume: FloatArray, ed: int, es: int, source: str) -> FloatArray:
    """How far each frame is on its way from ED (0) to ES (1) by its volume, ``(n,)``; NaN without a volume.

    Args:
        volume: ``(n,)``.
        ed: End-diastolic frame.
        es: End-systolic frame.
        source: What to call it in a message.

    Raises:
        GeometryError: The volume is not smaller at ES than at ED.

    Example:
        >>> volume_phase(np.array([100.0, 70, 40, 30, 110]), 0, 2, "a.avi").tolist()
        [0.0, 0.5, 1.0, 1.0, 0.0]
    """
    swing = float(volume[ed] - volume[es])
    if not swing > 0:
        raise GeometryError(
            f"{source}: by the model's contours the ventricle is not smaller at ES than at ED, so a correction of these "
            "two cannot be carried over the cycle. Choose other frames, or correct these two alone."
        )
    return np.asarray(np.clip((volume[ed] - volume) / swing, 0.0, 1.0))


def beats_of_curve(beats: Sequence[Beat], curve: VolumeCurve, shown: Beat) -> tuple[Beat, ...]:
    """Beats on their own frames with the volumes of a new curve.

    Args:
        beats: Beats, the one that is shown among them.
        curve: The new curve.
        shown: The beat that is shown; it stays as it is.
    """
    return tuple(
        beat if (beat.ed_frame, beat.es_frame) == (shown.ed_frame, shown.es_frame) else _of_curve(beat, curve)
        for beat in beats
    )


def _of_curve(beat: Beat, curve: VolumeCurve) -> Beat:
    edv, esv = float(curve.volume[beat.ed_frame]), float(curve.volume[beat.es_frame])
    return replace(
        beat,
        ed_volume=edv,
        es_volume=esv,
        ef_percent=ejection_fraction(edv, esv),
        excluded=beat.excluded or (LARGER_AT_ES if esv > edv else ""),
    )


def _check_contours(machine: Measurement, curve: VolumeCurve, frames: Sequence[int]) -> None:
    known = np.array([tracing is not None for tracing in machine.tracings] or [False])
    has_volume = np.isfinite(curve.volume)
    if len(known) != len(has_volume) or (has_volume & ~known).any():
        raise GeometryError(
            f"{machine.source}: this result keeps the contours of ED and ES only, so nothing can be carried over the cycle; "
            "measure the clip again."
        )
    missing = [frame for frame in frames if not known[frame]]
    if missing:
        raise GeometryError(
            f"{machine.source}: the model traced no ventricle on frame {missing[0]}, so the contour drawn there cannot be "
            "carried over the cycle; correct the two frames alone."
        )


def _shift(machine: Measurement, frame: int, points: FloatArray | None) -> FloatArray:
    """How far the reader moved the model's control points, ``(15, 2)``."""
    own = machine.tracings[frame]
    assert own is not None
    before = control_points_of_tracing(own)
    return np.zeros_like(before) if points is None else np.asarray(points, dtype=np.float64) - before


def _moved(tracing: Tracing, shift: FloatArray, aspect: float) -> tuple[Tracing, bool]:
    """A tracing with its control points moved, and whether by less than asked."""
    if np.abs(shift).max() < STILL_PX:
        return tracing, False
    points = control_points_of_tracing(tracing)
    for share in SHARES:
        try:
            return tracing_of_control_points(points + share * shift, aspect=aspect), share < 1
        except GeometryError:
            continue
    return tracing, True
