"""A synthetic clip together with its ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import Clip, FloatArray, Tracing
from lvef.geometry.ejection import ejection_fraction
from lvef.synthesis.volume_curves import Rhythm


@dataclass(frozen=True, slots=True)
class TrueBeat:
    """A beat of which end-diastole, end-systole and next end-diastole lie in the clip.

    Attributes:
        ed_time_s: End-diastole on the clip's clock: the middle of the flat top.
        es_time_s: End-systole: the middle of the flat bottom.
        end_time_s: The next end-diastole.
        ed_frame: The frame nearest to end-diastole.
        es_frame: The frame nearest to end-systole.
        ef_percent: EF of the body in space.
        plane_ef_percent: EF by disks on the true contours of the two frames.
        kind: ``normal``, ``premature`` or ``after premature``.
    """

    ed_time_s: float
    es_time_s: float
    end_time_s: float
    ed_frame: int
    es_frame: int
    ef_percent: float
    plane_ef_percent: float
    kind: str


@dataclass(frozen=True, slots=True)
class SyntheticClip:
    """A synthetic clip and its truth.

    Attributes:
        clip: Frames, times, scale, view and source, as an opened file has them.
        labels: ``(n, h, w)`` uint8 of :class:`lvef.core.terms.Structure`.
        tracings: The true contour with axis and disks of each frame, ``n`` of them.
        volume_ml: ``(n,)`` volume of the body in space.
        plane_volume_ml: ``(n,)`` disks on the true contour.
        beats: Complete beats inside the clip, in order of time.
        parameters: Everything it was generated with, as JSON values.
    """

    clip: Clip
    labels: NDArray[np.uint8]
    tracings: tuple[Tracing, ...]
    volume_ml: FloatArray
    plane_volume_ml: FloatArray
    beats: tuple[TrueBeat, ...]
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def representative(self) -> TrueBeat:
        """The normal beat with the median EF in the plane (of an even number the lower of the middle two).

        Raises:
            ValueError: The clip contains no complete beat.
        """
        if not self.beats:
            raise ValueError(f"{self.clip.source} contains no complete beat.")
        return representative_beat(self.beats)


def representative_beat(beats: Sequence[TrueBeat]) -> TrueBeat:
    """The beat that represents a clip, of at least one: see `SyntheticClip.representative`."""
    normal = [b for b in beats if b.kind == "normal"] or list(beats)
    return sorted(normal, key=lambda b: b.plane_ef_percent)[(len(normal) - 1) // 2]


def beats_in_clip(
    rhythm: Rhythm, start_s: float, times_s: FloatArray, plane_volume_ml: FloatArray
) -> tuple[TrueBeat, ...]:
    """The complete beats of a rhythm inside a clip.

    Args:
        rhythm: The beats.
        start_s: Time of the clip's first frame on the rhythm's clock.
        times_s: ``(n,)`` times of the frames on the clip's own clock.
        plane_volume_ml: ``(n,)`` disks on the true contours of the frames.
    """
    eds, ess = rhythm.ed_times_s - start_s, rhythm.es_times_s - start_s
    kinds = beat_kinds(rhythm)
    found = []
    for i, (ed, end) in enumerate(pairwise(eds.tolist())):
        es = float(ess[i])
        if ed < times_s[0] or end > times_s[-1]:
            continue
        ed_frame, es_frame = (int(np.argmin(np.abs(times_s - t))) for t in (ed, es))
        plane = ejection_fraction(float(plane_volume_ml[ed_frame]), float(plane_volume_ml[es_frame]))
        found.append(TrueBeat(ed, es, end, ed_frame, es_frame, float(rhythm.ef_percent[i]), plane, kinds[i]))
    return tuple(found)


def beat_kinds(rhythm: Rhythm) -> list[str]:
    """``premature`` for a beat much too early after a regular one, ``after premature`` for the next one.

    Only meant for the rhythm of `lvef.synthesis.volume_curves.ectopic`; irregular ones without atrial kick are all normal.
    """
    kinds = ["normal"] * len(rhythm.cycles_s)
    if not rhythm.kick:
        return kinds
    usual = float(np.median(rhythm.cycles_s))
    for i in range(1, len(kinds)):
        if rhythm.cycles_s[i - 1] < 0.8 * usual:
            kinds[i] = "premature"
            if i + 1 < len(kinds):
                kinds[i + 1] = "after premature"
    return kinds
