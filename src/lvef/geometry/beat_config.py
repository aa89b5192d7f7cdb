"""Limits of what counts as a beat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BeatConfig:
    """Limits of beat finding.

    Attributes:
        min_cycle_s: Shortest cycle that is a beat: 220 per minute.
        max_cycle_s: Longest: 30 per minute; longer, and a beat was probably missed.
        default_cycle_s: Cycle that sets the windows where the curve does not repeat itself (70 per minute).
        window_s: Smoothing window for finding and timing, for a cycle of 1 s; scales with the root of the
            cycle.
        min_swing: Smallest change of volume that counts, as a share of the typical swing of the clip.
        min_swing_of_level: The same, as a share of the level: an EF below it is not told from noise.
        min_swing_sigmas: The same, in standard deviations of the noise left after smoothing.
        outlier_sigmas: Single frames further from their neighbours than this are left out.
        max_gap_s: A gap in the tracing longer than this, for a cycle of 1 s, near ED, ES or in systole voids
            a beat.
        min_frames: Fewer traced frames than this are no curve.
        premature: A cycle shorter than this times the usual one ends in a premature beat (common clinical
            rule: 20 %).
        pause: The premature beat's own cycle is longer than this times the usual one.
        irregular: Coefficient of variation of the cycles above which the rhythm is called irregular.
        doubtful_ef_percent: A mean EF below this counts only when at least three beats are alike in length
            and systole. Noise alone (5 % of the volume, correlated over 0.1 s) makes "beats" of 5 to 14 %.
        min_repetition: Autocorrelation from which a faint change that repeats itself is a heart beat
            (`lvef.geometry.smoothing.repetition`); noise of 3 s stays below it in 99 of 100.
        min_faint_swing_of_level: Change of volume, as a share of the level, that is asked of it.
        min_beats_irregular: Beats that an irregular rhythm needs. Source: Lang et al., ASE/EACVI 2015: five.
    """

    min_cycle_s: float = 60 / 220
    max_cycle_s: float = 2.0
    default_cycle_s: float = 60 / 70
    window_s: float = 0.26
    min_swing: float = 0.35
    min_swing_of_level: float = 0.07
    min_swing_sigmas: float = 5.0
    outlier_sigmas: float = 5.0
    max_gap_s: float = 0.12
    min_frames: int = 6
    premature: float = 0.8
    pause: float = 1.1
    irregular: float = 0.1
    doubtful_ef_percent: float = 14.0
    min_beats_irregular: int = 5
    min_repetition: float = 0.7
    min_faint_swing_of_level: float = 0.06


DEFAULT_CONFIG = BeatConfig()
"""The limits as they stand."""
