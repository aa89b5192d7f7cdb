"""Play a pair of stills through the volume curve of a recording: a cine with known truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from lvef.core.errors import ConfigError
from lvef.core.records import Clip, FloatArray
from lvef.geometry.simpson import volume_of_tracing
from lvef.synthesis.acquisition import Acquisition, RhythmKind, draw_acquisition
from lvef.synthesis.curves import Rhythm, volume_at
from lvef.synthesis.motion.draw import Canvas, draw_frames, draw_truth
from lvef.synthesis.motion.effects import Effects, breathing, draw_effects
from lvef.synthesis.motion.heart import Heart, heart_of
from lvef.synthesis.motion.pair import StillPair
from lvef.synthesis.truth import SyntheticClip, beats_in_clip

EF_RANGE = (10.0, 75.0)
"""EFs that are drawn, evenly, where none is asked for."""

SIZE = 112
"""Side of the finished picture, that of EchoNet-Dynamic."""


@dataclass(frozen=True, slots=True)
class MotionOptions:
    """What is asked of a moving still; None is drawn.

    Attributes:
        ef_percent: EF of the usual beat, in the plane.
        own_ef: Take the patient's own EF; then ``ef_percent`` must be None.
        heart_rate_bpm: Mean heart rate.
        rhythm: Rhythm.
        frame_rate_hz: Frames per second.
        n_frames: Length of the clip.
        size: Side of the square picture, padded and resized; None keeps the still's own grid.
        effects: Amounts; ``Effects()`` is the plain deformation.
    """

    ef_percent: float | None = None
    own_ef: bool = False
    heart_rate_bpm: float | None = None
    rhythm: RhythmKind | None = None
    frame_rate_hz: float | None = None
    n_frames: int | None = None
    size: int | None = SIZE
    effects: Effects | None = field(default=None)

    def __post_init__(self) -> None:
        if self.own_ef and self.ef_percent is not None:
            raise ConfigError(
                f"own_ef and an EF of {self.ef_percent:g} % are both asked for; leave one of them out."
            )
        if self.ef_percent is not None and not 0 < self.ef_percent < 100:
            raise ConfigError(f"ef_percent is {self.ef_percent:g}, a value between 0 and 100 was expected.")
        if self.size is not None and self.size < 16:
            raise ConfigError(f"size is {self.size}, at least 16 pixels were expected.")
        if self.n_frames is not None and self.n_frames < 1:
            raise ConfigError(f"n_frames is {self.n_frames}, at least 1 was expected.")


def moving_still(
    pair: StillPair | Heart, options: MotionOptions, rng: np.random.Generator, *, name: str
) -> SyntheticClip:
    """A cine of one patient's heart at rest.

    Args:
        pair: The stills, or what `lvef.synthesis.motion.heart.heart_of` made of them, for several clips of one patient.
        options: What is asked for.
        rng: Random generator; the same state gives the same clip.
        name: Source of the clip.

    Returns:
        The clip with its truth. ``volume_ml`` is ``plane_volume_ml``: there is no body in space.

    Raises:
        GeometryError: The pair cannot be set in motion, with the reason.
    """
    heart = pair if isinstance(pair, Heart) else heart_of(pair)
    wanted = heart.own_ef_percent if options.own_ef else options.ef_percent
    drawn = float(rng.uniform(*EF_RANGE))
    wanted = drawn if wanted is None else wanted
    ed_level, es_level, ef = (0.0, 1.0, wanted) if options.own_ef else heart.levels_for_ef(wanted)
    acquisition = draw_acquisition(
        rng,
        ed_volume_ml=heart.volume(ed_level),
        ef_percent=ef,
        kind=options.rhythm,
        heart_rate_bpm=options.heart_rate_bpm,
        frame_rate_hz=options.frame_rate_hz,
        n_frames=options.n_frames,
    )
    rhythm, held = _within_reach(acquisition.rhythm, heart)
    acquisition = replace(acquisition, rhythm=rhythm)
    times = acquisition.times_s
    levels = heart.levels_of(volume_at(rhythm, acquisition.start_s + times))
    effects = draw_effects(rng) if options.effects is None else options.effects
    canvas = Canvas.of(heart.pair, options.size)
    poses = breathing(times, effects, heart.lv[0].mean(axis=0), _scale(heart.pair), rng)
    frames = draw_frames(heart, canvas, levels, poses, times, effects, rng)
    tracings, labels = draw_truth(heart, canvas, levels, poses)
    volumes = np.array([volume_of_tracing(t, canvas.spacing) for t in tracings])
    clip = Clip(
        frames,
        times,
        "synthetic",
        name,
        canvas.spacing,
        "" if canvas.spacing else "The still that was set in motion has no scale.",
        view=heart.pair.view,
    )
    told = _parameters(heart, acquisition, effects, wanted, ef, ed_level, es_level, held)
    return SyntheticClip(
        clip,
        labels,
        tracings,
        volumes,
        volumes,
        beats_in_clip(rhythm, acquisition.start_s, times, volumes),
        told,
    )


def _scale(pair: StillPair) -> FloatArray:
    return np.array([pair.spacing.x_mm, pair.spacing.y_mm] if pair.spacing else [1.0, 1.0])


def _within_reach(rhythm: Rhythm, heart: Heart) -> tuple[Rhythm, bool]:
    """The rhythm with every beat's volumes inside what the heart can be drawn at, and whether any was changed."""
    largest, smallest = float(heart.volumes[0]), float(heart.volumes[-1])
    ed = np.clip(rhythm.ed_volume, None, largest)
    es = np.clip(rhythm.es_volume, smallest, None)
    es = np.minimum(es, ed)
    changed = not (np.allclose(ed, rhythm.ed_volume) and np.allclose(es, rhythm.es_volume))
    if not changed:
        return rhythm, False
    return replace(rhythm, ed_volume=ed, ef_percent=100 * (ed - es) / ed), True


def _parameters(
    heart: Heart,
    acquisition: Acquisition,
    effects: Effects,
    wanted: float,
    ef: float,
    ed_level: float,
    es_level: float,
    held: bool,
) -> dict[str, Any]:
    pair = heart.pair
    notes = []
    if abs(ef - wanted) > 0.05:
        notes.append(
            f"An EF of {wanted:.1f} % was asked for; {ef:.1f} % is the nearest to which these stills can be carried."
        )
    if held:
        notes.append(
            "Volumes of some beats were held at the largest or smallest to which these stills can be carried."
        )
    if pair.spacing is None:
        notes.append("The stills have no scale: volumes are in cubic pixels of the finished picture.")
    return {
        "kind": "motion",
        "patient": pair.patient,
        "view": str(pair.view),
        "own_ef_percent": heart.own_ef_percent,
        "asked_ef_percent": wanted,
        "ef_percent": ef,
        "ed_level": ed_level,
        "es_level": es_level,
        "levels": [float(heart.levels[0]), float(heart.levels[-1])],
        "rhythm": str(acquisition.kind),
        "heart_rate_bpm": 60 / float(acquisition.rhythm.cycles_s.mean()),
        "frame_rate_hz": acquisition.frame_rate_hz,
        "start_s": acquisition.start_s,
        "effects": asdict(effects),
        "volume_unit": "ml" if pair.spacing else "cubic pixels",
        "structures": [
            "LV",
            *(["MYOCARDIUM"] if heart.wall is not None else []),
            *(["LA"] if heart.atrium is not None else []),
        ],
        "notes": notes,
    }
