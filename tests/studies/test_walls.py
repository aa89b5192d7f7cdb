"""Walls of a drawn heart of known grey levels and sizes."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.terms import Phase
from studies.appearance.measures import LabelledImage
from studies.walls import PATIENTS, measure_pair, profiles_png, table
from tests.studies.appearance.hearts import RADIUS_MM, WALL_MM, labels

pytestmark = pytest.mark.slow

MM = 0.75
BLOOD, WALL, LATERAL = 50, 130, 70


def heart(squeeze: float) -> LabelledImage:
    """A round ventricle in a lit square: the wall on the right is nearly as dark as the blood."""
    found = labels(160, MM, squeeze)
    grey = np.choose(found, [90, BLOOD, WALL, BLOOD])
    grey = np.where((found == 2) & (np.arange(160) > 79), LATERAL, grey)
    return LabelledImage(grey.astype(np.uint8), found, MM)


@pytest.fixture(scope="module")
def measured():
    return measure_pair({Phase.ED: heart(1.0), Phase.ES: heart(0.8)})


def test_contrast_is_that_of_the_wall_against_the_blood(measured):
    values, profiles = measured
    for phase in Phase:
        assert values[f"bright wall less blood, {phase}"] == WALL - BLOOD
        assert values[f"contrast septal / bright, {phase}"] == pytest.approx(1, abs=0.02)
        assert values[f"deep contrast lateral / bright, {phase}"] == pytest.approx(0.25, abs=0.02)
        assert values[f"dark normals septal %, {phase}"] == 0
        assert values[f"dark normals lateral %, {phase}"] > 90
        assert values[f"step septal at mm, {phase}"] == pytest.approx(0, abs=0.4)
        curve = profiles["septal", phase]
        assert curve[0] == pytest.approx(0, abs=0.02)
        assert curve[-1] == pytest.approx(1, abs=0.02)


def test_sizes_are_those_that_were_drawn(measured):
    values, _ = measured
    small = 0.8 * RADIUS_MM
    assert values["ES / ED cavity area"] == pytest.approx(0.8**2, rel=0.02)
    whole = (small + WALL_MM) ** 2 / (RADIUS_MM + WALL_MM) ** 2
    assert values["ES / ED cavity and wall area"] == pytest.approx(whole, rel=0.04)
    ring = ((small + WALL_MM) ** 2 - small**2) / ((RADIUS_MM + WALL_MM) ** 2 - RADIUS_MM**2)
    assert values["ES / ED wall area"] == pytest.approx(ring, rel=0.04)
    for side in ("septal", "lateral", "apical"):
        assert values[f"thickness {side} mm, ED"] == pytest.approx(WALL_MM, abs=0.4)
        assert values[f"ES / ED {side}"] == pytest.approx(1, abs=0.04)
    assert values["EF %"] == pytest.approx(100 * (1 - 0.8**3), abs=2)


def test_a_mean_outside_of_the_patients_is_marked():
    real = [{"x": float(v)} for v in range(101)]
    heads, rows = table({PATIENTS: real, "a": [{"x": 50.0}], "b": [{"x": 90.0}], "c": [{"x": 99.0}, {}]})
    assert heads[1:] == ["patients (n = 101)", "5-95 %", "a (n = 1)", "b (n = 1)", "c (n = 2)"]
    [line] = rows
    assert line[:3] == ["x", "50 (median 50)", "5 to 95"]
    assert [cell.split(")")[-1].strip() for cell in line[3:]] == ["", "shifted", "**OUT**"]


def test_the_figure_is_an_image(measured):
    assert profiles_png({PATIENTS: [measured[1]], "phantoms": [measured[1], {}]}).startswith(b"\x89PNG")
