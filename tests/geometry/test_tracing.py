import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.core.records import PixelSpacing
from lvef.geometry.contour import field_of_mask
from lvef.geometry.simpson import (
    area_length,
    area_of_tracing,
    axis_length,
    chord_lengths,
    disks_single_plane,
    volume_of_tracing,
)
from lvef.geometry.tracing import (
    N_DISKS,
    trace,
    trace_labels,
    tracing_of_contour,
    volume_curve_of_tracings,
)
from tests.geometry.ventricle_shapes import half_ellipsoid, labels, trace_probabilities, true_volume


def test_volume_of_a_half_ellipsoid():
    for edge, tolerance in ((0.3, 0.01), (1.0, 0.01)):
        tracing = trace_probabilities(half_ellipsoid(edge=edge, turn=0.3))
        assert volume_of_tracing(tracing) == pytest.approx(true_volume(50, 16), rel=tolerance)


def test_volume_of_a_rasterised_ellipse():
    # a whole ellipsoid whose atrium touches only the very base
    y, x = np.mgrid[:160, :128]
    label = (((x - 64.2) / 24) ** 2 + ((y - 70.4) / 50) ** 2 <= 1).astype(np.uint8)
    label[(y > 119.5) & (np.abs(x - 64) < 9) & (label == 0)] = 3
    label[(label == 0) & (((x - 64.2) / 30) ** 2 + ((y - 70.4) / 56) ** 2 <= 1)] = 2
    tracing = trace_labels(label)
    assert volume_of_tracing(tracing) == pytest.approx(4 / 3 * np.pi * 24**2 * 50, rel=0.01)
    assert area_length(area_of_tracing(tracing), axis_length(tracing)) == pytest.approx(
        4 / 3 * np.pi * 24**2 * 50, rel=0.025
    )


def test_a_rectangle_is_a_cylinder():
    label = np.zeros((120, 100), np.uint8)
    label[15:100, 22:68] = 2
    label[20:100, 30:60] = 1
    label[100:115, 30:60] = 3
    tracing = trace_labels(label)
    assert axis_length(tracing) == pytest.approx(80, rel=0.025)  # the apex is a corner of the blunt end
    assert np.median(chord_lengths(tracing)) == pytest.approx(30, rel=0.025)


def test_landmarks():
    tracing = trace_labels(labels())
    assert tracing.apex == pytest.approx([64, 34], abs=1.0)
    assert tracing.base == pytest.approx([64, 84.5], abs=1.0)
    assert tracing.mitral[0] == pytest.approx([48, 84.5], abs=1.6)
    assert tracing.mitral[1] == pytest.approx([80, 84.5], abs=1.6)
    assert tracing.base == pytest.approx(tracing.mitral.mean(axis=0))


def test_chords_lie_where_they_should():
    tracing = trace_probabilities(half_ellipsoid(turn=0.5, centre=(50, 84)))
    axis = tracing.base - tracing.apex
    length = np.hypot(*axis)
    assert tracing.chords.shape == (N_DISKS, 2, 2)
    for end in (0, 1):
        along = (tracing.chords[:, end] - tracing.apex) @ axis / length
        assert along == pytest.approx((np.arange(20) + 0.5) * length / 20)
    assert (tracing.chords[:, 0, 0] < tracing.chords[:, 1, 0]).all()
    offset = 0.5 * length / 20 * np.arange(1, 40, 2) / length
    expected = 2 * 16 * np.sqrt(1 - (1 - offset) ** 2)
    assert chord_lengths(tracing)[2:] == pytest.approx(expected[2:], rel=0.03)


