"""Volume tracings: to tracings, masks and back; closed forms, turned and mirrored images, expert masks; defects."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.datasets.camus import read_split, read_stills
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import area_of_tracing, polygon_area, volume_of_tracing
from lvef.geometry.tracing import trace_labels, tracing_of_contour
from lvef.geometry.volume_tracing import (
    OFF_AXIS_DEG,
    end_distances,
    mask_of_volume_tracing,
    tracing_of_volume_tracing,
    volume_tracing_along_axis,
    volume_tracing_defects,
    volume_tracing_of_mask,
    volume_tracing_of_tracing,
)
from tests.geometry.ventricle_shapes import half_ellipsoid, labels, trace_probabilities, true_volume


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
    contour = tracing_of_volume_tracing(lines).contour
    back = volume_tracing_of_tracing(tracing_of_contour(contour, tracing.apex, tracing.mitral[::-1]))
    assert end_distances(lines, back).max() < 1e-6
    assert mask_of_contour(contour, ventricle.shape).sum() == pytest.approx(polygon_area(contour), rel=0.01)


def test_a_mirrored_image_gives_mirrored_lines(ventricle):
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


@pytest.fixture(scope="module")
def tracing():
    return trace_probabilities(half_ellipsoid(turn=0.25))


def test_there_and_back(tracing):
    lines = volume_tracing_of_tracing(tracing)
    assert lines.shape == (21, 2, 2)
    assert lines[0] == pytest.approx(np.stack([tracing.apex, tracing.base]))
    back = tracing_of_volume_tracing(lines)
    assert volume_tracing_of_tracing(back) == pytest.approx(lines)
    assert volume_of_tracing(back) == pytest.approx(volume_of_tracing(tracing))
    assert area_of_tracing(back) == pytest.approx(area_of_tracing(tracing), rel=0.03)
    assert np.hypot(*(back.mitral - tracing.mitral).T).max() < 3


def test_any_order_of_ends_and_chords(tracing):
    lines = volume_tracing_of_tracing(tracing)
    rng = np.random.default_rng(3)
    mixed = lines.copy()
    mixed[0] = mixed[0, ::-1]  # base first
    mixed[1:] = mixed[1 + rng.permutation(20)]
    swap = rng.random(21) < 0.5
    swap[0] = False
    mixed[swap] = mixed[swap, ::-1]
    assert volume_tracing_of_tracing(tracing_of_volume_tracing(mixed)) == pytest.approx(lines)


def test_upside_down(tracing):
    lines = volume_tracing_of_tracing(tracing)
    flipped = lines * [1, -1] + [0, 127]
    assert tracing_of_volume_tracing(flipped).apex == pytest.approx(flipped[0, 0])


@pytest.mark.parametrize("keep", [range(1, 21, 2), range(1, 19)])
def test_another_number_of_chords_becomes_twenty(tracing, keep):
    lines = volume_tracing_of_tracing(tracing)
    back = tracing_of_volume_tracing(lines[[0, *keep]])
    assert back.chords.shape == (20, 2, 2)
    assert volume_of_tracing(back) == pytest.approx(true_volume(50, 16), rel=0.04)


def test_what_is_no_volume_tracing_is_refused():
    with pytest.raises(GeometryError, match="traced frame"):
        tracing_of_volume_tracing(np.zeros((3, 2, 2)))
    with pytest.raises(GeometryError, match="no length"):
        tracing_of_volume_tracing(np.zeros((21, 2, 2)))
    bad = np.ones((21, 2, 2))
    bad[4, 0, 0] = np.nan
    with pytest.raises(GeometryError, match="finite"):
        tracing_of_volume_tracing(bad)


def upright(half=10.0, length=100.0):
    """An axis down the image with 20 chords across it, ``(21, 2, 2)``."""
    y = (np.arange(20) + 0.5) * length / 20
    chords = np.stack([np.stack([np.full(20, -half), y], 1), np.stack([np.full(20, half), y], 1)], axis=1)
    return np.concatenate([[[[0.0, 0.0], [0.0, length]]], chords])


def turned_about(lines, degrees):
    angle = np.radians(degrees)
    return lines @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("degrees", [0, 37, 90, 180, 251])
def test_good_lines_have_no_faults_however_they_lie(degrees):
    faults = volume_tracing_defects(turned_about(upright(), degrees)[None] + 300)
    assert faults.crossing.tolist() == [0]
    assert faults.off_axis.tolist() == [0]


def test_each_frame_is_counted_by_itself():
    swapped, two = upright(), upright()
    swapped[[5, 6], 1] = swapped[[6, 5], 1]
    two[[5, 6], 1] = two[[6, 5], 1]
    two[[15, 16], 0] = two[[16, 15], 0]
    assert volume_tracing_defects(np.stack([upright(), swapped, two])).crossing.tolist() == [0, 1, 2]


def test_chords_that_touch_do_not_cross():
    lines = upright()
    lines[6, 0] = lines[5, 0]
    assert volume_tracing_defects(lines[None]).crossing.tolist() == [0]


@pytest.mark.parametrize(("degrees", "off"), [(0, 0), (OFF_AXIS_DEG - 1, 0), (OFF_AXIS_DEG + 1, 1), (90, 1)])
def test_aslant(degrees, off):
    lines = upright()
    middle = lines[8].mean(axis=0)
    lines[8] = turned_about(lines[8] - middle, degrees) + middle
    assert volume_tracing_defects(lines[None]).off_axis.tolist() == [off]


def test_beside_the_axis_and_beyond_its_ends():
    lines = upright()
    lines[3] += [25, 0]
    lines[20, :, 1] = 105
    lines[1, :, 1] = -5
    assert volume_tracing_defects(lines[None]).off_axis.tolist() == [3]


def test_a_chord_or_an_axis_without_length_is_off():
    lines = upright()
    lines[4, 1] = lines[4, 0]
    assert volume_tracing_defects(lines[None]).off_axis.tolist() == [1]
    lines[0, 1] = lines[0, 0]
    assert volume_tracing_defects(lines[None]).off_axis.tolist() == [20]
