from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.terms import Sex
from lvef.geometry.control_points import tracing_of_control_points
from lvef.measure.correction import edit_from_dict
from lvef.measure.options import MeasureOptions
from lvef.webapp.contour_editor import EditAction
from lvef.webapp.correction_state import CorrectionState
from tests.webapp import correction_app as drawn

OPTIONS = MeasureOptions()


def wider(points, by=8.0):
    """The left wall moved outward."""
    points = points.copy()
    points[2:6, 0] -= by
    return points


def move(state, seq, points, *, phase="ed", view="", **more):
    frame = state.frame(view, phase)
    act = EditAction(
        **{"seq": seq, "epoch": state.epoch, "frame": frame, "kind": "move", "points": points} | more
    )
    state.apply_actions(view, phase, [act], OPTIONS)


def ef(state):
    return state.answer(OPTIONS).measurement.ef_percent


def test_nothing_changed_is_the_machines_answer():
    answer = drawn.phantom_clip()
    state = CorrectionState(answer)
    assert state.answer(OPTIONS) is answer
    assert not state.changed


def test_a_moved_wall_moves_the_ef_and_undo_and_redo_walk_over_it():
    state = CorrectionState(drawn.phantom_clip())
    machine = ef(state)
    move(state, 1, wider(state.points("", "ed")))
    cached = ef(state)
    move(state, 2, wider(state.points("", "es")), phase="es")
    twice = ef(state)
    assert cached > machine + 1 and twice < cached - 1
    state.undo(OPTIONS)
    assert ef(state) == cached
    state.undo(OPTIONS)
    assert ef(state) == machine and not state.changed
    state.undo(OPTIONS)
    assert ef(state) == machine
    state.redo(OPTIONS)
    state.redo(OPTIONS)
    assert ef(state) == twice
    state.reset(OPTIONS)
    assert ef(state) == machine
    state.undo(OPTIONS)
    assert ef(state) == twice


def test_the_machines_answer_is_never_written_over():
    answer = drawn.phantom_clip()
    before = answer.measurement.ef_percent, answer.measurement.tracings[0].contour.copy()
    state = CorrectionState(answer)
    state.set_reader("Dr. A", "wall", OPTIONS)
    move(state, 1, wider(state.points("", "ed")))
    assert answer.measurement.ef_percent == before[0] and answer.measurement.correction is None
    assert np.array_equal(answer.measurement.tracings[0].contour, before[1])
    record = state.answer(OPTIONS).measurement.correction
    assert (record.reader, record.note, record.changed) == ("Dr. A", "wall", ("ed_contour",))
    assert record.machine_ef_percent == before[0]


def test_an_act_counts_once_and_only_for_the_image_it_was_made_on():
    state = CorrectionState(drawn.phantom_clip())
    shape = wider(state.points("", "ed"))
    move(state, 1, shape)
    cached = ef(state)
    move(state, 1, wider(shape))  # sent again
    move(state, 2, wider(shape), epoch="another answer")
    move(state, 3, wider(shape), frame=5)
    assert ef(state) == cached and len(state.past) == 1


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda p: p.__setitem__((3, 0), 190.0), "crosses itself"),
        (lambda p: p.__setitem__(slice(None), p * 0.2 + 80), "larger at ES"),
        (lambda p: p.__setitem__(slice(None), 90.0), "long axis"),
    ],
)
def test_what_cannot_be_measured_is_reported_and_the_last_good_state_kept(break_it, said):
    state = CorrectionState(drawn.phantom_clip())
    move(state, 1, wider(state.points("", "ed")))
    good, shown = ef(state), state.points("", "ed")
    bad = shown.copy()
    break_it(bad)
    move(state, 2, bad)
    assert said in state.message.text and not state.message.text.startswith("heart.avi")
    assert state.message.phase == "ed"
    assert ef(state) == good and np.array_equal(state.points("", "ed"), shown) and len(state.past) == 1
    move(state, 3, wider(shown, 1.0))
    assert state.message.text == ""


def test_other_beats_and_frames_take_the_machines_tracing_there():
    state = CorrectionState(drawn.phantom_clip())
    move(state, 1, wider(state.points("", "ed")))
    assert state.choose("", OPTIONS, ed=drawn.ED_2, es=drawn.ES_2)
    assert not state.moved("", "ed")
    assert state.answer(OPTIONS).measurement.correction.changed == ("beat",)
    assert state.choose("", OPTIONS, ed=drawn.ED_2 + 1, es=drawn.ES_2)
    assert state.answer(OPTIONS).measurement.correction.changed == ("frames",)
    assert state.choose("", OPTIONS, ed=drawn.ED, es=drawn.ES)
    assert not state.changed


