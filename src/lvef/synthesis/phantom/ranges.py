"""Clinical ranges of a phantom, and drawing from them.

Sizes and places are those of A4C masks of 150 CAMUS training patients (2.5 to 97.5 %); the settings of the scanner were set
by eye and by grey levels, speckle and contrast of such stills (`studies.appearance`), never by what a network makes
of the pictures.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lvef.synthesis.phantom.plane import Pose
from lvef.synthesis.phantom.scanner import Beam, Scanner
from lvef.synthesis.phantom.shape import VentricleShape, WeakRegion
from lvef.synthesis.phantom.surroundings import Surroundings
from lvef.synthesis.phantom.tissue import Echogenicity


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
    weak = []
    if ef < 55 and rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 3))):
            weak.append(
                WeakRegion(
                    zeta=float(rng.uniform(0.05, 0.7)),
                    phi=float(rng.uniform(-np.pi, np.pi)),
                    reach_zeta=float(rng.uniform(0.12, 0.3)),
                    reach_phi=float(rng.uniform(0.4, 1.0)),
                    loss=float(rng.uniform(0.3, 0.9)),
                )
            )
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
        widest=normal(rng, 0.6, 0.06, 0.45, 0.75),
        bluntness=normal(rng, 2.2, 0.25, 1.8, 3.0),
        mitral_share=normal(rng, 0.73, 0.06, 0.55, 0.9),
        flatness=normal(rng, 1.0, 0.06, 0.85, 1.15),
        wall_mm=normal(rng, 10, 1.5, 6.5, 14),
        apical_wall_mm=normal(rng, 7, 1.2, 4, 10),
        bend_mm=normal(rng, 0, 2.5, -6, 6),
        mitral_slope=normal(rng, -0.06, 0.08, -0.25, 0.15),
        twist_deg=normal(rng, 12, 4, 0, 22),
        length_power=normal(rng, 0.26, 0.05, 0.12, 0.38),
        ripples=ripples,
        weak_regions=tuple(weak),
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


def draw_echo(rng: np.random.Generator) -> Echogenicity:
    """Strengths of the echoes of one patient."""
    return Echogenicity(
        septum_db=normal(rng, 22, 5, 8, 33),
        right_wall_db=normal(rng, 4, 4, -5, 14),
        atrial_db=normal(rng, 7, 4, -3, 16),
        pericardium_db=normal(rng, 15, 4, 5, 25),
        valve_db=normal(rng, 10, 4, 0, 19),
        compact_db=normal(rng, 9, 4, 0, 18),
        apex_loss_db=normal(rng, 9, 3, 0, 15),
        ring_db=normal(rng, 9, 3, 1, 17),
        lining_db=normal(rng, 9, 3, 1, 16),
        trabeculae_db=normal(rng, -3, 4, -12, 6),
        papillary=normal(rng, 0.6, 0.3, 0, 1.1),
        grazing_loss_db=normal(rng, 3, 1.5, 0, 8),
        patchiness_db=normal(rng, 4.5, 1, 2, 7),
    )


def draw_scanner(
    rng: np.random.Generator,
    needed_mm: float,
    *,
    depth_mm: float | None,
    wall_grey: float | None,
    noise_grey: float | None,
    effects: bool,
) -> Scanner:
    """Settings of a scanner that shows so much depth; what is given is not drawn."""
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
    return replace(
        scanner,
        gain_db=(normal(rng, 0, 2, -5, 5), normal(rng, 0, 2, -5, 5)),
        uneven_db=normal(rng, 3.2, 1.2, 0.5, 6),
        weakened=_draw_weakened(rng, depth),
    )


def _draw_weakened(rng: np.random.Generator, depth: float) -> tuple[Beam, ...]:
    """Drop-out in three of five pictures (a side more often than the middle), a shadow in one of five."""
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


def normal(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """A normal value, kept within limits."""
    return float(np.clip(rng.normal(mean, sd), low, high))


def draw_surroundings(rng: np.random.Generator) -> Surroundings:
    """What lies around the left ventricle."""
    return Surroundings(
        right_depth_mm=normal(rng, 27, 5, 16, 40),
        right_wall_mm=normal(rng, 4, 0.7, 2.5, 6),
        roof_mm=normal(rng, 44, 7, 28, 62),
        left_atrium_mm=normal(rng, 36, 5, 25, 50),
        left_atrium_gain=normal(rng, 1.16, 0.05, 1.04, 1.3),
        right_atrium_mm=normal(rng, 38, 5, 26, 52),
        leaflet_share=normal(rng, 0.62, 0.04, 0.52, 0.72),
    )
