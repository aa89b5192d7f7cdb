"""A correction that is carried over the cycle: closed forms, what stays, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.core.records import Beat, PixelAspect
from lvef.geometry.control_points import APEX, control_points_of_tracing, tracing_of_control_points
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import volume_curve_of_tracings
from lvef.measure.correction import Edit, corrected, edit_from_dict, edit_to_dict
from lvef.measure.options import MeasureOptions
from lvef.measure.propagation import LARGER_AT_ES, propagate, volume_phase
from tests.measure.made_up import beating, ellipse_tracing

OPTIONS = MeasureOptions()
CENTRE = (100.0, 90.0)
N = 41


def heart(shorten: float = 0.3, narrow: float = 0.0, spacing=None):
    """Two equal beats of 20 frames: an ellipse that gets shorter and narrower and is full again."""
    squeeze = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N) / 20)
    tracings = tuple(
        rebuilt(ellipse_tracing(CENTRE, (30 * (1 - narrow * s), 60 * (1 - shorten * s))))
        for s in squeeze.tolist()
    )
    machine, _ = beating(n=N, calibrated=False)
    curve = volume_curve_of_tracings(tracings, machine.curve.times_s, spacing)
    v = curve.volume
    beats = tuple(
        Beat(k, k + 10, k + 20, v[k], v[k + 10], ejection_fraction(v[k], v[k + 10]), 0.4) for k in (0, 20)
    )
    return replace(
        machine, curve=curve, tracings=tracings, beats=beats, ed_frame=0, es_frame=10, spacing=spacing
    )


def rebuilt(tracing):
    """A tracing that its control points describe exactly."""
    return tracing_of_control_points(control_points_of_tracing(tracing))


def scaled(machine, frame, factor):
    points = control_points_of_tracing(machine.tracings[frame])
    return (points - CENTRE) * factor + CENTRE


def test_scaling_both_contours_scales_all_volumes_alike():
    """The ellipse gets shorter only: its points move in proportion to its volume, so that the scaling is exact."""
    machine = heart()
    edit = Edit(ed_points=scaled(machine, 0, 1.1), es_points=scaled(machine, 10, 1.1), propagate=True)
    answer = corrected(machine, edit, OPTIONS)
    assert answer.curve.volume == pytest.approx(1.1**3 * machine.curve.volume, rel=2e-3)
    assert answer.curve.length == pytest.approx(1.1 * machine.curve.length, rel=2e-3)
    assert answer.ef_percent == pytest.approx(machine.beats[0].ef_percent, abs=0.1)
    assert [n.code for n in answer.notices[-2:]] == ["corrected_by_reader", "corrected_over_cycle"]


def test_scaling_a_heart_that_also_narrows_scales_its_volumes_within_a_hundredth():
    machine = heart(shorten=0.15, narrow=0.2)
    edit = Edit(ed_points=scaled(machine, 0, 1.1), es_points=scaled(machine, 10, 1.1), propagate=True)
    answer = corrected(machine, edit, OPTIONS)
    assert answer.curve.volume == pytest.approx(1.1**3 * machine.curve.volume, rel=0.01)


def test_a_shift_moves_every_contour_and_changes_no_volume():
    machine = heart(narrow=0.2)
    shift = np.array([4.0, -3.0])
    edit = Edit(
        ed_points=scaled(machine, 0, 1) + shift, es_points=scaled(machine, 10, 1) + shift, propagate=True
    )
    answer = corrected(machine, edit, OPTIONS)
    assert answer.curve.volume == pytest.approx(machine.curve.volume, rel=1e-3)
    for before, after in zip(machine.tracings, answer.tracings, strict=True):
        assert after.apex == pytest.approx(before.apex + shift)
        assert after.mitral == pytest.approx(before.mitral + shift)


def test_the_same_points_change_nothing():
    machine = heart(narrow=0.2)
    edit = Edit(ed_points=scaled(machine, 0, 1), es_points=scaled(machine, 10, 1), propagate=True)
    answer = corrected(machine, edit, OPTIONS)
    assert answer.curve.volume == pytest.approx(machine.curve.volume, rel=1e-3)
    assert all(
        new is old
        for frame, (new, old) in enumerate(zip(answer.tracings, machine.tracings, strict=True))
        if frame not in (0, 10)
    )


def test_ed_and_es_are_the_readers_and_the_rest_lies_between():
    machine = heart()
    drawn = scaled(machine, 10, 0.8)
    answer = corrected(machine, Edit(es_points=drawn, propagate=True), OPTIONS)
    assert answer.tracings[0] is machine.tracings[0]
    assert control_points_of_tracing(answer.tracings[10])[[0, APEX, -1]] == pytest.approx(
        drawn[[0, APEX, -1]]
    )
    alone = corrected(machine, Edit(es_points=drawn), OPTIONS)
    assert answer.ef_percent == alone.ef_percent == answer.beats[0].ef_percent
    assert answer.curve.volume[[0, 10]] == pytest.approx(
        [answer.beats[0].ed_volume, answer.beats[0].es_volume]
    )
    # The factor of a frame runs from 1 at ED to .8 at ES.
    phase = volume_phase(machine.curve.volume, 0, 10, "a")
    factor = np.cbrt(answer.curve.volume / machine.curve.volume)
    assert (np.diff(factor[:11]) < 0).all()
    assert factor[phase == 0] == pytest.approx(1)


def test_other_beats_keep_their_frames_and_agree_with_the_new_curve():
    machine = heart()
    answer = corrected(machine, Edit(es_points=scaled(machine, 10, 0.8), propagate=True), OPTIONS)
    first, other = answer.beats
    assert (other.ed_frame, other.es_frame, other.end_frame) == (20, 30, 40)
    assert other.ed_volume == answer.curve.volume[20]
    assert other.es_volume == answer.curve.volume[30]
    assert other.ef_percent == pytest.approx(ejection_fraction(other.ed_volume, other.es_volume))
    assert other.ef_percent == pytest.approx(first.ef_percent, abs=0.1)
    assert other.counts


def test_a_beat_that_is_larger_at_es_no_longer_counts():
    machine = heart()
    weak = replace(machine.beats[1], ed_frame=22, es_frame=23)
    machine = replace(machine, beats=(machine.beats[0], weak))
    answer = corrected(
        machine,
        Edit(ed_points=scaled(machine, 0, 0.99), es_points=scaled(machine, 10, 0.9), propagate=True),
        OPTIONS,
    )
    assert not answer.beats[1].excluded
    # A reader who finds the heart almost still, and a beat over the filling.
    weak = replace(weak, ed_frame=33, es_frame=36)
    answer = corrected(
        replace(machine, beats=(machine.beats[0], weak)),
        Edit(es_points=scaled(machine, 10, 0.9), propagate=True),
        OPTIONS,
    )
    assert answer.beats[1].excluded == LARGER_AT_ES
    assert answer.beats[1].ef_percent < 0


def test_frames_without_a_contour_stay_without():
    machine = heart()
    volume, tracings = machine.curve.volume.copy(), list(machine.tracings)
    volume[5], tracings[5] = np.nan, None
    machine = replace(machine, curve=replace(machine.curve, volume=volume), tracings=tuple(tracings))
    answer = corrected(machine, Edit(es_points=scaled(machine, 10, 0.9), propagate=True), OPTIONS)
    assert answer.tracings[5] is None
    assert np.isnan(answer.curve.volume[5])


def test_pixels_that_are_not_square():
    flat = PixelAspect(0.5, "test")
    machine = heart(spacing=flat)
    edit = Edit(ed_points=scaled(machine, 0, 1.1), es_points=scaled(machine, 10, 1.1), propagate=True)
    answer = corrected(machine, edit, OPTIONS)
    assert answer.curve.volume[5] == pytest.approx(volume_of_tracing(answer.tracings[5], flat))
    assert answer.curve.volume == pytest.approx(1.1**3 * machine.curve.volume, rel=5e-3)


def test_a_contour_that_would_cross_itself_moves_less():
    machine = heart()
    points = control_points_of_tracing(machine.tracings[0])
    swapped = points.copy()
    swapped[[0, -1], 0] = points[[-1, 0], 0]
    carried = propagate(machine, {0: swapped, 10: None}, machine.tracings)
    assert carried.reduced > 0
    assert all(tracing is not None for tracing in carried.tracings)
    assert f"On {carried.reduced} frames by less" in carried.notice.text


def test_nothing_is_carried_where_no_contour_was_drawn():
    machine = heart()
    answer = corrected(machine, Edit(ed_frame=1, propagate=True), OPTIONS)
    assert answer.curve is machine.curve
    assert "corrected_over_cycle" not in [n.code for n in answer.notices]
    assert Edit(propagate=True).empty


def test_what_cannot_be_carried_is_refused_with_the_remedy():
    machine = heart()
    points = scaled(machine, 10, 1)
    small = points.mean(axis=0) + 0.5 * (points - points.mean(axis=0))
    with pytest.raises(GeometryError, match="not smaller at ES"):
        corrected(machine, Edit(ed_frame=8, es_frame=2, es_points=small, propagate=True), OPTIONS)
    volume, tracings = machine.curve.volume.copy(), list(machine.tracings)
    volume[10], tracings[10] = np.nan, None
    untraced = replace(machine, curve=replace(machine.curve, volume=volume), tracings=tuple(tracings))
    with pytest.raises(GeometryError, match="traced no ventricle on frame 10"):
        corrected(untraced, Edit(es_points=points, propagate=True), OPTIONS)
    saved = replace(
        machine, tracings=tuple(t if f in (0, 10) else None for f, t in enumerate(machine.tracings))
    )
    with pytest.raises(GeometryError, match="measure the clip again"):
        corrected(saved, Edit(es_points=points, propagate=True), OPTIONS)


def test_the_flag_on_disk():
    assert edit_to_dict(Edit(propagate=True))["propagate"] is True
    assert edit_from_dict({"schema": "lvef-correction/1", "propagate": True}).propagate
    assert not edit_from_dict({"schema": "lvef-correction/1"}).propagate
