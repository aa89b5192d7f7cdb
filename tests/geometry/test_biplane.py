from dataclasses import replace

import numpy as np
import pytest

from lvef.core.records import PixelSpacing
from lvef.geometry.simpson import biplane_ef
from tests.geometry.test_simpson import ellipsoid_chords, rectangle

MM = PixelSpacing(1.0, 1.0, "test")


def ellipsoid(a, b):
    """Tracing of an ellipse with half axes a (long) and b, apex at the top."""
    tracing = rectangle(2 * b, 2 * a)
    half = ellipsoid_chords(a, b) / 2
    chords = tracing.chords.copy()
    chords[:, 0, 0], chords[:, 1, 0] = b - half, b + half
    return replace(tracing, chords=chords)


def scaled(tracing, factor):
    return replace(
        tracing, **{n: getattr(tracing, n) * factor for n in ("contour", "apex", "base", "mitral", "chords")}
    )


ED4, ES4 = ellipsoid(45, 22), ellipsoid(38, 16)
ED2, ES2 = ellipsoid(45, 28), ellipsoid(38, 19)
TRUTH = 100 * (1 - 38 * 16 * 19 / (45 * 22 * 28))


def test_both_calibrated():
    result = biplane_ef(ED4, ES4, ED2, ES2, a4c_spacing=MM, a2c_spacing=MM)
    assert result.ef_percent == pytest.approx(TRUTH, abs=0.05)
    assert result.edv_ml == pytest.approx(4 / 3 * np.pi * 45 * 22 * 28 / 1000, rel=2e-3)
    assert result.esv_ml == pytest.approx(4 / 3 * np.pi * 38 * 16 * 19 / 1000, rel=2e-3)
    assert result.axis == "longer"
    assert result.notices == ()


@pytest.mark.parametrize("k", [0.1, 1.0, 7.3])
def test_the_scale_of_the_a2c_cancels(k):
    result = biplane_ef(ED4, ES4, scaled(ED2, k), scaled(ES2, k), a4c_spacing=MM)
    assert result.ef_percent == pytest.approx(TRUTH, abs=0.05)
    assert result.axis == "a4c"
    assert result.edv_ml is None
    assert result.esv_ml is None
    assert [n.code for n in result.notices] == ["axes_not_compared"]


def test_an_a2c_foreshortened_at_es_does_not_change_the_ef():
    # the axis is cut short in one phase, the diameters stay: scaling each phase to the A4C axis would fail
    # here
    short = ellipsoid(38, 19)
    short = replace(short, apex=np.array([19.0, 12.0]))
    result = biplane_ef(ED4, ES4, ED2, short, a4c_spacing=MM)
    assert result.ef_percent == pytest.approx(TRUTH, abs=0.05)


def test_the_longer_axis_counts():
    long = biplane_ef(ED4, ES4, ellipsoid(60, 28), ES2, a4c_spacing=MM, a2c_spacing=MM)
    assert long.edv_ml == pytest.approx(4 / 3 * np.pi * 60 * 22 * 28 / 1000, rel=2e-3)
    assert [n.code for n in long.notices] == ["axes_differ"]
    assert "ED" in long.notices[0].text


def test_notices_start_above_ten_percent():
    def codes(length, cycle):
        return [
            n.code
            for n in biplane_ef(
                ED4, ES4, ellipsoid(length, 28), ES2,
                a4c_spacing=MM, a2c_spacing=MM, a4c_cycle_s=1.0, a2c_cycle_s=cycle,
            ).notices
        ]  # fmt: skip

    assert codes(45 / 0.91, 0.91) == []
    assert codes(45 / 0.89, 0.91) == ["axes_differ"]
    assert codes(45, 0.89) == ["cycles_differ"]
