"""A reader's correction: what it computes, what it keeps, what it refuses."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from lvef.core.errors import DataError, GeometryError, QualityRefusal
from lvef.core.terms import Sex, Status, View
from lvef.geometry.control_points import control_points_of_tracing
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.measure.correction import (
    Edit,
    corrected,
    corrected_study,
    edit_from_dict,
    edit_to_dict,
    read_correction,
    study_from_dict,
    study_to_dict,
)
from lvef.measure.options import MeasureOptions
from lvef.measure.results import biplane_measurement
from lvef.measure.serializers import (
    measurement_json,
    measurement_schema,
    measurement_to_dict,
    read_measurement,
)
from tests.measure.made_up import beating

OPTIONS = MeasureOptions()
NOW = datetime.datetime(2026, 11, 27, 12, 0, 0, 900, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))


def outline(measurement, frame, wider=1.0):
    """The points on a frame, moved away from the middle line by a factor."""
    points = control_points_of_tracing(measurement.tracings[frame])
    middle = points[:, 0].mean()
    points[:, 0] = middle + wider * (points[:, 0] - middle)
    return points


def test_an_empty_edit_gives_the_machine_back():
    machine, _ = beating()
    assert Edit(reader="Dr A", note="fine").empty
    assert corrected(machine, Edit(reader="Dr A"), OPTIONS) is machine
    same = Edit(ed_frame=machine.ed_frame, es_frame=machine.es_frame)
    assert corrected(machine, same, OPTIONS) is machine


def test_a_wider_end_diastole_raises_volume_and_ef():
    machine, _ = beating()
    edit = Edit(ed_points=outline(machine, machine.ed_frame, 1.1), reader="Dr  A", note=" septum \n lost ")
    answer = corrected(machine, edit, MeasureOptions(sex=Sex.MALE), now=NOW)
    edv, esv = (
        volume_of_tracing(answer.tracings[f], machine.spacing) for f in (answer.ed_frame, answer.es_frame)
    )
    assert answer.ef_percent == pytest.approx(ejection_fraction(edv, esv))
    assert (answer.edv_ml, answer.esv_ml) == pytest.approx((edv, esv))
    untouched = volume_of_tracing(machine.tracings[machine.ed_frame], machine.spacing)
    # Width counts twice in a volume, and the apex lies on the middle line.
    assert edv == pytest.approx(1.21 * untouched, rel=0.01)
    assert answer.status is machine.status is Status.OK
    assert answer.categories["ase_2015"]
    assert answer.curve is machine.curve
    record = answer.correction
    assert record.reader == "Dr A"
    assert record.note == "septum lost"
    assert record.corrected_at == "2026-11-27T10:00:00+00:00"
    assert record.changed == ("ed_contour",)
    assert record.machine_ef_percent == machine.ef_percent
    assert (record.machine_edv_ml, record.machine_esv_ml) == (machine.edv_ml, machine.esv_ml)
    assert (record.machine_ed_frame, record.machine_es_frame) == (machine.ed_frame, machine.es_frame)
    assert [n.code for n in answer.notices][-1] == "corrected_by_reader"
    assert answer.ef_mean_percent is None


def test_the_machine_is_not_touched():
    machine, _ = beating()
    before, volumes = measurement_json(machine), machine.curve.volume.copy()
    corrected(machine, Edit(es_points=outline(machine, machine.es_frame, 0.8)), OPTIONS)
    assert measurement_json(machine) == before
    assert np.array_equal(machine.curve.volume, volumes)


def test_another_beat():
    machine, _ = beating(n=130)
    other = next(
        b
        for b in machine.beats
        if (b.ed_frame, b.es_frame) != (machine.ed_frame, machine.es_frame) and b.end_frame is not None
    )
    answer = corrected(machine, Edit(ed_frame=other.ed_frame, es_frame=other.es_frame), OPTIONS)
    assert answer.correction.changed == ("beat",)
    assert (answer.ed_frame, answer.es_frame) == (other.ed_frame, other.es_frame)
    assert len(answer.beats) == len(machine.beats)
    assert answer.status is Status.OK


def test_an_excluded_beat_counts_once_a_reader_takes_it():
    machine, _ = beating(n=130)
    beats = list(machine.beats)
    place = next(i for i, b in enumerate(beats) if b.ed_frame != machine.ed_frame and b.end_frame is not None)
    beats[place] = replace(beats[place], excluded="too short")
    machine = replace(machine, beats=tuple(beats))
    edit = Edit(ed_frame=beats[place].ed_frame, es_frame=beats[place].es_frame)
    assert not corrected(machine, edit, OPTIONS).beats[place].excluded


def test_other_frames_are_no_whole_beat():
    machine, _ = beating()
    answer = corrected(machine, Edit(ed_frame=machine.ed_frame + 1), OPTIONS)
    assert answer.correction.changed == ("frames",)
    assert answer.status is Status.PARTIAL_CYCLE
    assert len(answer.beats) == len(machine.beats) + 1
    assert answer.ed_frame == machine.ed_frame + 1


def test_without_a_scale_there_is_an_ef_and_no_millilitres():
    machine, _ = beating(calibrated=False)
    answer = corrected(machine, Edit(ed_points=outline(machine, machine.ed_frame, 1.1)), OPTIONS)
    assert answer.ef_percent > machine.ef_percent
    assert answer.edv_ml is None
    assert answer.correction.machine_edv_ml is None


def test_a_refused_clip_with_contours_can_be_answered_by_a_reader():
    machine, _ = beating()
    refused = replace(
        machine,
        status=Status.REFUSED,
        reason="no beat",
        reason_code="no_beat",
        ef_percent=None,
        edv_ml=None,
        esv_ml=None,
        ed_frame=None,
        es_frame=None,
        beats=(),
    )
    with pytest.raises(GeometryError, match="choose both frames"):
        corrected(refused, Edit(ed_frame=0), OPTIONS)
    answer = corrected(refused, Edit(ed_frame=0, es_frame=16), OPTIONS)
    assert answer.status is Status.PARTIAL_CYCLE
    assert answer.ef_percent > 30
    assert not answer.reason
    assert answer.correction.machine_ef_percent is None


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (Edit(ed_frame=60), GeometryError, "frames 0 to 59"),
        (Edit(ed_frame=-1), GeometryError, "frames 0 to 59"),
        (Edit(ed_frame=3, es_frame=3), GeometryError, "cannot be ED and ES"),
        (Edit(ed_frame=16, es_frame=0), QualityRefusal, "larger at ES"),
        (Edit(ed_points=np.zeros((3, 2))), GeometryError, "15 finite points"),
    ],
)
def test_what_cannot_be_is_refused(edit, error, words):
    machine, _ = beating()
    with pytest.raises(error, match=words):
        corrected(machine, edit, OPTIONS)


@pytest.mark.parametrize("away", [(5000.0, 0.0), (-5000.0, 0.0), (0.0, 5000.0), (0.0, -5000.0)])
def test_a_contour_beside_the_ventricle_is_refused(away):
    machine, _ = beating()
    moved = outline(machine, machine.ed_frame) + away
    with pytest.raises(GeometryError, match="the ED contour lies beside the ventricle"):
        corrected(machine, Edit(ed_points=moved), OPTIONS)


def test_a_frame_without_ventricle_wants_a_drawing():
    machine, _ = beating()
    tracings = list(machine.tracings)
    tracings[5] = None
    machine = replace(machine, tracings=tuple(tracings))
    with pytest.raises(GeometryError, match="draw it"):
        corrected(machine, Edit(ed_frame=5), OPTIONS)
    drawn = corrected(machine, Edit(ed_frame=5, ed_points=outline(machine, 4)), OPTIONS)
    assert drawn.ed_frame == 5


def test_a_correction_is_not_corrected_again():
    machine, _ = beating()
    first = corrected(machine, Edit(ed_points=outline(machine, machine.ed_frame, 1.1)), OPTIONS)
    with pytest.raises(GeometryError, match="model's own result"):
        corrected(first, Edit(ed_frame=1), OPTIONS)


def test_an_ef_network_has_nothing_to_correct():
    machine, _ = beating()
    machine = replace(machine, curve=None, tracings=())
    with pytest.raises(GeometryError, match="no contour"):
        corrected(machine, Edit(ed_frame=1), OPTIONS)


def test_json_has_both_values_and_comes_back(tmp_path):
    machine, _ = beating()
    answer = corrected(
        machine, Edit(ed_points=outline(machine, machine.ed_frame, 1.1), reader="Ä"), OPTIONS, now=NOW
    )
    values = measurement_to_dict(answer)
    jsonschema.validate(values, measurement_schema())
    assert values["correction"]["machine_ef_percent"] == pytest.approx(machine.ef_percent)
    assert measurement_to_dict(machine)["correction"] is None
    path = tmp_path / "measurement.json"
    path.write_text(measurement_json(answer), encoding="utf-8")
    back = read_measurement(path)
    assert back.correction.reader == "Ä"
    assert back.correction.changed == ("ed_contour",)
    # A measurement of an earlier version has no such key.
    old = json.loads(measurement_json(machine))
    del old["correction"]
    path.write_text(json.dumps(old), encoding="utf-8")
    assert read_measurement(path).correction is None


def study():
    four, _ = beating(source="four.avi")
    two, _ = beating(source="two.avi")
    four, two = replace(four, view=View.A4C), replace(two, view=View.A2C)
    return biplane_measurement("four.avi + two.avi", four, two, OPTIONS), {"A4C": four, "A2C": two}


def test_a_study_follows_its_views():
    machine, parts = study()
    edits = {"A2C": Edit(ed_points=outline(parts["A2C"], parts["A2C"].ed_frame, 1.2), reader="Dr B")}
    answer, views = corrected_study(machine, parts, edits, OPTIONS, now=NOW)
    assert answer.correction.changed == ("A2C ed_contour",)
    assert answer.correction.reader == "Dr B"
    assert answer.correction.machine_ef_percent == machine.ef_percent
    assert views["A4C"] is parts["A4C"]
    assert answer.single_plane["A2C"] == pytest.approx(views["A2C"].ef_percent)
    # One plane wider by a factor: the volume of two planes grows by that factor, not by its square.
    assert answer.edv_ml == pytest.approx(1.2 * biplane_edv(parts), rel=0.01)
    assert corrected_study(machine, parts, {"A4C": Edit()}, OPTIONS) == (machine, parts)
    with pytest.raises(GeometryError, match="no view"):
        corrected_study(machine, parts, {"PLAX": Edit()}, OPTIONS)


def biplane_edv(parts):
    return volume_of_tracing(parts["A4C"].tracings[parts["A4C"].ed_frame], parts["A4C"].spacing)


def test_a_correction_on_disk(tmp_path):
    machine, _ = beating()
    edit = Edit(3, 16, outline(machine, 3, 1.1), None, "Dr A", "a note")
    path = tmp_path / "correction.json"
    path.write_text(json.dumps(edit_to_dict(edit)), encoding="utf-8")
    back = edit_from_dict(read_correction(path), str(path))
    assert (back.ed_frame, back.es_frame, back.reader, back.note) == (3, 16, "Dr A", "a note")
    assert back.es_points is None
    assert back.ed_points == pytest.approx(edit.ed_points, abs=0.006)
    both = study_from_dict(json.loads(json.dumps(study_to_dict({"A4C": edit}))))
    assert both["A4C"].ed_points == pytest.approx(back.ed_points)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "layout list"),
        ({"schema": "lvef-correction/9"}, "lvef-correction/9"),
        ({"views": {}}, "two views"),
        ({"ed_frame": 1.5}, "ed_frame"),
        ({"ed_frame": True}, "ed_frame"),
        ({"ed_frame": -1}, "ed_frame"),
        ({"ed_frame": 10**30}, "ed_frame"),
        ({"propagate": "yes"}, "propagate must be"),
        ({"ed_points": [[1, 2]]}, "15 points"),
        ({"ed_points": "x"}, "15 points"),
        ({"ed_points": [[1, "a"]] * 15}, "15 points"),
        ({"ed_points": [[1, math.nan]] * 15}, "15 points"),
        ({"ed_points": [[1, 1e9]] * 15}, "15 points"),
        ({"ed_points": [[1, 10**400]] * 15}, "15 points"),
        ({"reader": 3}, "reader"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_is_no_correction_is_reported_in_one_sentence(values, words):
    with pytest.raises(DataError, match=words) as told:
        edit_from_dict(values, "c.json")
    assert "c.json" in str(told.value)


@pytest.mark.parametrize("values", [None, {}, {"views": {"PLAX": {}}}, {"views": []}])
def test_what_is_no_study_is_reported(values):
    with pytest.raises(DataError, match="names no views"):
        study_from_dict(values)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_correction(tmp_path / "none.json")
    path = tmp_path / "c.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not valid JSON"):
        read_correction(path)
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(DataError, match="not valid JSON"):
        read_correction(path)
    path.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(DataError, match="much smaller"):
        read_correction(path)


def test_long_words_are_cut():
    assert len(edit_from_dict({"note": "x" * 10_000}).note) == 500
