"""Volume-time curves of known truth, in any rhythm and with any noise, and drawing a recording of one.

The shape follows textbook timing and is not fitted to patients: isovolumetric contraction
(flat), ejection, isovolumetric relaxation (flat), early filling, slow filling, atrial kick. Every time scales
with the square root of the beat's own cycle (as the QT interval does by Bazett, Heart 1920;7:353), so that
fast beats keep a systole and lose their diastasis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lvef.core.records import FloatArray

ISOVOLUMETRIC_CONTRACTION_S = 0.045
"""Flat top at the beat's start, for a cycle of 1 s."""

EJECTION_S = 0.29
"""Ejection, for a cycle of 1 s. Source: Weissler et al., Circulation 1968;37:149 (0.311 s at 60/min in men)."""

ISOVOLUMETRIC_RELAXATION_S = 0.075
"""Flat bottom after ejection, for a cycle of 1 s."""

EARLY_FILLING_S = 0.2
"""Early filling, for a cycle of 1 s."""

KICK_S = 0.12
"""Atrial contraction, for a cycle of 1 s."""

EARLY_SHARE = 0.68
"""Part of the filling that comes early; the kick brings `KICK_SHARE`, the diastasis the rest."""

KICK_SHARE = 0.24
"""Part of the filling that the atrium adds in sinus rhythm."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A row of beats.

    Attributes:
        cycles_s: Cycle lengths, ``(n,)``.
        ed_volume: End-diastolic volume at the start of each beat, ``(n,)``.
        ef_percent: EF of each beat, ``(n,)``.
        kick: Whether the atria contract (not in atrial fibrillation).
    """

    cycles_s: FloatArray
    ed_volume: FloatArray
    ef_percent: FloatArray
    kick: bool = True

    @property
    def onsets_s(self) -> FloatArray:
        """Start of ejection's electrical beat (R wave) of each beat, ``(n,)``."""
        return np.concatenate([[0.0], np.cumsum(self.cycles_s)[:-1]])

    @property
    def ed_times_s(self) -> FloatArray:
        """Middle of the flat top of each beat, ``(n,)``."""
        return np.asarray(self.onsets_s + ISOVOLUMETRIC_CONTRACTION_S * np.sqrt(self.cycles_s) / 2)

    @property
    def es_times_s(self) -> FloatArray:
        """Middle of the flat bottom of each beat, ``(n,)``."""
        flat = ISOVOLUMETRIC_CONTRACTION_S + EJECTION_S + ISOVOLUMETRIC_RELAXATION_S / 2
        return np.asarray(self.onsets_s + flat * np.sqrt(self.cycles_s))

    @property
    def es_volume(self) -> FloatArray:
        """End-systolic volume of each beat, ``(n,)``."""
        return np.asarray(self.ed_volume * (1 - self.ef_percent / 100))


def regular(n: int, heart_rate_bpm: float, ef_percent: float, ed_volume: float = 120.0) -> Rhythm:
    """``n`` equal beats."""
    return Rhythm(np.full(n, 60 / heart_rate_bpm), np.full(n, ed_volume), np.full(n, float(ef_percent)))


def fibrillation(
    n: int, heart_rate_bpm: float, ef_percent: float, rng: np.random.Generator, ed_volume: float = 120.0
) -> Rhythm:
    """Atrial fibrillation: cycles scatter by 22 %, no kick; a longer pause fills more and ejects better."""
    mean = 60 / heart_rate_bpm
    cycles = np.clip(mean * (1 + 0.22 * rng.standard_normal(n)), 0.6 * mean, 1.6 * mean)
    before = np.concatenate([[mean], cycles[:-1]]) / mean - 1
    return Rhythm(cycles, ed_volume * (1 + 0.12 * before), ef_percent * (1 + 0.2 * before), kick=False)


def ectopic(n: int, heart_rate_bpm: float, ef_percent: float, at: int, ed_volume: float = 120.0) -> Rhythm:
    """Regular rhythm in which beat ``at`` comes early and weak, pauses, and is followed by a strong beat."""
    rhythm = regular(n, heart_rate_bpm, ef_percent, ed_volume)
    cycles, volume, ef = rhythm.cycles_s.copy(), rhythm.ed_volume.copy(), rhythm.ef_percent.copy()
    cycles[at - 1] *= 0.65
    cycles[at] *= 1.35
    volume[at] *= 0.85
    ef[at] *= 0.6
    volume[at + 1] *= 1.06
    ef[at + 1] *= 1.12
    return Rhythm(cycles, volume, ef)


