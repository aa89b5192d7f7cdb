"""A real curve: late systole, filling, end-diastole, and a systole that the clip cuts off."""

from __future__ import annotations

import numpy as np

from lvef.core.records import VolumeCurve
from lvef.geometry.beats import analyse_beats

# Volume of the cine that pydicom carries, in percent of its largest, at 30 frames a second; two frames are doubled.
CINE = [47.5, 39.0, 34.4, 29.2, 29.5, 30.6, 32.0, 36.7, 50.9, 62.5, 79.9, 79.9, 73.8, 78.7, 78.7, 78.1, 82.1, 82.1, 91.0,
        100.0, 99.0, 91.9, 90.4, 79.2, 72.8, 63.8, 53.8, 45.5, 45.5, 43.0]  # fmt: skip


def curve(values):
    n = len(values)
    return VolumeCurve(np.arange(n) / 30, np.array(values), np.ones(n), calibrated=False)


def test_the_cut_off_systole_is_not_taken_for_end_systole():
    analysis = analyse_beats(curve(CINE))
    assert analysis.partial
    assert 18 <= analysis.representative.ed_frame <= 22
    assert 2 <= analysis.representative.es_frame <= 6
    assert 60 < analysis.representative.ef_percent < 75
