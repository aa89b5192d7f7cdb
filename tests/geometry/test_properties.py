"""Odd masks and odd curves: an answer that is finite, or a `GeometryError`, and nothing else."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lvef.core.errors import GeometryError
from lvef.core.records import VolumeCurve
from lvef.geometry.beats import analyse_beats
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import area_of_tracing, volume_of_tracing
from lvef.geometry.tracing import trace, trace_labels
from lvef.geometry.volume_tracing import tracing_of_volume_tracing, volume_tracing_of_tracing
from tests.geometry.ventricle_shapes import trace_probabilities

BOUNDED = settings(max_examples=60, deadline=None, derandomize=True)


def check(tracing, shape):
    for name in ("contour", "apex", "base", "mitral", "chords"):
        points = getattr(tracing, name)
        assert np.isfinite(points).all()
    assert tracing.contour.min() >= -0.51
    assert (tracing.contour.max(axis=0) <= np.array(shape[::-1]) - 0.49).all()
    assert tracing.chords.shape == (20, 2, 2)
    assert (tracing.chords[:, 0, 0] <= tracing.chords[:, 1, 0] + 1e-9).all()
    assert volume_of_tracing(tracing) > 0
    assert area_of_tracing(tracing) > 0
    back = tracing_of_volume_tracing(volume_tracing_of_tracing(tracing))
    assert np.isclose(volume_of_tracing(back), volume_of_tracing(tracing))


@BOUNDED
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.integers(0, 3)))
def test_random_labels(labels):
    try:
        tracing = trace_labels(np.kron(labels, np.ones((3, 3), np.uint8)))
    except GeometryError:
        return
    check(tracing, (3 * labels.shape[0], 3 * labels.shape[1]))


@BOUNDED
@given(
    st.integers(0, 2**32 - 1),
    st.integers(8, 60),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.sampled_from(["all", "atrium", "wall", "alone"]),
)
def test_random_smooth_fields(seed, size, aspect, known):
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((4, 6, 6)) * 3
    x = np.linspace(0, 5, size)
    weights = np.maximum(0, 1 - np.abs(x[:, None] - np.arange(6)))
    logits = np.einsum("yi,cij,xj->cyx", weights, coarse, weights)
    p = np.exp(logits - logits.max(axis=0))
    p = (p / p.sum(axis=0)).astype(np.float32)
    try:
        if known == "all":
            tracing = trace_probabilities(p, aspect=aspect)
        else:
            tracing = trace(
                p[1], p[3] if known == "atrium" else None, p[2] if known == "wall" else None, aspect=aspect
            )
    except GeometryError:
        return
    check(tracing, p.shape[1:])


@BOUNDED
@given(hnp.arrays(np.float64, (21, 2, 2), elements=st.floats(-50, 200) | st.just(float("nan"))))
def test_random_lines(lines):
    try:
        tracing = tracing_of_volume_tracing(lines)
    except GeometryError:
        return
    assert np.isfinite(volume_of_tracing(tracing))


@BOUNDED
@given(
    hnp.arrays(
        np.float64,
        st.integers(0, 120),
        elements=st.floats(0, 300)
        | st.just(float("nan"))
        | st.sampled_from([0.0, 1e-300, 1e300, np.inf, -5.0]),
    ),
    st.sampled_from([15.0, 50.0, 140.0]),
    st.lists(st.floats(0, 5), max_size=5),
)
def test_random_curves(volume, fps, r_waves):
    curve = VolumeCurve(np.arange(len(volume)) / fps, volume, np.ones(len(volume)), False)
    analysis = analyse_beats(curve, r_wave_times_s=r_waves)
    assert (analysis.representative is None) == bool(analysis.reason) == bool(analysis.reason_code)
    for beat in analysis.beats:
        assert 0 <= beat.ef_percent <= 100
        assert beat.ef_percent == ejection_fraction(beat.ed_volume, beat.es_volume)
        assert 0 <= beat.ed_frame < len(volume)
        assert 0 <= beat.es_frame < len(volume)
    if analysis.representative is not None:
        assert analysis.representative in analysis.beats
        assert analysis.representative.excluded == ""
        assert analysis.partial == (analysis.representative.end_frame is None)


@BOUNDED
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.5), st.floats(0, 0.6))
def test_curves_that_wander(seed, sd, missing):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 200))
    t = np.cumsum(rng.exponential(0.03, n))
    volume = np.abs(100 + np.cumsum(rng.standard_normal(n)) * 100 * sd)
    volume[rng.random(n) < missing] = np.nan
    analysis = analyse_beats(VolumeCurve(t, volume, np.ones(n), False))
    for beat in analysis.beats:
        assert np.isfinite(beat.ef_percent)
        assert np.isfinite([volume[beat.ed_frame], volume[beat.es_frame]]).all()