def volume_at(rhythm: Rhythm, times_s: FloatArray) -> FloatArray:
    """Volume at any times from 0 to the end of the last beat, ``(n,)``; beyond, the ends are held."""
    knots_t, knots_v = [0.0], [float(rhythm.ed_volume[0])]
    following = np.append(rhythm.ed_volume[1:], rhythm.ed_volume[0])
    volumes = (rhythm.ed_volume, rhythm.es_volume, following)
    for start, cycle, ed, es, end in zip(rhythm.onsets_s, rhythm.cycles_s, *volumes, strict=True):
        root = float(np.sqrt(cycle))
        top = start + ISOVOLUMETRIC_CONTRACTION_S * root
        closed = top + EJECTION_S * root
        opens = closed + ISOVOLUMETRIC_RELAXATION_S * root
        left = start + cycle - opens
        early = min(EARLY_FILLING_S * root, (0.6 if rhythm.kick else 0.8) * left)
        kick = min(KICK_S * root, 0.35 * left) if rhythm.kick else 0.0
        kick_share = KICK_SHARE if rhythm.kick else 0.0
        fill = end - es
        early_volume = es + (EARLY_SHARE if rhythm.kick else 1 - (1 - EARLY_SHARE - KICK_SHARE)) * fill
        knots_t += [top, closed, opens, opens + early, start + cycle - kick, start + cycle]
        knots_v += [ed, es, es, early_volume, end - kick_share * fill, end]
    t, v = np.array(knots_t), np.array(knots_v)
    at = np.clip(np.searchsorted(t, times_s, side="right") - 1, 0, len(t) - 2)
    share = np.clip((times_s - t[at]) / np.maximum(t[at + 1] - t[at], 1e-9), 0.0, 1.0)
    smooth = share * share * (3 - 2 * share)
    return np.asarray(v[at] + (v[at + 1] - v[at]) * smooth)


def noise(
    n: int, sd: float, rng: np.random.Generator, *, correlation_s: float = 0.0, frame_s: float = 0.02
) -> FloatArray:
    """Gaussian noise ``(n,)`` of standard deviation ``sd``, white or a first-order process."""
    white = rng.standard_normal(n)
    if correlation_s <= 0:
        return np.asarray(sd * white)
    keep = float(np.exp(-frame_s / correlation_s))
    out = np.empty(n)
    state = white[0]
    for i in range(n):
        state = keep * state + np.sqrt(1 - keep * keep) * white[i] if i else white[0]
        out[i] = state
    return np.asarray(sd * out)


SINUS_SPREAD = 0.03
"""Coefficient of variation of the cycles of a sinus rhythm at rest."""

FRAME_RATES_HZ = (25.0, 30.0, 40.0, 50.0, 50.0, 50.0, 60.0, 80.0)
"""Drawn uniformly. EchoNet-Dynamic has 18 to 138, 50 in four fifths of its clips."""


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


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """Options of a synthetic recording; None is drawn.

    Attributes:
        ef_percent: Usual EF.
        heart_rate_bpm: Mean heart rate.
        rhythm: Sinus, fibrillation or ectopic.
        frame_rate_hz: Frames per second.
        n_frames: Length of the clip.
    """

    ef_percent: float | None = None
    heart_rate_bpm: float | None = None
    rhythm: RhythmKind | None = None
    frame_rate_hz: float | None = None
    n_frames: int | None = None

    def draw(self, rng: np.random.Generator, ed_volume_ml: float, ef_percent: float) -> Acquisition:
        """Draw a recording with these options; volume and EF as in `draw_acquisition`."""
        return draw_acquisition(
            rng,
            ed_volume_ml=ed_volume_ml,
            ef_percent=ef_percent,
            kind=self.rhythm,
            heart_rate_bpm=self.heart_rate_bpm,
            frame_rate_hz=self.frame_rate_hz,
            n_frames=self.n_frames,
        )


def draw_acquisition(
    rng: np.random.Generator,
    *,
    ed_volume_ml: float,
    ef_percent: float,
    kind: RhythmKind | None = None,
    heart_rate_bpm: float | None = None,
    frame_rate_hz: float | None = None,
    n_frames: int | None = None,
) -> Acquisition:
    """Draw a recording at rest; arguments that are given are not drawn.

    Args:
        rng: Random generator.
        ed_volume_ml: Usual end-diastolic volume.
        ef_percent: Usual EF.
        kind: Rhythm; else seven in ten sinus, two fibrillation, one ectopic.
        heart_rate_bpm: Mean rate; else 45 to 130, most between 60 and 90.
        frame_rate_hz: Frames per second; else one of `FRAME_RATES_HZ`.
        n_frames: Length; else as many as 2.3 to 5 mean cycles take, of irregular rhythms 4 to 6.

    Returns:
        A recording with at least one complete beat, unless ``n_frames`` is too short for that.
    """
    if kind is None:
        kind = RhythmKind(rng.choice(["sinus", "fibrillation", "ectopic"], p=[0.7, 0.2, 0.1]))
    if heart_rate_bpm is None:
        heart_rate_bpm = float(np.clip(rng.normal(74, 16), 45, 130))
    if frame_rate_hz is None:
        frame_rate_hz = float(rng.choice(FRAME_RATES_HZ))
    cycle = 60 / heart_rate_bpm
    seconds = float(rng.uniform(*((2.3, 5.0) if kind is RhythmKind.SINUS else (4.0, 6.0)))) * cycle
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
