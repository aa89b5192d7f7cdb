"""A tracing as points to drag, and back."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.core.records import Tracing
from lvef.geometry.control_points import (
    APEX,
    N_CONTROL_POINTS,
    STEPS,
    contour_of_control_points,
    control_points_of_tracing,
    crosses_itself,
    tracing_of_control_points,
)
from lvef.geometry.simpson import disks_single_plane, volume_of_tracing
from lvef.geometry.tracing import trace_labels, tracing_of_contour
from lvef.io.images import read_labels

A, B = 20.0, 60.0


def half_ellipse(turn: float = 0.0, mirror: bool = False, start: int = 0, backwards: bool = False) -> Tracing:
    """Half an ellipse cut at its widest place, apex up before it is turned: volume 2/3 pi A^2 B."""
    angle = np.linspace(np.pi, 2 * np.pi, 181)
    contour = np.stack([A * np.cos(angle), B * np.sin(angle)], axis=1)
    apex, mitral = np.array([0.0, -B]), np.array([[-A, 0.0], [A, 0.0]])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    scale = np.array([-1.0 if mirror else 1.0, 1.0])

    def placed(points):
        return points * scale @ rotation.T + 100.0

    contour = np.roll(contour[::-1] if backwards else contour, start, axis=0)
    return tracing_of_contour(placed(contour), placed(apex), placed(mitral))


VOLUME = 2 / 3 * np.pi * A * A * B


@pytest.mark.parametrize("turn", [0.0, 0.5, 2.0, np.pi, -2.5])
@pytest.mark.parametrize("start", [0, 50, 180])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_half_ellipse_comes_back(turn, start, backwards):
    tracing = half_ellipse(turn, start=start, backwards=backwards)
    points = control_points_of_tracing(tracing)
    assert points.shape == (N_CONTROL_POINTS, 2)
    assert points[0] == pytest.approx(tracing.mitral[0])
    assert points[-1] == pytest.approx(tracing.mitral[1])
    assert points[APEX] == pytest.approx(tracing.apex)
    assert volume_of_tracing(tracing_of_control_points(points)) == pytest.approx(VOLUME, rel=0.005)


def test_the_spline_passes_through_each_point_and_is_smooth():
    points = control_points_of_tracing(half_ellipse())
    contour = contour_of_control_points(points)
    assert len(contour) == (N_CONTROL_POINTS - 1) * STEPS + 1
    assert contour[::STEPS] == pytest.approx(points)
    steps = np.diff(contour, axis=0)
    turns = np.abs(np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))))
    assert np.rad2deg(turns).max() < 25


def test_a_dragged_wall_point_moves_only_its_neighbourhood():
    points = control_points_of_tracing(half_ellipse())
    moved = points.copy()
    moved[4, 0] -= 5
    before, after = contour_of_control_points(points), contour_of_control_points(moved)
    changed = np.flatnonzero(np.abs(before - after).max(axis=1) > 1e-9)
    assert changed.min() > 2 * STEPS
    assert changed.max() < 6 * STEPS
    assert after[4 * STEPS, 0] == pytest.approx(before[4 * STEPS, 0] - 5)
    assert volume_of_tracing(tracing_of_control_points(moved)) > volume_of_tracing(
        tracing_of_control_points(points)
    )


def test_the_apex_moves_the_axis_and_the_disks():
    points = control_points_of_tracing(half_ellipse())
    points[APEX, 1] -= 10
    tracing = tracing_of_control_points(points)
    assert tracing.apex == pytest.approx(points[APEX])
    length = np.hypot(*(tracing.base - tracing.apex))
    assert length == pytest.approx(B + 10)
    widths = np.hypot(*(tracing.chords[:, 1] - tracing.chords[:, 0]).T)
    assert volume_of_tracing(tracing) == pytest.approx(disks_single_plane(widths, length))


def test_pixels_that_are_not_square():
    points = control_points_of_tracing(half_ellipse())
    squeezed, square = (
        tracing_of_control_points(points * [1.0, 0.5], aspect=2.0),
        tracing_of_control_points(points),
    )
    # The spline is drawn in pixels, as the page draws it: its knots lie a little differently.
    assert squeezed.chords * [1.0, 2.0] == pytest.approx(square.chords, abs=0.5)


def test_points_in_one_place_are_no_crash():
    points = control_points_of_tracing(half_ellipse())
    points[4] = points[5]
    assert np.isfinite(contour_of_control_points(points)).all()


def test_a_contour_that_crosses_itself_is_refused():
    points = control_points_of_tracing(half_ellipse())
    points[3], points[-4] = points[-4].copy(), points[3].copy()
    assert crosses_itself(contour_of_control_points(points))
    with pytest.raises(GeometryError, match="crosses itself"):
        tracing_of_control_points(points)


@pytest.mark.parametrize(
    "points", [np.zeros((14, 2)), np.zeros((15, 3)), np.full((15, 2), np.nan), np.zeros((15, 2))]
)
def test_what_is_no_contour_is_refused(points):
    with pytest.raises(GeometryError):
        tracing_of_control_points(points)


@pytest.mark.realdata
def test_expert_contours_come_back(camus_root):
    """EF of ED and ES contours through fifteen points, against the contours themselves."""
    differences = []
    folders = [f for f in sorted((camus_root / "database_nifti").iterdir()) if any(f.glob("*4CH_ES_gt*"))][
        :40
    ]
    for folder in folders:
        volumes = {}
        for phase in ("ED", "ES"):
            labels = read_labels(folder / f"{folder.name}_4CH_{phase}_gt.nii.gz")[0]
            tracing = trace_labels(labels)
            volumes[phase] = (
                volume_of_tracing(tracing),
                volume_of_tracing(tracing_of_control_points(control_points_of_tracing(tracing))),
            )
        before, after = (100 * (1 - volumes["ES"][k] / volumes["ED"][k]) for k in (0, 1))
        differences.append(abs(after - before))
    assert len(differences) == 40
    print(f"EF through handles: mean {np.mean(differences):.2f}, at most {np.max(differences):.2f} points")
    assert np.mean(differences) < 0.3
    assert np.max(differences) < 1.5
