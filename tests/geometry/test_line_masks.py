"""Lines, masks and contours into each other: closed forms, turned and mirrored pictures, expert masks."""

import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.datasets.camus import read_split, read_stills
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import polygon_area, volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.geometry.volume_tracing import (
    contour_of_mask,
    contour_of_volume_tracing,
    end_distances,
    mask_of_volume_tracing,
    tracing_of_volume_tracing,
    volume_tracing_along_axis,
    volume_tracing_of_contour,
    volume_tracing_of_mask,
)
from tests.geometry.ventricle_shapes import labels, true_volume


def volume(lines):
    return volume_of_tracing(tracing_of_volume_tracing(lines))


@pytest.fixture(params=[0.0, 0.4, -0.7])
def ventricle(request):
    return labels(size=256, centre=(128, 160), length=100.0, radius=32.0, turn=request.param)


def test_mask_to_lines_keeps_the_volume(ventricle):
    lines = volume_tracing_of_mask(ventricle)
    assert lines.shape == (21, 2, 2)
    assert volume(lines) == pytest.approx(true_volume(100, 32), rel=0.02)
    assert volume(lines) == pytest.approx(volume_of_tracing(trace_labels(ventricle)), rel=1e-9)
    assert (lines[1:, 0, 0] < lines[1:, 1, 0]).all()


def test_lines_to_mask_and_back(ventricle):
    lines = volume_tracing_of_mask(ventricle)
    mask = mask_of_volume_tracing(lines, ventricle.shape)
    cavity = ventricle == 1
    assert 2 * (mask & cavity).sum() / (mask.sum() + cavity.sum()) > 0.985
    along = volume_tracing_along_axis(mask, lines)
    assert along[0] == pytest.approx(lines[0])
    assert end_distances(lines, along).max() < 1.0
    assert volume(along) == pytest.approx(volume(lines), rel=0.006)
    alone = volume_tracing_of_mask(mask)
    assert end_distances(lines, alone).mean() < 1.5
    assert volume(alone) == pytest.approx(volume(lines), rel=0.02)


def test_going_round_again_moves_less_and_less(ventricle):
    first = volume_tracing_of_mask(ventricle)
    moved, lines = [], first
    for _ in range(4):
        again = volume_tracing_along_axis(mask_of_volume_tracing(lines, ventricle.shape), lines)
        moved.append(end_distances(lines, again).mean())
        lines = again
    assert max(moved) < 0.3
    assert volume(lines) == pytest.approx(volume(first), rel=0.01)


def test_contour_both_ways(ventricle):
    lines = volume_tracing_of_mask(ventricle)
    tracing = tracing_of_volume_tracing(lines)
    contour = contour_of_volume_tracing(lines)
    back = volume_tracing_of_contour(contour, tracing.apex, tracing.mitral[::-1])
    assert end_distances(lines, back).max() < 1e-6
    assert polygon_area(contour_of_mask(ventricle == 1)) == pytest.approx((ventricle == 1).sum(), rel=0.01)
    assert mask_of_contour(contour, ventricle.shape).sum() == pytest.approx(polygon_area(contour), rel=0.01)


def test_a_mirrored_picture_gives_mirrored_lines(ventricle):
    lines, mirrored = volume_tracing_of_mask(ventricle), volume_tracing_of_mask(ventricle[:, ::-1])
    assert volume(mirrored) == pytest.approx(volume(lines), rel=0.01)
    assert mirrored[0, :, 0] == pytest.approx(255 - lines[0, :, 0], abs=1.5)


def test_pixels_that_are_not_square():
    tall = labels(size=256, centre=(128, 160), length=100.0, radius=32.0, turn=0.4)
    flat = tall[::2]
    lines = volume_tracing_of_mask(flat, aspect=2.0)
    along = volume_tracing_along_axis(flat == 1, lines, aspect=2.0)
    middle = [0.0, 0.25]  # rows 0, 2, 4 ... are kept, so a kept row's centre is half a small row off
    for found in (lines, along):
        assert volume((found + middle) * [1, 2]) == pytest.approx(true_volume(100, 32), rel=0.03)


def test_refusals(ventricle):
    with pytest.raises(GeometryError, match="traced frame"):
        mask_of_volume_tracing(np.zeros((2, 2, 2)), (64, 64))
    with pytest.raises(GeometryError, match="No ventricle"):
        volume_tracing_of_mask(np.zeros((64, 64), np.uint8))
    with pytest.raises(GeometryError, match="long axis"):
        volume_tracing_along_axis(ventricle == 1, np.full((1, 2, 2), np.nan))
    with pytest.raises(GeometryError, match="span"):
        volume_tracing_along_axis(ventricle == 1, np.array([[[0.0, 0.0], [250.0, 250.0]]]))


@pytest.mark.realdata
def test_on_expert_masks(camus_root):
    stills = list(read_stills(camus_root, read_split(camus_root, "validation")))
    worst, there_and_back = 0.0, []
    for still in stills:
        lines = volume_tracing_of_mask(still.mask)
        disks = volume_of_tracing(trace_labels(still.mask))
        worst = max(worst, abs(volume(lines) / disks - 1))
        along = volume_tracing_along_axis(mask_of_volume_tracing(lines, still.mask.shape), lines)
        there_and_back.append((abs(volume(along) / volume(lines) - 1), end_distances(lines, along).mean()))
    assert len(stills) == 200
    assert worst < 0.02
    volumes, moved = np.array(there_and_back).T
    assert volumes.max() < 0.01
    assert moved.max() < 0.25
