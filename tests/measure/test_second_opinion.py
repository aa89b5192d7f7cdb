from dataclasses import replace

import cv2
import pytest

from lvef.core.errors import ConfigError, WeightsError
from lvef.core.records import CodedWarning, SecondOpinion
from lvef.core.terms import Decision, Status, View
from lvef.core.wording import MODELS_DISAGREE
from lvef.inference.catalogue import find_model
from lvef.measure import pipeline
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.second_opinion import second_model
from lvef.measure.second_opinion import with_second_opinion as state_opinion
from lvef.measure.thresholds import DEFAULT
from lvef.synthesis.phantom.render import sample_phantom
from tests.io.io_fabrication import dicom, save
from tests.measure.made_up import beating, refused

FIRST = beating(60)[0]
LIMIT = DEFAULT.caution_difference_points


@pytest.fixture(scope="module")
def measurer():
    return Measurer(MeasureOptions(precision="f32", second_opinion="auto"))


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder, paths = tmp_path_factory.mktemp("views"), []
    for view in (View.A4C, View.A2C):
        ds = dicom(sample_phantom(view).clip.frames[:50], FrameTime="20")
        paths.append(save(ds, folder / f"{view}.dcm"))
    return paths


def with_second_opinion(first, second):
    return state_opinion(first, second, DEFAULT)


def other(ef_percent, *notices):
    return replace(FIRST, ef_percent=ef_percent, notices=notices)


def test_a_difference_is_stated_and_a_large_one_warned_of():
    near = with_second_opinion(FIRST, other(FIRST.ef_percent - LIMIT + 1))
    assert near.second_opinion.difference_points == pytest.approx(1 - LIMIT)
    assert near.notices == FIRST.notices
    far = with_second_opinion(FIRST, other(FIRST.ef_percent + LIMIT + 1))
    assert far.notices[-1].code == MODELS_DISAGREE
    assert f"{LIMIT + 1:.0f} points higher" in far.notices[-1].text
    assert replace(far, second_opinion=None, notices=FIRST.notices) == FIRST
    accepted = replace(FIRST, decision=Decision.ACCEPTED)
    assert with_second_opinion(accepted, other(20.0)).decision == Decision.CAUTION
    assert with_second_opinion(accepted, other(FIRST.ef_percent)).decision == Decision.ACCEPTED


def test_an_experimental_model_is_said_and_a_refusal_is_an_opinion():
    notice = CodedWarning("experimental_network", "x")
    assert with_second_opinion(FIRST, other(50.0, notice)).second_opinion.weights.endswith("(experimental)")
    no = replace(refused("clip.avi"), reason="clip.avi: no ventricle was found.")
    found = with_second_opinion(FIRST, no)
    assert found.second_opinion == SecondOpinion("camus-seg 1", None, None, "no ventricle was found.")
    assert found.ef_percent == FIRST.ef_percent
    assert with_second_opinion(no, other(50.0)) is no


def test_which_model():
    first = find_model("camus-seg")
    assert second_model("auto", first) == "volume-trace-tuned"
    assert second_model("auto", find_model("small-video")) == "volume-trace-tuned"
    assert second_model("auto", find_model("volume-trace-tuned")) == "camus-seg"
    assert second_model("small-video", first) == "small-video"
    with pytest.raises(ConfigError, match="measures already"):
        second_model("camus-seg", first)
    with pytest.raises(WeightsError, match="No model named nothing"):
        second_model("nothing", first)


def test_the_same_decoded_clip_is_measured_twice(measurer, views, monkeypatch):
    opened = []
    real = pipeline.open_clip
    monkeypatch.setattr(pipeline, "open_clip", lambda path, **more: opened.append(path) or real(path, **more))
    m, clip = measurer.measure(views[0])
    assert opened == views[:1]
    plain = measurer.with_options(MeasureOptions()).measure_clip(clip)
    assert m.ef_percent == plain.ef_percent
    assert plain.second_opinion is None
    assert m.second_opinion.weights.startswith("volume-trace-tuned")
    alone = Measurer(MeasureOptions(precision="f32", weights="volume-trace-tuned")).measure_clip(clip)
    assert m.second_opinion.ef_percent == pytest.approx(alone.ef_percent)
    assert m.second_opinion.difference_points == pytest.approx(alone.ef_percent - m.ef_percent)


def test_the_second_model_is_loaded_once(measurer):
    again = measurer.with_options(MeasureOptions(second_opinion="volume-trace-tuned", view=View.A2C))
    assert again.second.predictor is measurer.second.predictor
    assert again.second.options.view is View.A2C


def test_a_biplane_study_and_each_view_have_one(measurer, views):
    m, single = measurer.measure_biplane(*views)
    for one in (m, *(part for part, _ in single.values())):
        assert one.status in (Status.OK, Status.PARTIAL_CYCLE)
        assert one.second_opinion.weights.startswith("volume-trace-tuned")
        assert one.second_opinion.ef_percent is not None or one.second_opinion.reason
    reader = measurer.with_options(MeasureOptions(second_opinion="small-video"))
    m, single = reader.measure_biplane(*views)
    assert m.second_opinion.ef_percent is None
    assert "draws no ventricle" in m.second_opinion.reason
    assert single["A4C"][0].second_opinion.ef_percent is not None


@pytest.mark.slow
def test_two_stills(measurer, tmp_path):
    made = sample_phantom()
    paths = [tmp_path / "ed.png", tmp_path / "es.png"]
    beat = made.beats[0]
    for path, frame in zip(paths, (beat.ed_frame, beat.es_frame), strict=True):
        cv2.imwrite(str(path), made.clip.frames[frame])
    m, _ = measurer.measure_pair(*paths)
    assert m.second_opinion.ef_percent is not None
    m, _ = measurer.with_options(MeasureOptions(second_opinion="small-video")).measure_pair(*paths)
    assert m.ef_percent is not None
    assert "reads an EF from clips" in m.second_opinion.reason
