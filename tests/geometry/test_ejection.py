import pytest

from lvef.core.errors import GeometryError
from lvef.geometry.ejection import (
    body_surface_area,
    cardiac_output,
    ejection_fraction,
    indexed_values,
    stroke_volume,
)


def test_ef_is_percent_once():
    assert ejection_fraction(100, 45) == pytest.approx(55)
    assert ejection_fraction(80, 100) == pytest.approx(-25)  # shown, not hidden
    assert ejection_fraction(7, 0) == 100


@pytest.mark.parametrize(("edv", "esv"), [(0, 0), (-1, 0), (100, -1), (float("nan"), 1), (1, float("inf"))])
def test_no_ef(edv, esv):
    with pytest.raises(GeometryError):
        ejection_fraction(edv, esv)


def test_output_and_surface():
    assert stroke_volume(120, 50) == 70
    assert cardiac_output(70, 60) == pytest.approx(4.2)
    assert body_surface_area(170, 70) == pytest.approx(1.810, abs=0.001)
    assert body_surface_area(110, 18) == pytest.approx(0.741, abs=0.002)
    for bad in ((1.7, 70), (170, 70000), (float("nan"), 70)):
        with pytest.raises(GeometryError, match="outside"):
            body_surface_area(*bad)
    with pytest.raises(GeometryError):
        cardiac_output(70, 0)


def test_indexed():
    values = indexed_values(2.0, edv_ml=120, esv_ml=50, cardiac_output_l_min=5)
    assert values == {
        "edv_index_ml_m2": 60,
        "esv_index_ml_m2": 25,
        "stroke_volume_index_ml_m2": 35,
        "cardiac_index_l_min_m2": 2.5,
    }
    assert indexed_values(2.0) == {}
    with pytest.raises(GeometryError):
        indexed_values(0.0, edv_ml=1)
