"""A contour from three clicks: where it goes through, how it follows the image, what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.core.records import Clip, PixelAspect
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.control_points import APEX, contour_of_control_points, tracing_of_control_points
from lvef.geometry.simpson import polygon_area
from lvef.measure.options import MeasureOptions
from lvef.measure.predictors import load_predictor
from lvef.measure.resegment import (
    POSE,
    WIDEST_AT,
    WIDTH,
    check_landmarks,
    clip_around,
    resegment,
    usual_shape,
)
from lvef.synthesis.phantom.render import sample_phantom
from tests.measure.made_up import ellipse_tracing

SIZE = (400, 500)
ELLIPSE = ellipse_tracing((230.0, 180.0), (45.0, 95.0), points=200)
OFFSETS = (-0.3, -0.1, 0.0, 0.1, 0.3)


class BrightIsCavity:
    """A model for which the bright part of the square is the cavity."""

    gives_masks = True
    sees_other_phase = True

    def __init__(self, size=128):
        self.entry = SimpleNamespace(
            card=SimpleNamespace(input=SimpleNamespace(size=size, offsets_s=OFFSETS))
        )
        self.seen, self.context = None, None

    def probabilities(self, frames, box, spacing, context):
        from lvef.transforms.frames import place

        self.seen, self.context = frames, context
        at = 0 if context.only is None else context.only[0]
        lv = frames[at].astype(np.float32) / 255
        yield np.stack([1 - lv, lv, 0 * lv, 0 * lv]), place(box, box.width, spacing)


def drawn(tracing=ELLIPSE, matrix=None, n=1):
    """Frames with the bright inside of a contour, moved by an affine map, and its landmarks."""
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]]) if matrix is None else np.asarray(matrix, dtype=float)
    contour, apex, mitral = (
        points @ matrix[:, :2].T + matrix[:, 2] for points in (tracing.contour, tracing.apex, tracing.mitral)
    )
    image = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(image, [np.round(contour * 16).astype(np.int32)], 255, shift=4)
    times = np.arange(n) * 0.02
    return Clip(np.repeat(image[None], n, axis=0), times, "container", "a.avi"), contour, apex, mitral


def apart(points, contour):
    """Largest distance of the drawn line from a contour."""
    line = contour_of_control_points(points)
    return float(max(np.hypot(*(contour - point).T).min() for point in line))


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 0], [0, 1, 0]],
        [[-1, 0, 460], [0, -1, 380]],
        [[0.8, -0.6, 160], [0.6, 0.8, -90]],
        [[0.5, 0, 60], [0, 0.5, 40]],
    ],
    ids=["upright", "upside down", "turned", "small"],
)
def test_the_contour_follows_the_image_wherever_the_ventricle_lies(matrix):
    clip, contour, apex, mitral = drawn(matrix=matrix)
    model = BrightIsCavity()
    found = resegment(clip, 0, apex, mitral[::-1], model)
    assert found.by_model
    left, right = sorted(mitral.tolist())
    assert found.points[[APEX, 0, -1]] == pytest.approx(np.array([apex, left, right]))
    scale = np.sqrt(np.linalg.det(np.array(matrix)[:, :2]))
    assert apart(found.points, contour) < 3.5 * scale
    area = polygon_area(contour_of_control_points(found.points))
    assert area == pytest.approx(polygon_area(contour), rel=0.03)
    # The model saw it in the usual place.
    ys, _xs = np.nonzero(model.seen[0] > 127)
    assert ys.min() == pytest.approx(128 * POSE[0][1], abs=2.5)
    assert len(ys) == pytest.approx(
        polygon_area(contour)
        * (128 * np.hypot(*np.subtract(*POSE)) / np.hypot(*(mitral.mean(0) - apex))) ** 2,
        rel=0.05,
    )


def test_pixels_that_are_not_square():
    clip, contour, apex, mitral = drawn(matrix=[[1, 0, 0], [0, 0.5, 0]])
    clip = Clip(clip.frames, clip.times_s, clip.timing, clip.source, PixelAspect(2.0, "test"))
    found = resegment(clip, 0, apex, mitral, BrightIsCavity())
    assert found.by_model
    assert apart(found.points, contour) < 2.5


def test_clicks_beside_the_models_landmarks_move_the_walls_smoothly():
    clip, _, apex, mitral = drawn()
    exact = resegment(clip, 0, apex, mitral, BrightIsCavity()).points
    wider = mitral + np.array([[-8.0, 0.0], [8.0, 0.0]])
    found = resegment(clip, 0, np.add(apex, (0.0, -6.0)), wider, BrightIsCavity()).points
    assert found[[APEX, 0, -1]] == pytest.approx(np.array([np.add(apex, (0.0, -6.0)), *wider]))
    shift = np.hypot(*(found - exact).T)
    # A wider annulus leaves the middle of the walls; no neighbour jumps.
    assert shift[[3, 4, 10, 11]].max() < 4.5
    assert np.abs(np.diff(found - exact, axis=0)).max() < 6
    tracing_of_control_points(found)


def test_nothing_bright_gives_the_usual_shape():
    clip, _, apex, mitral = drawn()
    dark = Clip(np.zeros_like(clip.frames), clip.times_s, clip.timing, clip.source)
    found = resegment(dark, 0, apex, mitral, BrightIsCavity())
    assert not found.by_model
    assert found.points == pytest.approx(resegment(clip, 0, apex, mitral, None).points)


def test_what_the_model_draws_elsewhere_is_not_taken():
    clip, _, apex, mitral = drawn()
    beside = np.array([[1.0, 0, 120], [0, 1.0, 0]])
    other, *_ = drawn(matrix=beside)
    assert resegment(clip, 0, apex, mitral, BrightIsCavity()).by_model
    assert not resegment(other, 0, apex, mitral, BrightIsCavity()).by_model


def test_the_usual_shape_in_closed_form():
    landmarks = np.array([[100.0, 50.0], [80.0, 250.0], [120.0, 250.0]])
    points = usual_shape(landmarks)
    assert points[[APEX, 0, -1]] == pytest.approx(landmarks)
    line = contour_of_control_points(points)
    assert np.ptp(line[:, 0]) == pytest.approx(WIDTH * 200, rel=0.01)
    # Half an ellipse towards the apex: at half its length it has sqrt(3) / 2 of the largest width.
    level = 50 + WIDEST_AT * 200 / 2
    crossing = line[np.argsort(np.abs(line[:, 1] - level))[:2], 0]
    assert np.ptp(crossing) == pytest.approx(WIDTH * 200 * np.sqrt(3) / 2, rel=0.05)
    # Mirror images, and the same shape at every size.
    assert points[::-1] * (-1, 1) + (200, 0) == pytest.approx(points)
    assert usual_shape(landmarks * 0.5) == pytest.approx(points * 0.5)
    assert usual_shape(landmarks * (1, 0.5), aspect=2.0) == pytest.approx(points * (1, 0.5))


def test_an_annulus_wider_than_usual_is_kept():
    landmarks = np.array([[100.0, 50.0], [30.0, 250.0], [170.0, 250.0]])
    tracing = tracing_of_control_points(usual_shape(landmarks))
    assert np.ptp(tracing.contour[:, 0]) == pytest.approx(1.05 * 140, rel=0.01)


@pytest.mark.parametrize(
    ("apex", "annulus", "words"),
    [
        ((100, 50), [(100, 150), (102, 250)], "nearly on one line"),
        ((80, 250), [(100, 50), (120, 250)], "annulus would be longer"),
        ((100, 50), [(99, 250), (101, 250)], "too close together"),
        ((100, 50), [(98, 60), (102, 60)], "too close together"),
        ((100, -5), [(80, 250), (120, 250)], "outside of the image"),
        ((100, 50), [(80, 250), (1200, 250)], "outside of the image"),
        ((100, 50), [(80, 250)], "Three points"),
        ((100, float("nan")), [(80, 250), (120, 250)], "Three points"),
        ("apex", [(80, 250), (120, 250)], "Three points"),
        ((100, 10**400), [(80, 250), (120, 250)], "Three points"),
    ],
)
def test_clicks_that_cannot_be_are_refused(apex, annulus, words):
    with pytest.raises(GeometryError, match=words):
        check_landmarks(apex, annulus, SIZE, 1.0)


def test_a_frame_that_is_not_there():
    clip, _, apex, mitral = drawn()
    with pytest.raises(GeometryError, match="frames 0 to 0"):
        resegment(clip, 1, apex, mitral, None)


def test_the_frames_around_are_shown_and_are_enough():
    clip, _, apex, mitral = drawn(n=60)
    frames = clip.frames // np.arange(1, 61, dtype=np.uint8)[:, None, None]
    clip = Clip(frames, clip.times_s, clip.timing, clip.source)
    model = BrightIsCavity()
    resegment(clip, 30, apex, mitral, model)
    assert model.context.only == [2]
    assert model.context.times_s == pytest.approx(clip.times_s[[15, 25, 30, 35, 45]])
    seen = model.seen
    part, at = clip_around(clip, 30, OFFSETS)
    assert (len(part.frames), at) == (5, 2)
    resegment(part, at, apex, mitral, model)
    assert np.array_equal(model.seen, seen)
    assert clip_around(clip, 0, OFFSETS)[1] == 0


def test_two_stills_show_each_other():
    clip, _, apex, mitral = drawn(n=2)
    pair = Clip(
        np.stack([clip.frames[0], clip.frames[0] // 2]), np.array([0.0, 1.0]), "none (two stills)", "a + b"
    )
    model = BrightIsCavity()
    resegment(pair, 0, apex, mitral, model)
    assert model.context.other.shape == (1, 128, 128)
    assert model.context.other.max() < model.seen.max()


def test_the_installed_model_draws_the_phantom_from_three_clicks():
    made = sample_phantom()
    predictor = load_predictor(MeasureOptions(threads=1, precision="f32"))
    for frame in (made.representative.ed_frame, made.representative.es_frame):
        true = made.tracings[frame]
        found = resegment(made.clip, frame, true.apex.tolist(), true.mitral.tolist(), predictor)
        assert found.by_model
        size = made.clip.frames.shape[1:]
        drawn, known = (
            mask_of_contour(one, size) for one in (contour_of_control_points(found.points), true.contour)
        )
        assert 2 * (drawn & known).sum() / (drawn.sum() + known.sum()) > 0.85
