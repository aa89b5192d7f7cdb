"""What is odd about a contour."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.errors import QualityRefusal
from lvef.core.records import PixelAspect, PixelSpacing
from lvef.geometry.tracing import implausible_shape, tracing_of_contour
from lvef.measure.shape_checks import check_apical, check_shapes, check_torn, implausible_shapes
from lvef.measure.thresholds import DEFAULT


def cut_ellipse(width, length, *, annulus=0.7, dent=0.0):
    """An ellipse with its tip up, cut where its chord is a part of its width, a side pushed in by a part of its width."""
    at = np.arcsin(annulus)
    angle = np.linspace(-np.pi + at, np.pi - at, 121)
    contour = np.stack(
        [100 + width / 2 * np.sin(angle), 100 - length / (1 + np.cos(at)) * np.cos(angle)], axis=1
    )
    side = np.exp(-(((angle - np.pi / 2) / 0.4) ** 2))
    contour[:, 0] -= dent * width * side
    return tracing_of_contour(contour, contour[60], contour[[0, -1]])


@pytest.mark.parametrize(
    ("tracing", "expected"),
    [
        (cut_ellipse(40, 80), set()),
        (cut_ellipse(30, 96), {"slender"}),
        (cut_ellipse(80, 80), {"round"}),
        (cut_ellipse(40, 80, annulus=0.3), {"narrow annulus"}),
        (cut_ellipse(40, 80, dent=0.6), {"dents"}),
    ],
)
def test_what_no_expert_draws_is_named(tracing, expected):
    assert implausible_shape(tracing) >= expected
    assert bool(implausible_shape(tracing)) == bool(expected)


def test_only_the_shape_of_the_pixels_counts():
    tracing = cut_ellipse(40, 80)
    assert implausible_shape(tracing, PixelSpacing(0.5, 0.5, "test")) == set()
    for tall in (PixelAspect(2.0, "test"), PixelSpacing(0.5, 1.0, "test")):
        assert implausible_shape(tracing, tall) == {"slender"}


def test_odd_contours_are_reported_and_torn_ones_refused():
    good, slim = cut_ellipse(40, 80), cut_ellipse(30, 96)
    torn = cut_ellipse(40, 80, annulus=0.3)

    def odd(*tracings):
        return implausible_shapes(tracings, None)

    assert check_shapes(odd(*[good] * 9, None, slim), (0, 1), DEFAULT) == ()
    [at_es] = check_shapes(odd(*[good] * 9, slim), (0, 9), DEFAULT)
    assert at_es.code == "implausible_shape"
    assert "on 1 of 10 frames, ES among them (slender)" in at_es.text
    [often] = check_shapes(odd(*[good] * 7, *[slim] * 3), (0, 1), DEFAULT)
    assert "on 3 of 10 frames (slender)" in often.text
    check_torn("a.avi", odd(*[good] * 6, *[torn] * 4), (0, 1), DEFAULT)
    check_torn("a.avi", odd(*[slim] * 10), (0, 1), DEFAULT)
    check_torn("a.avi", odd(*[good] * 8, *[torn] * 2), (0, 9), DEFAULT)
    with pytest.raises(
        QualityRefusal, match=r"a\.avi: the contour is bent or pinched on 5 of 10 frames"
    ) as refusal:
        check_torn("a.avi", odd(*[good] * 5, *[torn] * 5), (0, 1), DEFAULT)
    assert refusal.value.code == "doubtful_contours"
    with pytest.raises(QualityRefusal, match=r"pinched on 3 of 10 frames, ES among them, a shape"):
        check_torn("a.avi", odd(*[good] * 7, *[torn] * 3), (0, 9), DEFAULT)


def turned(tracing, degrees):
    """The tracing turned about the middle of a 200-pixel image."""
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    contour, apex, mitral = (
        (part - 100) @ matrix.T + 100 for part in (tracing.contour, tracing.apex, tracing.mitral)
    )
    return tracing_of_contour(contour, apex, mitral)


@pytest.mark.parametrize("degrees", [0, 36, -36, 45, 180, 150, -150])
def test_an_apical_view_may_be_tilted_or_upside_down(degrees):
    tracings = [turned(cut_ellipse(40, 80), degrees)] * 5
    check_apical("a.avi", [*tracings, None], implausible_shapes([*tracings, None], None), None)


@pytest.mark.parametrize("degrees", [60, -75, 90, -90, 110])
def test_a_ventricle_that_lies_across_the_image_is_refused(degrees):
    tracings = [turned(cut_ellipse(40, 80), degrees)] * 5
    with pytest.raises(QualityRefusal, match=r"a\.avi: the long axis lies across the image") as refusal:
        check_apical("a.avi", tracings, implausible_shapes(tracings, None), None)
    assert refusal.value.code == "not_apical"


def test_the_shape_of_the_pixels_counts_for_the_tilt():
    tracings = [turned(cut_ellipse(40, 80), 40)] * 3
    odd = implausible_shapes(tracings, None)
    check_apical("a.avi", tracings, odd, PixelAspect(1.0, "test"))
    with pytest.raises(QualityRefusal, match="59 degrees"):
        check_apical("a.avi", tracings, odd, PixelAspect(0.5, "test"))


def test_a_round_cavity_is_refused_only_where_it_is_round_most_of_the_time():
    round_one, good = cut_ellipse(80, 80), cut_ellipse(40, 80)
    some = [round_one] * 3 + [good]
    check_apical("a.avi", some, implausible_shapes(some, None), None)
    with pytest.raises(QualityRefusal, match="round on 4 of 5 frames, as in a short axis"):
        check_apical("a.avi", [round_one] * 4 + [good], [{"round"}] * 4 + [set()], None)
