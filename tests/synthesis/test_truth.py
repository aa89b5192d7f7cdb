import numpy as np
import pytest

from lvef.synthesis.truth import beat_kinds, beats_in_clip
from lvef.synthesis.volume_curves import (
    RhythmKind,
    draw_acquisition,
    ectopic,
    fibrillation,
    regular,
    volume_at,
)


def test_only_whole_beats_inside_the_clip_count():
    rhythm = regular(5, 60, 50)
    times = np.arange(0, 3.0, 0.02)
    beats = beats_in_clip(rhythm, 0.3, times, volume_at(rhythm, times + 0.3))
    assert len(beats) == 2  # of 0.72 s to 2.72 s; the first began before, the last has no end
    assert [b.end_time_s - b.ed_time_s for b in beats] == pytest.approx([1, 1])
    assert [b.plane_ef_percent for b in beats] == pytest.approx([50, 50])
    assert beats[0].ed_frame == round(beats[0].ed_time_s / 0.02)


def test_kinds_of_beats():
    kinds = beat_kinds(ectopic(8, 70, 55, at=3))
    assert kinds == ["normal"] * 3 + ["premature", "after premature"] + ["normal"] * 3
    assert set(beat_kinds(fibrillation(20, 90, 50, np.random.default_rng(0)))) == {"normal"}


@pytest.mark.parametrize("kind", RhythmKind)
def test_drawn_recordings_hold_a_whole_beat(kind):
    for seed in range(40):
        one = draw_acquisition(np.random.default_rng(seed), ed_volume_ml=100, ef_percent=55, kind=kind)
        end = one.start_s + float(one.times_s[-1])
        assert end < one.rhythm.cycles_s.sum(), "the rhythm is as long as the clip"
        volume = volume_at(one.rhythm, one.times_s + one.start_s)
        assert beats_in_clip(one.rhythm, one.start_s, one.times_s, volume), (kind, seed)
