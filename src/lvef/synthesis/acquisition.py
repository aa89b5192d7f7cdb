"""What was recorded: the rhythm of the heart, and when and how often the scanner looked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lvef.core.records import FloatArray
from lvef.synthesis.curves import Rhythm, ectopic, fibrillation, regular

SINUS_SPREAD = 0.03
"""Coefficient of variation of the cycles of a sinus rhythm at rest."""

FRAME_RATES_HZ = (25.0, 30.0, 40.0, 50.0, 50.0, 50.0, 60.0, 80.0)
"""Drawn evenly. EchoNet-Dynamic has 18 to 138, 50 in four fifths of its clips (FACTS of the collection)."""


class RhythmKind(StrEnum):
    """Rhythms that can be drawn."""

    SINUS = "sinus"
    FIBRILLATION = "fibrillation"
    ECTOPIC = "ectopic"


@dataclass(frozen=True, slots=True)
class Acquisition:
    """A recording of a rhythm.

    Attributes:
        rhythm: The beats, enough to fill the clip.
        kind: Name of the rhythm.
        frame_rate_hz: Frames per second.
        start_s: Time of the first frame on the rhythm's clock.
        n_frames: Number of frames.
    """

    rhythm: Rhythm
    kind: RhythmKind
    frame_rate_hz: float
    start_s: float
    n_frames: int

    @property
    def times_s(self) -> FloatArray:
        """``(n,)`` times of the frames from the first."""
        return np.asarray(np.arange(self.n_frames) / self.frame_rate_hz)


def draw_acquisition(
    rng: np.random.Generator,
    *,
    ed_volume_ml: float,
    ef_percent: float,
    kind: RhythmKind | None = None,
    heart_rate_bpm: float | None = None,
    frame_rate_hz: float | None = None,
    n_frames: int | None = None,
    beats: tuple[float, float] = (2.3, 5.0),
) -> Acquisition:
    """Draw a recording at rest; what is given is not drawn.

    Args:
        rng: Random generator.
        ed_volume_ml: Usual end-diastolic volume.
        ef_percent: Usual EF.
        kind: Rhythm; else seven in ten sinus, two fibrillation, one ectopic.
        heart_rate_bpm: Mean rate; else 45 to 130, most between 60 and 90.
        frame_rate_hz: Frames per second; else one of `FRAME_RATES_HZ`.
        n_frames: Length; else as many as ``beats`` cycles take.
        beats: Shortest and longest clip in mean cycles; irregular rhythms are at least 4 cycles long.

    Returns:
        A recording that holds at least one whole beat, unless ``n_frames`` is too short for that.
    """
    if kind is None:
        kind = RhythmKind(rng.choice(["sinus", "fibrillation", "ectopic"], p=[0.7, 0.2, 0.1]))
    if heart_rate_bpm is None:
        heart_rate_bpm = float(np.clip(rng.normal(74, 16), 45, 130))
    if frame_rate_hz is None:
        frame_rate_hz = float(rng.choice(FRAME_RATES_HZ))
    cycle = 60 / heart_rate_bpm
    low, high = beats
    if kind is not RhythmKind.SINUS:
        low, high = max(low, 4.0), max(high, 6.0)
    seconds = float(rng.uniform(low, high)) * cycle
    if n_frames is None:
        n_frames = int(np.ceil(seconds * frame_rate_hz)) + 1
    seconds = n_frames / frame_rate_hz
    n_beats = int(np.ceil(seconds / (0.6 * cycle))) + 3
    if kind is RhythmKind.SINUS:
        rhythm = regular(n_beats, heart_rate_bpm, ef_percent, ed_volume_ml)
        spread = np.clip(rng.normal(1, SINUS_SPREAD, n_beats), 0.9, 1.1)
        rhythm = replace(rhythm, cycles_s=rhythm.cycles_s * spread)
    elif kind is RhythmKind.FIBRILLATION:
        rhythm = fibrillation(n_beats, heart_rate_bpm, ef_percent, rng, ed_volume_ml)
    else:
        inside = max(int(seconds / cycle) - 1, 2)
        rhythm = ectopic(n_beats, heart_rate_bpm, ef_percent, int(rng.integers(2, inside + 1)), ed_volume_ml)
    return Acquisition(rhythm, kind, frame_rate_hz, float(rng.uniform(0, 1)) * cycle, n_frames)