@pytest.mark.parametrize("flip", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("known", ["all", "atrium", "wall", "alone"])
def test_orientation_comes_from_the_masks(flip, known):
    fields = half_ellipsoid(size=(128, 140), turn=0.3)
    fields = np.flip(fields, [axis + 1 for axis in flip]).copy() if flip else fields
    tracing = trace(
        fields[1],
        fields[3] if known in ("all", "atrium") else None,
        fields[2] if known in ("all", "wall") else None,
    )
    expected = np.array([64.0 + 50 * np.sin(0.3), 84 - 50 * np.cos(0.3)])
    expected = np.where([1 in flip, 0 in flip], np.array([139, 127]) - expected, expected)
    assert np.hypot(*(tracing.apex - expected)) < 3
    assert volume_of_tracing(tracing) == pytest.approx(true_volume(50, 16), rel=0.03)
    assert (tracing.chords[:, 0, 0] < tracing.chords[:, 1, 0]).all()


def test_ventricle_lying_on_its_side():
    for turn in (np.pi / 2, -np.pi / 2, 2.4):
        centre = (64 - 25 * np.sin(turn), 64 + 25 * np.cos(turn))
        tracing = trace_probabilities(half_ellipsoid(turn=turn, centre=centre))
        assert volume_of_tracing(tracing) == pytest.approx(true_volume(50, 16), rel=0.015)


def test_nothing_tells_the_base_so_the_apex_is_up():
    y, x = np.mgrid[:128, :128]
    tracing = trace_labels((((x - 64) / 18) ** 2 + ((y - 64) / 45) ** 2 <= 1).astype(np.uint8))
    assert tracing.apex[1] < tracing.base[1]


def test_ef_is_unchanged_by_flips_turns_and_scale():
    def ef(**kwargs):
        ed = trace_probabilities(half_ellipsoid(**kwargs))
        scale = kwargs.get("length", 50) / 50
        kwargs |= {"length": 42 * scale, "radius": 11 * scale}
        es = trace_probabilities(half_ellipsoid(**kwargs))
        return 100 * (1 - volume_of_tracing(es) / volume_of_tracing(ed))

    truth = 100 * (1 - 42 * 11**2 / (50 * 16**2))
    for kwargs in (
        {},
        {"turn": 0.6},
        {"turn": np.pi, "centre": (64, 40)},
        {"length": 75, "radius": 24, "centre": (64, 100)},
    ):
        assert ef(**kwargs) == pytest.approx(truth, abs=0.4)


def test_anisotropic_pixels():
    fields = half_ellipsoid(size=(200, 128), length=50, radius=16, centre=(64, 84), turn=0.4)
    squeezed = np.stack(
        [f[::2] for f in half_ellipsoid(size=(200, 128), turn=0.4)]
    )  # pixels twice as high as wide
    isotropic = trace_probabilities(fields)
    tall = trace_probabilities(squeezed, aspect=2.0)
    spacing = PixelSpacing(0.5, 1.0, "test")
    assert volume_of_tracing(tall, spacing) == pytest.approx(
        volume_of_tracing(isotropic, PixelSpacing(0.5, 0.5, "test")), rel=0.01
    )
    across = (tall.chords[:, 1] - tall.chords[:, 0]) * [0.5, 1.0]
    axis = (tall.base - tall.apex) * [0.5, 1.0]
    assert across @ axis == pytest.approx(np.zeros(20), abs=1e-6)  # at right angles in millimetres
    assert trace_probabilities(squeezed).chords[10] != pytest.approx(tall.chords[10], abs=0.1)


def test_labels_and_probabilities_are_one_code_path():
    label = labels()
    parts = [field_of_mask(label == i) for i in range(4)]
    assert trace_labels(label).chords == pytest.approx(trace_probabilities(np.stack(parts)).chords)


def test_volume_does_not_jitter_when_the_ventricle_moves_by_fractions_of_a_pixel():
    rng = np.random.default_rng(0)
    volumes = [
        volume_of_tracing(trace_probabilities(half_ellipsoid(centre=(64 + dx, 84 + dy), turn=0.2)))
        for dx, dy in rng.uniform(-1, 1, (40, 2))
    ]
    assert np.std(volumes) / np.mean(volumes) < 0.004
    masks = [
        volume_of_tracing(trace_labels(labels(centre=(64 + dx, 84 + dy), turn=0.2)))
        for dx, dy in rng.uniform(-1, 1, (40, 2))
    ]
    assert np.std(masks) / np.mean(masks) < 0.012
    assert np.mean(masks) == pytest.approx(true_volume(50, 16), rel=0.015)


def test_volume_follows_a_slow_growth():
    lengths = np.linspace(46, 50, 41)
    volumes = [
        volume_of_tracing(trace_probabilities(half_ellipsoid(length=a, radius=0.3 * a, centre=(64.3, 84.2))))
        for a in lengths
    ]
    ratio = np.array(volumes) / (2 / 3 * np.pi * 0.09 * lengths**3)
    assert ratio.std() < 0.002
    assert (np.diff(volumes) > 0).all()


def test_a_narrow_atrium_does_not_move_the_hinge_points():
    label = labels()
    narrow = label.copy()
    narrow[:, :56][label[:, :56] == 3] = 0
    narrow[:, 73:][label[:, 73:] == 3] = 0
    wide, slim = trace_labels(label), trace_labels(narrow)
    assert np.hypot(*(wide.base - slim.base)) < 1.0
    assert np.hypot(*(wide.mitral - slim.mitral).T).max() < 2.5


def test_concave_contour_gets_the_full_width():
    # a kidney: the wall bulges into the cavity between two lobes, the chord spans both
    contour = np.array([[0, 0], [10, 0], [10, 40], [7, 40], [5, 12], [3, 40], [0, 40]], dtype=float)
    tracing = tracing_of_contour(contour, np.array([5.0, 0.0]), np.array([[0.0, 40.0], [10.0, 40.0]]))
    assert chord_lengths(tracing) == pytest.approx(np.full(20, 10.0))
    assert disks_single_plane(chord_lengths(tracing), axis_length(tracing)) == pytest.approx(np.pi * 25 * 40)


def test_swapped_hinges_change_nothing():
    tracing = trace_probabilities(half_ellipsoid())
    again = tracing_of_contour(tracing.contour[::-1], tracing.apex, tracing.mitral[::-1])
    assert again.chords == pytest.approx(tracing.chords)
    assert again.mitral == pytest.approx(tracing.mitral)


def test_refusals_say_why():
    empty = np.zeros((4, 64, 64), np.float32)
    with pytest.raises(GeometryError, match="nowhere exceeds"):
        trace_probabilities(empty)
    one = np.zeros((64, 64), np.uint8)
    one[30, 30] = 1
    with pytest.raises(GeometryError, match="No ventricle"):
        trace_labels(one)
    with pytest.raises(GeometryError, match="aspect"):
        trace_probabilities(half_ellipsoid(), aspect=0.0)
    with pytest.raises(GeometryError, match="axis"):
        tracing_of_contour(np.eye(3, 2), np.zeros(2), np.zeros((2, 2)))


def test_curve_of_tracings():
    tracings = [trace_probabilities(half_ellipsoid(length=a)) for a in (50, 40)]
    spacing = PixelSpacing(0.8, 0.8, "test")
    curve = volume_curve_of_tracings([tracings[0], None, tracings[1]], np.array([0, 0.1, 0.2]), spacing)
    assert curve.calibrated
    assert np.isnan(curve.volume[1])
    assert np.isnan(curve.length[1])
    assert curve.volume[0] == pytest.approx(true_volume(50, 16) * 0.8**3 / 1000, rel=0.015)
    assert curve.length[2] == pytest.approx(40 * 0.8, rel=0.02)
    bare = volume_curve_of_tracings([tracings[0]], np.zeros(1), None)
    assert not bare.calibrated
    assert bare.volume[0] == pytest.approx(true_volume(50, 16), rel=0.015)
