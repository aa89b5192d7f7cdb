"""Draw a phantom: every parameter within clinical ranges, or as given.

Sizes and places are those of A4C masks of 150 CAMUS training patients (2.5 to 97.5 %); the settings of the scanner were set
by eye and by grey levels, speckle and contrast of such stills (`studies.appearance`), never by the output of a network.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from lvef.core.errors import ConfigError
from lvef.core.records import FloatArray
from lvef.core.terms import View
from lvef.synthesis.phantom.anatomy import (
    Heart,
    Surroundings,
    Ventricle,
    VentricleShape,
    WeakRegion,
    draw_fields,
    normal,
)
from lvef.synthesis.phantom.plane import Pose
from lvef.synthesis.phantom.scanner import Beam, Scanner
from lvef.synthesis.phantom.scatterers import Echogenicity
from lvef.synthesis.volume_curves import Acquisition, RecordingOptions


def draw_ef(rng: np.random.Generator) -> float:
    """Half like a clinic's (normal around 60), half even from 15 to 55, so that low ones are many."""
    drawn = rng.normal(60, 6) if rng.random() < 0.5 else rng.uniform(15, 55)
    return float(np.clip(drawn, 12, 75))


def draw_shape(rng: np.random.Generator, ef: float) -> VentricleShape:
    """A ventricle whose EF is to be ``ef`` percent."""
    # a failing ventricle is larger and rounder
    dilated = float(np.clip((50 - ef) / 35, 0, 1)) * rng.uniform(0, 1)
    length = normal(rng, 80 + 8 * dilated, 8, 62, 102)
    share = normal(rng, 0.60 + 0.1 * dilated, 0.06, 0.46, 0.82)
    n_weak = int(rng.integers(1, 3)) if ef < 55 and rng.random() < 0.6 else 0
    # zeta, phi, the reach of both, loss
    ranges = ((0.05, 0.7), (-np.pi, np.pi), (0.12, 0.3), (0.4, 1.0), (0.3, 0.9))
    weak = tuple(WeakRegion(*(float(rng.uniform(*ends)) for ends in ranges)) for _ in range(n_weak))
    ripples = tuple(
        (
            float(rng.normal(0, 0.03)),
            int(rng.integers(1, 4)),
            int(rng.integers(1, 4)),
            float(rng.uniform(0, 6.28)),
        )
        for _ in range(4)
    )
    return VentricleShape(
        length_mm=length,
        width_mm=length * share,
        **draw_fields(VentricleShape, rng),
        ripples=ripples,
        weak_regions=weak,
    )


def expert_walls(shape: VentricleShape) -> VentricleShape:
    """The same cavity with walls as experts draw them (`EXPERT_WALL`)."""
    return replace(
        shape,
        wall_mm=EXPERT_WALL * shape.wall_mm,
        apical_wall_mm=EXPERT_APICAL_WALL * shape.apical_wall_mm,
        wall_loss=EXPERT_WALL_LOSS,
    )


def draw_pose(rng: np.random.Generator, turn_deg: float, foreshortening_mm: float | None) -> Pose:
    """Where the heart lies before the probe; ``turn_deg`` is the view's turn about the axis."""
    out = foreshortening_mm
    return Pose(
        apex_u_mm=normal(rng, -4, 6, -18, 10),
        apex_depth_mm=normal(rng, 30, 6, 18, 45),
        apex_out_mm=abs(normal(rng, 0, 5, -14, 14)) if out is None else out,
        base_out_mm=normal(rng, 0, 3, -7, 7),
        tilt_deg=normal(rng, 11, 7, -5, 27),
        rotation_deg=turn_deg + normal(rng, 0, 8, -18, 18),
    )


def draw_scanner(
    rng: np.random.Generator,
    needed_mm: float,
    *,
    depth_mm: float | None = None,
    wall_grey: float | None = None,
    noise_grey: float | None = None,
    effects: bool = True,
) -> Scanner:
    """Settings of a scanner that shows this depth; arguments that are given are not drawn."""
    drawn = float(np.clip(needed_mm + rng.uniform(-6, 16), 110, 200))
    depth = drawn if depth_mm is None else depth_mm
    half = float(rng.choice([37.4, 37.4, 37.4, 41.0, 44.9]))
    wall = wall_grey if wall_grey is not None else normal(rng, 88, 17, 50, 145)
    scanner = Scanner(
        depth_mm=depth,
        half_angle_deg=half,
        pulse_mm=normal(rng, 0.38, 0.06, 0.25, 0.6),
        beam_deg=normal(rng, 0.55, 0.1, 0.35, 0.9),
        dynamic_range_db=normal(rng, 58, 5, 46, 70),
        wall_grey=wall,
        cavity_grey=wall - normal(rng, 38, 10, 10, 70),
        behind_grey=wall - normal(rng, 22, 14, -15, 60),
        rim_grey=normal(rng, 85, 25, 20, 140),
        rim_mm=normal(rng, 12, 4, 5, 26),
        blood_memory=normal(rng, 0.35, 0.1, 0.1, 0.6),
        noise_grey=noise_grey if noise_grey is not None else wall - normal(rng, 38, 16, 5, 80),
        near_clutter_db=normal(rng, 4, 3, -4, 10),
        near_clutter_mm=normal(rng, 9, 3, 4, 18),
        haze_db=normal(rng, -13, 4, -25, -5),
        far_haze_db=normal(rng, 11, 5, 0, 22),
        persistence=float(rng.uniform(0, 0.4)),
    )
    if not effects:
        return replace(scanner, uneven_db=0.0)
    gain, uneven = (normal(rng, 0, 2, -5, 5), normal(rng, 0, 2, -5, 5)), normal(rng, 3.2, 1.2, 0.5, 6)
    return replace(scanner, gain_db=gain, uneven_db=uneven, weakened=_draw_weakened(rng, depth))


