"""One loaded network under several settings, and what it tells while it works."""

from __future__ import annotations

import pytest

from lvef.core.terms import Sex
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import (
    FINDING_BEATS,
    READING,
    READING_EF,
    TRACING,
    Measurer,
    with_frame_rate,
)


@pytest.fixture(scope="module")
def loaded():
    return Measurer()


def test_settings_are_its_own_and_the_network_is_shared(loaded, phantom_file):
    other = loaded.with_options(MeasureOptions(weights="not-there", precision="f32", sex=Sex.FEMALE))
    assert other.predictor is loaded.predictor
    assert other.options.weights == loaded.options.weights
    assert other.options.precision == loaded.options.precision
    first, _ = loaded.measure(phantom_file)
    second, _ = other.measure(phantom_file)
    assert second.ef_percent == first.ef_percent
    assert "ase_2015" in second.categories
    assert "ase_2015" not in first.categories


@pytest.mark.parametrize("weights", ["camus-seg", "volume-trace-tuned"])
def test_it_tells_how_many_frames_are_done(weights, phantom_file):
    told = []
    measurer = Measurer(MeasureOptions(weights=weights))
    # A frame chosen by hand is shown both ways: the count must still be of frames.
    for options in (MeasureOptions(), MeasureOptions(ed_frame=0, es_frame=15)):
        told.clear()
        measurer.with_options(options, lambda *words: told.append(words)).measure(phantom_file)
        assert told[0] == (READING, 0, 0)
        traced = [(done, of) for doing, done, of in told if doing == TRACING]
        assert traced[0] == (0, 150)
        assert traced[-1] == (150, 150)
        assert traced == sorted(traced)
        assert told[-1] == (FINDING_BEATS, 150, 150)


def test_a_network_of_clips_tells_too_and_finds_beats_with_another(phantom_file):
    told = []
    measurer = Measurer(MeasureOptions(weights="small-video"))
    assert measurer.beat_finder is None
    whole = measurer.with_options(MeasureOptions(), lambda *words: told.append(words[0]))
    assert not whole.measure(phantom_file)[0].beats
    assert told == [READING, READING_EF]
    beats = measurer.with_options(MeasureOptions(per_beat=True))
    assert beats.measure(phantom_file)[0].beats
    again = beats.with_options(MeasureOptions(per_beat=True, sex=Sex.MALE))
    assert again.beat_finder.predictor is beats.beat_finder.predictor
    assert beats.with_options(MeasureOptions()).beat_finder is None


def test_another_frame_rate(phantom_clip):
    clip = phantom_clip.clip
    assert with_frame_rate(clip, 100.0).frame_rate_hz == pytest.approx(100.0)
    assert with_frame_rate(clip, 100.0).timing == "given by the user"