def test_a_contour_stays_when_only_the_other_frame_changes():
    state = CorrectionState(drawn.phantom_clip())
    move(state, 1, wider(state.points("", "ed")))
    state.apply_actions("", "es", [EditAction(1, state.epoch, drawn.ES, "step", by=-1)], OPTIONS)
    assert state.frame("", "es") == drawn.ES - 1 and state.moved("", "ed")


@pytest.mark.parametrize(("ed", "es"), [(6, 0), (3, 3), (0, 99), (-1, 6)])
def test_frames_that_cannot_be_are_refused_with_a_sentence(ed, es):
    state = CorrectionState(drawn.phantom_clip())
    assert not state.choose("", OPTIONS, ed=ed, es=es)
    assert state.message.text.endswith(".")
    assert (state.frame("", "ed"), state.frame("", "es")) == (drawn.ED, drawn.ES)


def test_without_frames_of_the_machine_it_begins_with_the_extremes():
    answer = drawn.phantom_clip()
    refused = replace(answer.measurement, ef_percent=None, ed_frame=None, es_frame=None, beats=())
    state = CorrectionState(type(answer)(refused, answer.clip))
    assert state.answer(OPTIONS).measurement.ef_percent is None
    assert state.start_from_extremes("", OPTIONS)
    assert (state.frame("", "ed"), state.frame("", "es")) == (drawn.ED, drawn.ES)
    assert ef(state) == pytest.approx(answer.measurement.ef_percent)


def test_a_study_is_computed_from_both_views():
    state = CorrectionState(drawn.study())
    machine = ef(state)
    move(state, 1, wider(state.points("A2C", "ed")), view="A2C")
    answer = state.answer(OPTIONS)
    assert answer.measurement.ef_percent > machine
    assert answer.views["A4C"][0].correction is None
    assert answer.views["A2C"][0].correction.changed == ("ed_contour",)
    assert answer.measurement.correction.changed == ("A2C ed_contour",)
    assert answer.measurement.single_plane["A2C"] > answer.measurement.single_plane["A4C"]


@pytest.mark.parametrize("kind", ["heart", "pair", "study", "unscaled"])
def test_a_saved_correction_gives_the_same_answer_when_it_is_loaded(kind):
    state = CorrectionState(drawn.KINDS[kind]())
    view = state.views[-1]
    state.set_reader("Dr. A", "seen twice", OPTIONS)
    move(state, 1, wider(state.points(view, "ed")), view=view)
    again = CorrectionState(drawn.KINDS[kind]())
    assert again.load(state.to_json().encode(), "a.json", OPTIONS)
    assert ef(again) == pytest.approx(ef(state), abs=0.01)
    assert (again.reader, again.note) == ("Dr. A", "seen twice")
    again.undo(OPTIONS)
    assert not again.changed


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b"[]",
        b'{"schema": "lvef-correction/9"}',
        b'{"ed_frame": "x"}',
        b'{"ed_points": [[1, 2]]}',
        b'{"ed_frame": 6, "es_frame": 0, "reader": "Dr. B"}',
        b" " * (2**20 + 1),
        json.dumps({"schema": "lvef-correction/1", "views": {"A4C": {}}}).encode(),
    ],
)
def test_a_file_that_is_no_correction_is_reported_in_a_sentence(data):
    state = CorrectionState(drawn.phantom_clip())
    assert not state.load(data, "a.json", OPTIONS)
    assert state.message.text and "Traceback" not in state.message.text
    assert not state.changed and state.reader == ""


def test_a_study_takes_no_correction_of_one_clip():
    state = CorrectionState(drawn.study())
    assert not state.load(b'{"schema": "lvef-correction/1", "ed_frame": 1}', "a.json", OPTIONS)
    assert "names no views" in state.message.text


def test_the_example_of_the_page_about_it_is_a_correction(repository):
    page = (repository / "docs" / "how-to" / "correct.md").read_text(encoding="utf-8")
    edit = edit_from_dict(json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1]))
    assert edit.reader and len(tracing_of_control_points(edit.ed_points).chords) == 20


def test_other_settings_keep_the_contours():
    state = CorrectionState(drawn.phantom_clip())
    move(state, 1, wider(state.points("", "ed")))
    before = ef(state)
    woman = state.answer(MeasureOptions(sex=Sex.FEMALE)).measurement
    assert woman.ef_percent == before and "ase_2015" in woman.categories


def test_it_knows_its_answer_from_another():
    state = CorrectionState(drawn.phantom_clip())
    assert state.same(drawn.phantom_clip())
    assert not state.same(drawn.phantom_clip(name="other.avi")) and not state.same(drawn.study())
    move(state, 1, wider(state.points("", "ed")))
    corrected = ef(state)
    state.rebase(drawn.phantom_clip())
    assert ef(state) == corrected
