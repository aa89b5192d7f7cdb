"""Answers read back from their folders: the same words on the page as on the day they were measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lvef.core.errors import DataError
from lvef.geometry.control_points import control_points_of_tracing
from lvef.measure.correction import Edit, corrected
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Outputs, Result
from lvef.measure.saved_results import is_saved_result, load_curve, load_result
from lvef.report.content import content_of
from lvef.report.outputs import write_outputs
from tests.measure.made_up import beating
from tests.report.cases import NOW, cases, pair, plain, study

NO_PICTURES = Outputs(video=False, summary=False)
CASES = dict(cases())


def written(folder, answer):
    write_outputs(folder, answer, NO_PICTURES)
    return folder


@pytest.fixture
def of_film(tmp_path, phantom_file):
    """An answer whose clip is there."""
    film = tmp_path / "film.avi"
    shutil.copy(phantom_file, film)
    return written(tmp_path / "ef", Result(beating(150, source=str(film))[0], None)), film


@pytest.mark.parametrize("name", [n for n in CASES if n != "bare"])
def test_the_page_says_the_same_as_on_the_day(name, tmp_path):
    answer = CASES[name]
    back = load_result(written(tmp_path / "a", answer))
    parts = {view: (part, answer.views[view][1]) for view, (part, _) in back.views.items()}
    one = content_of(answer, NOW)
    other = content_of(replace(back, clip=answer.clip, views=parts), NOW)
    for field in (
        "title",
        "facts",
        "ef",
        "label",
        "status",
        "reason",
        "values",
        "volumes",
        "warnings",
        "method",
    ):
        assert getattr(other, field) == getattr(one, field), field
    assert [view.beats for view in other.views] == [view.beats for view in one.views]
    assert (other.correction is None) == (one.correction is None)
    for a, b in zip(one.views, other.views, strict=True):
        assert (a.chart is None) == (b.chart is None)
        assert [p.caption for p in a.images] == [p.caption for p in b.images]


def test_the_curve_and_its_gaps_come_back(tmp_path):
    m, _ = beating(60)
    volume = m.curve.volume.copy()
    volume[7] = np.nan
    write_outputs(tmp_path, Result(replace(m, curve=replace(m.curve, volume=volume)), None), NO_PICTURES)
    curve = load_curve(tmp_path / "curve.csv")
    np.testing.assert_allclose(curve.volume, volume, rtol=1e-6)
    np.testing.assert_allclose(curve.times_s, m.curve.times_s, rtol=1e-6)
    np.testing.assert_allclose(curve.length, m.curve.length, rtol=1e-6)
    assert curve.calibrated
    write_outputs(tmp_path, plain(calibrated=False), NO_PICTURES)
    assert not load_curve(tmp_path / "curve.csv").calibrated


@pytest.mark.parametrize(
    "text",
    ["", "frame,time_s\n", "a,b,c,d\n1,2,3,4\n", "frame,time_s,volume_ml,length_mm,phase\n0,0,many,1,\n",
     "frame,time_s,volume_ml,length_mm,phase\n0,0\n", "\0\xff"],
)  # fmt: skip
def test_a_table_that_is_no_curve_is_one_sentence(tmp_path, text):
    (tmp_path / "curve.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"curve\.csv:? .*measure the file again"):
        load_curve(tmp_path / "curve.csv")


def test_what_an_answer_is(tmp_path):
    folder = written(tmp_path / "a", plain())
    assert is_saved_result(folder)
    assert is_saved_result(folder / "measurement.json")
    assert not is_saved_result(tmp_path)
    assert not is_saved_result(tmp_path / "clip.avi")


def test_the_clip_is_found_where_it_was(of_film):
    folder, film = of_film
    back = load_result(folder)
    assert len(back.clip.frames) == 150
    assert back.measurement.curve is not None
    film.rename(film.with_name("moved.avi"))
    assert load_result(folder).clip is None
    assert len(load_result(folder / "measurement.json", [film.with_name("moved.avi")]).clip.frames) == 150


def test_another_clip_of_the_same_name_is_not_shown(of_film):
    folder, film = of_film
    values = json.loads((folder / "measurement.json").read_text())
    (folder / "measurement.json").write_text(json.dumps(values | {"n_frames": 149}))
    assert load_result(folder).clip is None
    with pytest.raises(DataError, match="150 frames, and the result was measured on 149"):
        load_result(folder, [film])


def test_the_stills_of_a_pair_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = pair()
    (tmp_path / "d").mkdir()
    folder = written(tmp_path / "a", answer)
    assert load_result(folder).clip is None
    for name, frame in zip(("ed", "es"), answer.clip.frames, strict=True):
        Image.fromarray(frame).save(f"d/{name}.png")
    assert load_result(folder).clip.frames.shape == (2, 112, 112)


def test_a_study_needs_both_clips_or_none(tmp_path):
    folder = written(tmp_path / "a", study())
    assert list(load_result(folder).views) == ["A4C", "A2C"]
    with pytest.raises(DataError, match="give both clips"):
        load_result(folder, [tmp_path / "one.avi"])


def test_an_answer_that_came_back_can_be_corrected(tmp_path):
    m = plain().measurement
    back = load_result(written(tmp_path / "a", plain())).measurement
    edit = Edit(es_points=control_points_of_tracing(m.tracings[m.es_frame]) * 0.95)
    one, other = (corrected(x, edit, MeasureOptions(), now=NOW) for x in (m, back))
    assert other.ef_percent == pytest.approx(one.ef_percent, abs=0.05)
    assert other.correction.machine_ef_percent == pytest.approx(m.ef_percent)