def _draw_weakened(rng: np.random.Generator, depth: float) -> tuple[Beam, ...]:
    """Drop-out in three of five images (a side more often than the middle), a shadow in one of five."""
    beams = []
    if rng.random() < 0.6:
        start = float(rng.uniform(0.15, 0.5)) * depth
        beams.append(
            Beam(
                angle=float(rng.choice([-1, 1])) * float(rng.uniform(0.25, 0.9)),
                width=float(rng.uniform(0.08, 0.25)),
                from_mm=start,
                to_mm=start + float(rng.uniform(0.15, 0.4)) * depth,
                loss_db=float(rng.uniform(4, 14)),
            )
        )
    if rng.random() < 0.2:
        beams.append(
            Beam(
                angle=float(rng.uniform(-1, 1)),
                width=float(rng.uniform(0.05, 0.14)),
                from_mm=float(rng.uniform(0.05, 0.3)) * depth,
                to_mm=10 * depth,
                loss_db=float(rng.uniform(8, 22)),
            )
        )
    return tuple(beams)


EF_RANGE_PERCENT = (8.0, 78.0)
"""Smallest and largest EF of a phantom."""

TWO_CHAMBER_DEG = 60.0
"""Turn of a two-chamber plane against the four-chamber plane."""


class Walls(StrEnum):
    """How thick walls are and what becomes of their volume in systole."""

    INCOMPRESSIBLE = "incompressible"
    EXPERT = "expert"


EXPERT_WALL, EXPERT_APICAL_WALL, EXPERT_WALL_LOSS = 1.25, 1.7, 0.33
"""Thickness of `Walls.EXPERT` over that of incompressible walls, at the sides and at the apex, and its `wall_loss`.

With them walls have about the mean thickness at ED (11.4 and 10.9 mm) and the mean area ES / ED (.97) of experts' masks of
399 CAMUS training patients, A4C (`studies.walls`). Incompressible ones have 9.1 and 7.6 mm and 1.11."""


@dataclass(frozen=True, slots=True)
class PhantomOptions(RecordingOptions):
    """Options of a phantom; None is drawn. The EF is that of the body in space.

    Attributes:
        view: Four- or two-chamber view.
        size: Side of the square image in pixels.
        depth_mm: Depth of the image.
        foreshortening_mm: How far the apex lies out of the scan plane.
        gain_grey: Grey level of the myocardium.
        noise_grey: Grey level of the receiver's noise at full depth.
        effects: Shadows, drop-out, uneven gain and drift; without them the image is clean.
        walls: Incompressible, or as in experts' masks; the cavity is the same.
    """

    view: View = View.A4C
    size: int = 112
    depth_mm: float | None = None
    foreshortening_mm: float | None = None
    gain_grey: float | None = None
    noise_grey: float | None = None
    effects: bool = True
    walls: Walls = Walls.INCOMPRESSIBLE


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
        size: Side of the image in pixels.
        walls: Kind of its walls.
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
    walls: Walls = Walls.INCOMPRESSIBLE
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
            "walls": str(self.walls),
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
        options: What is not drawn.
        name: Its name.

    Raises:
        ConfigError: An option is out of range.
    """
    _check(options)
    ef = options.ef_percent if options.ef_percent is not None else draw_ef(rng)
    shape = draw_shape(rng, ef)
    if options.walls is Walls.EXPERT:
        shape = expert_walls(shape)
    ventricle = Ventricle(shape)
    acquisition = options.draw(rng, ventricle.volume_ml, ef)
    ventricle = _mild_enough(ventricle, acquisition)
    around = Surroundings(**draw_fields(Surroundings, rng))
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
        echo=Echogenicity(**draw_fields(Echogenicity, rng)),
        scanner=scanner,
        acquisition=acquisition,
        view=options.view,
        size=options.size,
        walls=options.walls,
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
