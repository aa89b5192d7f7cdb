"""What is found on one synthetic clip: its answer beside the truth, its beats, its curves. All of it survives as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from lvef.evaluation.metrics import NAN

MATCHED, MISSED, INVENTED, MERGED, CUT, EDGE = "matched", "missed", "invented", "merged", "cut", "edge"
"""What can become of a beat.

``matched``: a true whole beat that was found. ``missed``: one that was not. ``invented``: a whole beat was found where the
heart made none. ``merged``: one beat was found where the heart made several; those count as missed. ``cut``: a whole beat
was found where the clip's ends cut a true one, so that it cannot be said whether it should count. ``edge``: a true beat
that was not found and begins or ends within half a frame of the clip's ends; it need not be found."""

MATCHED_BEAT, REPRESENTATIVE_BEAT = "matched", "representative"
"""Which true beats an answer is compared with: those at its own times, or where there are none the clip's representative."""


@dataclass(frozen=True, slots=True)
class BeatRecord:
    """A true beat, a found one, or both. Times in seconds from the first frame, EF in percent; NaN where there is none.

    Attributes:
        clip: Name of the clip.
        became: One of `MATCHED`, `MISSED`, `INVENTED`, `MERGED`, `CUT`, `EDGE`.
        kind: Kind of the true beat; empty where there is none.
        excluded: Why the found beat was left out of the answer; empty where it was not, or where there is none.
        true_ed_s: Middle of the flat top.
        true_es_s: Middle of the flat bottom.
        true_end_s: Middle of the next flat top.
        found_ed_s: Time of the frame that was called end-diastole.
        found_es_s: Time of the frame that was called end-systole.
        found_end_s: Time of the frame that was called the next end-diastole.
        ed_error_ms: Found minus true end-diastole.
        es_error_ms: Found minus true end-systole.
        ed_off_ms: The same to the nearest end of the flat top; 0 on it.
        es_off_ms: The same to the nearest end of the flat bottom.
        edge_s: From the true beat to the nearer end of the clip.
        ef_percent: EF that was found.
        ef_plane_percent: True EF in the plane.
        ef_space_percent: True EF of the body in space.
    """

    clip: str
    became: str
    kind: str = ""
    excluded: str = ""
    true_ed_s: float = NAN
    true_es_s: float = NAN
    true_end_s: float = NAN
    found_ed_s: float = NAN
    found_es_s: float = NAN
    found_end_s: float = NAN
    ed_error_ms: float = NAN
    es_error_ms: float = NAN
    ed_off_ms: float = NAN
    es_off_ms: float = NAN
    edge_s: float = NAN
    ef_percent: float = NAN
    ef_plane_percent: float = NAN
    ef_space_percent: float = NAN


@dataclass(frozen=True, slots=True)
class Curves:
    """Volumes of a clip's frames, in ml; ``measured`` is NaN where no ventricle was traced, and empty where nothing was."""

    times_s: tuple[float, ...]
    measured_ml: tuple[float, ...]
    plane_ml: tuple[float, ...]
    space_ml: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip. EF in percent; NaN where there is none.

    Attributes:
        clip: Name.
        patient: Clips of one patient are drawn together by the bootstrap.
        status: How the measurement ended.
        reason_code: Why there is no answer, in a word.
        reason: The same in a sentence.
        rhythm: Kind of rhythm.
        view: View.
        frame_rate_hz: Frames a second.
        heart_rate_bpm: True rate, from the median of the whole beats.
        n_frames: Frames.
        reference: Which true beat the answer is compared with: `MATCHED_BEAT`, `REPRESENTATIVE_BEAT`, or empty.
        ef_percent: The answer.
        ef_plane_percent: True EF in the plane of that beat.
        ef_space_percent: True EF of the body of that beat.
        ef_representative_percent: True EF in the plane of the representative beat, as ``FileList.csv`` tells it.
        dice_ed: Mean LV Dice on the end-diastolic frames of the true beats; a frame without a tracing counts 0.
        dice_es: The same on the end-systolic frames.
        volume_error_percent: Mean over the traced frames of measured minus true volume in the plane, of the true one.
        volume_mae_percent: Mean of its absolute value.
        untraced: Frames without a tracing.
        parameters: Numbers it was made with.
        beats: Its beats.
        curves: Its volumes.
    """

    clip: str
    patient: str
    status: str
    reason_code: str = ""
    reason: str = ""
    rhythm: str = ""
    view: str = ""
    frame_rate_hz: float = NAN
    heart_rate_bpm: float = NAN
    n_frames: int = 0
    reference: str = ""
    ef_percent: float = NAN
    ef_plane_percent: float = NAN
    ef_space_percent: float = NAN
    ef_representative_percent: float = NAN
    dice_ed: float = NAN
    dice_es: float = NAN
    volume_error_percent: float = NAN
    volume_mae_percent: float = NAN
    untraced: int = 0
    parameters: Mapping[str, float] | None = None
    beats: tuple[BeatRecord, ...] = ()
    curves: Curves = Curves((), (), (), ())

    @property
    def answered(self) -> bool:
        """Whether there is an EF."""
        return math.isfinite(self.ef_percent)

    def count(self, became: str) -> int:
        """How many beats became that."""
        return sum(beat.became == became for beat in self.beats)


def to_plain(record: ClipRecord) -> dict[str, Any]:
    """A record as values that JSON knows; what is not a number is null."""
    plain: dict[str, Any] = _plain(asdict(record))
    return plain


def from_plain(values: Mapping[str, Any]) -> ClipRecord:
    """The record that `to_plain` wrote.

    Raises:
        TypeError: It is of another layout.
        KeyError: The same.
    """
    known = dict(values)
    known["beats"] = tuple(BeatRecord(**_numbers(BeatRecord, beat)) for beat in known["beats"])
    known["curves"] = Curves(**{key: tuple(map(_number, row)) for key, row in known["curves"].items()})
    return ClipRecord(**_numbers(ClipRecord, known))


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        # Six digits are more than any of these is good for, and keep the journal small.
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _numbers(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a dataclass with NaN for the null of a number."""
    floats = {f.name for f in fields(kind) if f.type == "float"}
    return {key: _number(value) if key in floats else value for key, value in values.items()}


def _number(value: float | None) -> float:
    return NAN if value is None else float(value)
