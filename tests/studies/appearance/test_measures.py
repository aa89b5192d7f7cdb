"""All measures of an image: their names, known grey levels, images with nothing on them, clips that stand still."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.terms import Structure
from studies.appearance.measures import (
    GROUPS,
    LabelledImage,
    far_less_near,
    frame_correlation,
    group_of,
    measure_image,
    resample,
    sector_region,
    structure_regions,
    to_square,
)
from tests.studies.appearance.hearts import cine, grain, labels, stepped

pytestmark = pytest.mark.slow


def heart(size=160, mm=1.0):
    masks = labels(size, mm)
    grey = np.choose(masks, [80, 56, 97, 91]).astype(np.uint8)
    return LabelledImage(grey, masks, mm)


def test_known_grey_levels():
    found = measure_image(heart())
    for name, level in (("cavity", 56), ("myocardium", 97), ("atrium", 91)):
        for what in ("mean", "p5", "p50", "p95"):
            assert found[f"{name} {what}"] == level
        assert found[f"{name} local deviation"] == pytest.approx(0, abs=1e-3)
    assert found["myocardium less cavity"] == 41
    assert found["atrium less cavity"] == 35
    assert found["septal step"] == pytest.approx(41, abs=3)
    assert found["cavity black %"] == 0


def test_quantiles_are_numpys():
    image = heart()
    grey = np.random.default_rng(1).integers(0, 256, image.grey.shape).astype(np.uint8)
    found = measure_image(LabelledImage(grey, image.labels, 1.0))
    inside = grey[structure_regions(image)[Structure.LV]]
    for q in (5, 25, 50, 75, 95):
        assert found[f"cavity p{q}"] == np.percentile(inside, q)
    assert found["cavity black %"] == pytest.approx(100 * np.mean(inside <= 4))


def test_every_measure_has_a_group_and_every_group_a_measure():
    synthetic = cine("clip", np.random.default_rng(2))
    names = [*measure_image(heart()), *frame_correlation(synthetic.clip.frames, synthetic.labels, 1.5)]
    assert {group_of(name) for name in names} == set(GROUPS)
    with pytest.raises(KeyError):
        group_of("colour")


@pytest.mark.parametrize(
    ("grey", "masks"),
    [(0, 0), (90, 0), (255, 1), (0, 2), (90, 3)],
    ids=["nothing", "grey alone", "all cavity", "all wall, black", "all atrium"],
)
def test_odd_images_have_every_measure_and_no_error(grey, masks):
    image = LabelledImage(np.full((112, 112), grey, np.uint8), np.full((112, 112), masks, np.uint8), 1.6)
    found = measure_image(image)
    assert list(found) == list(measure_image(heart()))
    assert np.isnan(found["septal step"])
    assert all(np.isfinite(v) or np.isnan(v) for v in found.values())


def test_a_single_pixel():
    one = np.ones((1, 1), np.uint8)
    assert np.isnan(measure_image(LabelledImage(one, one, 1.0))["cavity mean"])


def test_a_step_too_small_has_no_width():
    found = measure_image(stepped(160, 1.0, 4, 3))
    assert found["lateral step"] == pytest.approx(4, abs=1.5)
    assert np.isnan(found["lateral step width mm"])


@pytest.mark.parametrize("shape", [(196, 237), (300, 120), (112, 112), (50, 80)])
def test_to_square_pads_and_keeps_millimetres(shape):
    image = LabelledImage(np.full(shape, 90, np.uint8), np.ones(shape, np.uint8), 0.769)
    square = to_square(image)
    assert square.grey.shape == square.labels.shape == (112, 112)
    assert square.spacing_mm == pytest.approx(0.769 * max(shape) / 112, rel=0.02)
    rows, columns = np.nonzero(square.labels)
    lit = np.array([np.ptp(rows) + 1, np.ptp(columns) + 1]) * square.spacing_mm
    np.testing.assert_allclose(lit, np.array(shape) * 0.769, rtol=0.03)
    assert set(np.unique(square.grey)) <= {0, 90}


def test_a_square_of_that_size_stays_as_it_is():
    image = LabelledImage(
        np.random.default_rng(3).integers(0, 256, (112, 112)).astype(np.uint8), labels(112, 1.5), 1.5
    )
    square = to_square(image)
    np.testing.assert_array_equal(square.grey, image.grey)
    np.testing.assert_array_equal(square.labels, image.labels)
    assert square.spacing_mm == 1.5


@pytest.mark.parametrize("target", [0.5, 1.0, 2.0])
def test_resampling_keeps_grey_levels_and_areas(target):
    image = heart()
    found = resample(image, target)
    assert found.spacing_mm == target
    for structure in (Structure.LV, Structure.MYOCARDIUM):
        area = (found.labels == structure).sum() * target**2
        assert area == pytest.approx((image.labels == structure).sum(), rel=0.03)
    assert measure_image(found)["cavity mean"] == 56


def test_the_fan_is_what_is_lit_without_specks():
    grey = np.zeros((100, 100), np.uint8)
    grey[20:80, 30:70] = 100
    grey[40:50, 40:50] = 0
    grey[5, 5] = 255
    found = sector_region(LabelledImage(grey, np.zeros_like(grey), 1.0))
    # Three millimetres of border are left out: two whole pixels and a half, so three.
    assert found.sum() == (60 - 6) * (40 - 6)
    assert found[45, 45]


def test_gain_over_depth():
    sector = np.zeros((90, 50), bool)
    sector[:, 10:40] = True
    grey = np.repeat(np.repeat([40, 60, 100], 30)[:, None], 50, axis=1).astype(np.uint8)
    assert far_less_near(grey, sector) == 60
    assert np.isnan(far_less_near(grey, np.zeros_like(sector)))


def test_frames_that_stand_still_correlate_fully_and_fresh_grain_not_at_all():
    rng = np.random.default_rng(4)
    masks = np.stack([labels(112, 1.0)] * 6)
    fresh = np.stack([grain((112, 112), (0.8, 0.8), rng) for _ in range(6)])
    held = fresh[:1].repeat(6, axis=0)
    as_frames = lambda values: np.clip(100 + 15 * values, 0, 255).astype(np.uint8)  # noqa: E731
    for values, expected, within in ((held, 1.0, 1e-6), (fresh, 0.0, 0.08)):
        found = frame_correlation(as_frames(values), masks, 1.0)
        assert list(found) == ["cavity frame correlation", "myocardium frame correlation"]
        assert list(found.values()) == pytest.approx([expected] * 2, abs=within)


@pytest.mark.parametrize("rho", [0.3, 0.7])
def test_a_first_order_process_has_its_own_correlation(rho):
    rng = np.random.default_rng(5)
    frames = [grain((112, 112), (0.8, 0.8), rng)]
    for _ in range(11):
        frames.append(rho * frames[-1] + np.sqrt(1 - rho**2) * grain((112, 112), (0.8, 0.8), rng))
    grey = np.clip(np.round(100 + 15 * np.stack(frames)), 0, 255).astype(np.uint8)
    found = frame_correlation(grey, np.stack([labels(112, 1.0)] * 12), 1.0)
    assert list(found.values()) == pytest.approx([rho] * 2, abs=0.05)


def test_a_still_has_no_frame_correlation():
    synthetic = cine("clip", np.random.default_rng(6))
    found = frame_correlation(synthetic.clip.frames[:1], synthetic.labels[:1], 1.5)
    assert np.isnan(list(found.values())).all()
