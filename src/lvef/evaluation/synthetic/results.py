"""Result of a synthetic clip: its measurement beside the truth, its beats, its volume-time curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lvef.evaluation.metrics import NAN
from lvef.evaluation.results import CaseResult

MATCHED, MISSED, INVENTED, MERGED, CUT, EDGE = "matched", "missed", "invented", "merged", "cut", "edge"
"""Outcomes of a beat.

``matched``: a true beat that was found. ``missed``: one that was not. ``invented``: a beat was found where there is none.
``merged``: one beat was found where there are several; those count as missed. ``cut``: a beat was found where the ends of
the clip cut a true one; it counts as neither. ``edge``: a true beat that was not found and begins or ends within half a
frame of the ends of the clip; it need not be found."""

OUTCOMES = (MATCHED, MISSED, INVENTED, MERGED, CUT, EDGE)
"""All of them, in the order of the columns of ``clips.csv``."""

MATCHED_BEAT, REPRESENTATIVE_BEAT = "matched", "representative"
"""Which true beats an EF is compared with: those at its own times, or without any the clip's representative beat."""


@dataclass(frozen=True, slots=True)
class BeatResult:
    """A true beat, a found one, or both. Times in seconds from the first frame, EF in percent; NaN where there is none.

    Attributes:
        clip: Name of the clip.
        became: One of `OUTCOMES`.
        kind: Kind of the true beat; empty where there is none.
        excluded: Why the found beat was left out of the EF; empty where it was not, or where there is none.
        true_ed_s: Middle of the plateau at end-diastole; so are ``true_es_s`` at end-systole and ``true_end_s`` at the next
            end-diastole.
        true_es_s: See ``true_ed_s``.
        true_end_s: See ``true_ed_s``.
        found_ed_s: Time of the measured ED frame.
        found_es_s: Time of the measured ES frame.
        found_end_s: Time of the measured next ED frame.
        ed_error_ms: Found minus true end-diastole.
        es_error_ms: Found minus true end-systole.
        ed_off_ms: From the nearer end of the ED plateau; 0 on it.
        es_off_ms: From the nearer end of the ES plateau; 0 on it.
        edge_s: From the true beat to the nearer end of the clip.
        ef_percent: Measured EF.
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
    """Volume-time curves in ml; ``measured_ml`` is NaN where no ventricle was traced, and empty where nothing was."""

    times_s: tuple[float, ...] = ()
    measured_ml: tuple[float, ...] = ()
    plane_ml: tuple[float, ...] = ()
    space_ml: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SyntheticResult(CaseResult):
    """Result of one clip. EF in percent; NaN where there is none.

    Attributes:
        patient: The bootstrap draws the clips of a patient together.
        rhythm: Kind of rhythm.
        view: View.
        frame_rate_hz: Frames per second.
        heart_rate_bpm: True rate, from the median of the true beats.
        n_frames: Frames.
        reference: Which true beats the EF is compared with: `MATCHED_BEAT`, `REPRESENTATIVE_BEAT`, or empty.
        ef_plane_percent: True EF in the plane of these beats.
        ef_space_percent: True EF of the body in these beats.
        ef_representative_percent: True EF in the plane of the representative beat, as in ``FileList.csv``.
        dice_ed: Mean LV Dice on the end-diastolic frames of the true beats; a frame without a tracing counts 0.
        dice_es: The same on the end-systolic frames.
        volume_error_percent: Mean over the traced frames of measured minus true volume in the plane, relative to the true.
        volume_mae_percent: Mean of its absolute value.
        untraced: Frames without a tracing.
        parameters: Numbers among the settings it was generated with.
        beats: Its beats.
        curves: Its volume-time curves.
    """

    patient: str = ""
    rhythm: str = ""
    view: str = ""
    frame_rate_hz: float = NAN
    heart_rate_bpm: float = NAN
    n_frames: int = 0
    reference: str = ""
    ef_plane_percent: float = NAN
    ef_space_percent: float = NAN
    ef_representative_percent: float = NAN
    dice_ed: float = NAN
    dice_es: float = NAN
    volume_error_percent: float = NAN
    volume_mae_percent: float = NAN
    untraced: int = 0
    parameters: Mapping[str, float] = field(default_factory=dict)
    beats: tuple[BeatResult, ...] = ()
    curves: Curves = Curves()

    def count(self, outcome: str) -> int:
        """Number of beats with an outcome."""
        return sum(beat.became == outcome for beat in self.beats)
