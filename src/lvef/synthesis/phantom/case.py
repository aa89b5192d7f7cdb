"""Drawing a phantom: every number about it, within clinical ranges (`ranges`), or as asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lvef.core.errors import ConfigError
from lvef.core.records import FloatArray
from lvef.core.terms import View
from lvef.synthesis.acquisition import Acquisition, RhythmKind, draw_acquisition
from lvef.synthesis.phantom.plane import Pose
from lvef.synthesis.phantom.ranges import (
    draw_echo,
    draw_ef,
    draw_pose,
    draw_scanner,
    draw_shape,
    draw_surroundings,
    normal,
)
from lvef.synthesis.phantom.scanner import Scanner
from lvef.synthesis.phantom.shape import Ventricle
from lvef.synthesis.phantom.surroundings import Heart
from lvef.synthesis.phantom.tissue import Echogenicity

EF_RANGE_PERCENT = (8.0, 78.0)
"""Smallest and largest EF that can be asked for."""

TWO_CHAMBER_DEG = 60.0
"""Turn of a two-chamber plane against the four-chamber plane."""


@dataclass(frozen=True, slots=True)
class PhantomOptions:
    """What is asked of a phantom; None is drawn.

    Attributes:
        ef_percent: Usual EF of the body in space.
        heart_rate_bpm: Mean heart rate.
        rhythm: Sinus, fibrillation or ectopic.
        frame_rate_hz: Frames per second.
        n_frames: Length of the clip.
        view: Four- or two-chamber view.
        size: Side of the square picture in pixels.
        depth_mm: Depth of the picture.
        foreshortening_mm: How far the apex lies out of the scan plane.
        gain_grey: Grey level of the myocardium.
        noise_grey: Grey level of the receiver's noise at full depth.
        effects: Shadows, drop-out, uneven gain and drift; without them the picture is clean.
    """

    ef_percent: float | None = None
    heart_rate_bpm: float | None = None
    rhythm: RhythmKind | None = None
    frame_rate_hz: float | None = None
    n_frames: int | None = None
    view: View = View.A4C
    size: int = 112
    depth_mm: float | None = None
    foreshortening_mm: float | None = None
    gain_grey: float | None = None
    noise_grey: float | None = None
    effects: bool = True


@dataclass(frozen=True, slots=True)
class PhantomCase:
    """Everything about one phantom.

    Attributes:
        name: Its name.
        heart: The heart.
        pose: Where it lies before the probe.
        echo: Strength of its echoes.
        scanner: The scanner and its window.
        acquisition: Rhythm and timing.
        view: View that the plane shows.
        size: Side of the picture in pixels.
        breath_mm: Sideways and depth reach of the drift with breathing.
        breath_s: Length of a breath.
        breath_phase: Where in the breath the clip starts, radians.
    """

    name: str
    heart: Heart
    pose: Pose
    echo: Echogenicity
    scanner: Scanner
    acquisition: Acquisition
    view: View
    size: int
    breath_mm: tuple[float, float] = (0.0, 0.0)
    breath_s: float = 4.0
    breath_phase: float = 0.0

    def drift_mm(self, times_s: FloatArray) -> FloatArray:
        """Shift of the heart in the plane with breathing, ``(n, 2)`` mm."""
        wave = np.sin(2 * np.pi * np.asarray(times_s) / self.breath_s + self.breath_phase)
        return np.asarray(wave[:, None] * np.array(self.breath_mm))

    def parameters(self) -> dict[str, Any]:
        """All of it as JSON values."""
        rhythm = self.acquisition.rhythm
        return {
            "generator": "phantom",
            "view": str(self.view),
            "rhythm": str(self.acquisition.kind),
            "heart_rate_bpm": 60 / float(np.median(rhythm.cycles_s)),
            "frame_rate_hz": self.acquisition.frame_rate_hz,
            "ef_percent": float(np.median(rhythm.ef_percent)),
            "ed_volume_ml": self.heart.ventricle.volume_ml,
            "foreshortening_mm": self.pose.apex_out_mm,
            "noise_grey": self.scanner.noise_grey,
            "shape": asdict(self.heart.ventricle.shape),
            "surroundings": asdict(self.heart.around),
            "pose": asdict(self.pose),
            "echo": asdict(self.echo),
            "scanner": asdict(self.scanner),
            "breath": {"mm": self.breath_mm, "s": self.breath_s, "phase": self.breath_phase},
        }


def draw_phantom(
    rng: np.random.Generator, options: PhantomOptions = PhantomOptions(), *, name: str = "phantom"
) -> PhantomCase:
    """Draw a phantom.

    Args:
        rng: Random generator.
        options: What is asked for.
        name: Its name.

    Raises:
        ConfigError: Something is asked for that cannot be.
    """
    _check(options)
    ef = options.ef_percent if options.ef_percent is not None else draw_ef(rng)
    shape = draw_shape(rng, ef)
    ventricle = Ventricle(shape)
    acquisition = draw_acquisition(
        rng,
        ed_volume_ml=ventricle.volume_ml,
        ef_percent=ef,
        kind=options.rhythm,
        heart_rate_bpm=options.heart_rate_bpm,
        frame_rate_hz=options.frame_rate_hz,
        n_frames=options.n_frames,
    )
    ventricle = _mild_enough(ventricle, acquisition)
    around = draw_surroundings(rng)
    turn = 0.0 if options.view == View.A4C else TWO_CHAMBER_DEG
    pose = draw_pose(rng, turn, options.foreshortening_mm)
    scanner = draw_scanner(
        rng,
        pose.apex_depth_mm + shape.length_mm + 0.8 * around.roof_mm,
        depth_mm=options.depth_mm,
        wall_grey=options.gain_grey,
        noise_grey=options.noise_grey,
        effects=options.effects,
    )
    breath = (0.0, 0.0) if not options.effects else (normal(rng, 0, 0.7, -2, 2), normal(rng, 0, 1.2, -3, 3))
    return PhantomCase(
        name=name,
        heart=Heart(ventricle, around),
        pose=pose,
        echo=draw_echo(rng),
        scanner=scanner,
        acquisition=acquisition,
        view=options.view,
        size=options.size,
        breath_mm=breath,
        breath_s=float(rng.uniform(3, 5)),
        breath_phase=float(rng.uniform(0, 2 * np.pi)),
    )


def _check(options: PhantomOptions) -> None:
    low, high = EF_RANGE_PERCENT
    if options.ef_percent is not None and not low <= options.ef_percent <= high:
        raise ConfigError(f"A phantom's EF can be {low:g} to {high:g} %; found {options.ef_percent:g}.")
    for name, value, least, most in (
        ("heart rate", options.heart_rate_bpm, 30, 200),
        ("frame rate", options.frame_rate_hz, 10, 200),
        ("number of frames", options.n_frames, 2, 5000),
        ("size in pixels", options.size, 32, 1024),
        ("depth in mm", options.depth_mm, 80, 260),
        ("foreshortening in mm", options.foreshortening_mm, 0, 25),
        ("grey level of the wall", options.gain_grey, 40, 200),
        ("grey level of the noise", options.noise_grey, 0, 150),
    ):
        if value is not None and not least <= value <= most:
            raise ConfigError(f"A phantom's {name} can be {least} to {most}; found {value:g}.")
    if options.view not in (View.A4C, View.A2C):
        raise ConfigError(f"A phantom is seen in A4C or A2C; found {options.view}.")


def _mild_enough(ventricle: Ventricle, acquisition: Acquisition) -> Ventricle:
    """The same ventricle with regional differences mild enough for its strongest region not to close up."""
    needed = float(acquisition.rhythm.es_volume.min()) / ventricle.volume_ml
    shape = ventricle.shape
    while shape.weak_regions and Ventricle(shape).smallest_v() > needed:
        milder = tuple(replace(r, loss=0.8 * r.loss) for r in shape.weak_regions)
        shape = replace(shape, weak_regions=milder if milder[0].loss > 0.05 else ())
    return Ventricle(shape)
