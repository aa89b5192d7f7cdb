"""Matching of beats against beats whose times are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lvef.evaluation.synthetic.results import FoundBeat, beat_at, compare_beats, is_at_edge, match, plateau
from lvef.evaluation.synthetic.truth import TrueCurve
from lvef.synthesis.truth import TrueBeat, beats_in_clip
from lvef.synthesis.volume_curves import (
    ISOVOLUMETRIC_CONTRACTION_S,
    ISOVOLUMETRIC_RELAXATION_S,
    regular,
    volume_at,
)

RATE = 200.0


def truth(start_s: float = 0.5, seconds: float = 3.8, rate: float = RATE, bpm: float = 60):
    """True beats and the curve of a regular heart; the cycle begins 0.0225 s before its ED."""
    rhythm = regular(8, bpm, 60)
    times = np.arange(round(seconds * rate) + 1) / rate
    volume = volume_at(rhythm, times + start_s)
    curve = TrueCurve(times, volume, 0.8 * volume)
    return beats_in_clip(rhythm, start_s, times, curve.plane_volume_ml), curve


def found(beat: TrueBeat, ed: float = 0.0, es: float = 0.0, end: float = 0.0) -> FoundBeat:
    return FoundBeat(beat.ed_time_s + ed, beat.es_time_s + es, beat.end_time_s + end, 55.0)


def became(true, beats, curve):
    return [record.became for record in compare_beats("clip", true, beats, curve)]


def test_the_same_beats_match():
    true, curve = truth()
    assert len(true) == 3
    records = compare_beats("clip", true, [found(b, 0.02, -0.01) for b in reversed(true)], curve)
    assert [r.became for r in records] == ["matched"] * 3
    for record, beat in zip(records, true, strict=True):
        assert record.true_es_s == beat.es_time_s
        assert record.ed_error_ms == pytest.approx(20)
        assert record.es_error_ms == pytest.approx(-10)
        assert (record.ef_percent, record.ef_space_percent) == (55.0, pytest.approx(60))


def test_a_missed_and_an_invented_one():
    true, curve = truth()
    # A beat in the middle of filling: no true end-systole is near.
    made = FoundBeat(true[1].es_time_s + 0.1, true[1].es_time_s + 0.3, true[1].end_time_s, 20.0)
    assert became(true, [found(true[0]), found(true[2])], curve) == ["matched", "missed", "matched"]
    assert became(true, [found(b) for b in true] + [made], curve).count("invented") == 1


def test_two_beats_taken_for_one():
    true, curve = truth()
    long = FoundBeat(true[0].ed_time_s, true[0].es_time_s, true[1].end_time_s, 60.0)
    assert sorted(became(true, [long, found(true[2])], curve)) == ["matched", "merged", "missed", "missed"]


def test_a_short_beat_swallowed_by_a_long_one():
    true, curve = truth()
    first = replace(true[0], ed_time_s=0.3, es_time_s=0.4, end_time_s=true[1].ed_time_s)
    # The second beat fills more than half of what was found, and its end-systole is right.
    long = FoundBeat(0.6, true[1].es_time_s, true[1].end_time_s, 60.0)
    assert became([first, true[1]], [replace(long, ed_s=0.35)], curve) == ["missed", "merged", "missed"]
    assert became([first, true[1]], [long], curve) == ["missed", "matched"]


@pytest.mark.parametrize(("late", "pairs"), [(0.14, 1), (-0.14, 1), (0.16, 0), (-0.16, 0)])
def test_end_systole_decides(late, pairs):
    true, _ = truth()
    assert len(match(true[:1], [found(true[0], es=late)])) == pairs


def test_a_quarter_of_a_fast_beat_is_less():
    true, _ = truth(bpm=150)
    cycle = true[0].end_time_s - true[0].ed_time_s
    assert len(match(true[:1], [found(true[0], es=0.24 * cycle)])) == 1
    assert len(match(true[:1], [found(true[0], es=0.26 * cycle)])) == 0


def test_each_beat_matches_once():
    true, curve = truth()
    twice = [found(true[0]), found(true[0], ed=0.05)]
    assert match(true, twice) == [(0, 0)]
    assert became(true[:1], twice, curve) == ["matched", "invented"]


def test_beats_at_the_ends_need_not_be_found():
    # The third beat ends at 4.0225 s of the rhythm's clock.
    true, curve = truth(start_s=1.0, seconds=3.024)
    assert len(true) == 3
    assert is_at_edge(true[-1], curve.times_s)
    assert became(true, [found(b) for b in true[:2]], curve) == ["matched", "matched", "edge"]
    assert became(true, [found(b) for b in true], curve) == ["matched"] * 3
    true, curve = truth(start_s=1.0, seconds=3.03)
    assert not is_at_edge(true[-1], curve.times_s)
    assert became(true, [found(b) for b in true[:2]], curve) == ["matched", "matched", "missed"]


def test_a_beat_that_the_clip_cuts_is_not_invented():
    true, curve = truth(start_s=1.04, seconds=3.5)
    # The beat before the first whole one began 18 ms before the clip; it was found from its first frame on.
    first = FoundBeat(0.0, true[0].es_time_s - 1.0, true[0].ed_time_s, 58.0)
    last = FoundBeat(true[-1].end_time_s, true[-1].es_time_s + 1.0, 3.5, 40.0)
    assert became(true, [first, *map(found, true), last], curve) == ["cut", "matched", "matched", "cut"]
    elsewhere = replace(first, es_s=0.05)
    assert became(true, [elsewhere, *map(found, true)], curve)[0] == "invented"


def test_plateaus_are_as_long_as_they_were_made():
    true, curve = truth(rate=1000.0)
    beat = true[1]
    for at, width in (
        (beat.ed_time_s, ISOVOLUMETRIC_CONTRACTION_S),
        (beat.es_time_s, ISOVOLUMETRIC_RELAXATION_S),
    ):
        start, end = plateau(curve, at, 0.25)
        # A hundredth of the swing beyond each end, where the curve leaves with no slope.
        assert width <= end - start <= width + 0.04
        assert start <= at - width / 2 + 1e-3 and end >= at + width / 2 - 1e-3


def test_on_the_plateau_the_distance_is_zero():
    true, curve = truth(rate=1000.0)
    records = compare_beats("clip", true, [found(b, 0.02, -0.03) for b in true], curve)
    assert all(r.ed_off_ms == 0 == r.es_off_ms for r in records)
    records = compare_beats("clip", true, [found(b, -0.1, 0.1) for b in true], curve)
    assert all(-80 < r.ed_off_ms < -40 and 30 < r.es_off_ms < 63 for r in records)


def test_the_beat_at_a_time():
    true, _ = truth()
    assert beat_at(true, true[1].es_time_s + 0.1) is true[1]
    assert beat_at(true, true[1].es_time_s + 0.3) is None
    assert beat_at((), 1.0) is None


def test_no_beats_at_all():
    _, curve = truth()
    assert compare_beats("clip", (), [], curve) == ()
    still = TrueCurve(curve.times_s, np.full(len(curve.times_s), 100.0), curve.plane_volume_ml)
    assert became((), [FoundBeat(0.5, 0.9, 1.5, 10.0)], still) == ["invented"]
