"""The tables of short and of slow clips."""

import numpy as np

from lvef.core.records import VolumeCurve
from lvef.geometry.beats import analyse_beats
from studies.short_clips import beside_lower, main, slow_clips


def test_end_systole_beside_a_lower_frame_is_seen():
    volume = 100 - 50 * np.abs(np.sin(np.pi * np.arange(60) / 20))
    curve = VolumeCurve(np.arange(60) / 20, volume, volume, True)
    found = analyse_beats(curve, is_smoothed=True)
    assert len(found.beats) == 2
    assert beside_lower(curve, found) == [False, False]
    lower = curve.volume.copy()
    lower[found.beats[0].es_frame + 1] -= 20
    assert beside_lower(VolumeCurve(curve.times_s, lower, volume, True), found) == [True, False]


def test_slow_clips_have_their_end_systole_at_the_minimum():
    for ef, curve, found in slow_clips(40, (15.0, 20.0), np.random.default_rng(3)):
        assert not any(beside_lower(curve, found))
        assert found.ef_mean_percent is not None
        assert abs(found.ef_mean_percent - ef) < 6


def test_tables(capsys):
    main(["--clips", "40"])
    said = capsys.readouterr().out
    assert "complete beat: " in said
    assert "15, 20, 25 Hz: " in said
