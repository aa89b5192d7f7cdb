"""JSON, CSV and words: what is written is what was measured, and nothing that JSON does not know."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.fields import Group, Shown, lines_of
from lvef.core.records import Beat, CodedWarning, Measurement, PixelAspect
from lvef.core.serialization import to_json
from lvef.core.terms import Status
from lvef.core.wording import (
    beats_text,
    category_lines,
    ef_text,
    note_text,
    reason_text,
    status_text,
)
from lvef.measure.serializers import (
    RESULT_COLUMNS,
    beats_csv,
    curve_csv,
    measurement_json,
    measurement_schema,
    measurement_to_dict,
    read_measurement,
    result_row,
    results_csv,
)
from tests.measure.made_up import beating, failed, refused

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "measurement-schema.md"


def closed(schema):
    """The schema with unknown keys forbidden: readers may meet new keys, we may not invent any."""
    if isinstance(schema, dict):
        inner = {key: closed(value) for key, value in schema.items()}
        return inner | {"additionalProperties": False} if "properties" in schema else inner
    return [closed(value) for value in schema] if isinstance(schema, list) else schema


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def validator():
    schema = measurement_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(closed(schema))


ODD = {
    "calibrated": beating()[0],
    "uncalibrated": beating(calibrated=False)[0],
    "one beat": beating(45)[0],
    "nothing traced": beating(tracings=(None,) * 60)[0],
    "pixels not square": beating(spacing=PixelAspect(2.0, "Pixel Aspect Ratio"))[0],
    "indexed": beating(indexed={"edv_index_ml_m2": 61.5})[0],
    "biplane": beating(single_plane={"A4C": 51.0, "A2C": None}, tracings=(), curve=None)[0],
    "no provenance": beating(provenance=None)[0],
    "refused": refused(),
    "failed": failed(),
}


@pytest.mark.parametrize("measurement", ODD.values(), ids=ODD.keys())
def test_every_measurement_fits_the_schema(measurement: Measurement, validator):
    validator.validate(json.loads(measurement_json(measurement)))


def test_the_schema_refuses_what_is_not_a_measurement(validator):
    document = measurement_to_dict(beating()[0])
    for spoilt in (
        document | {"status": "fine"},
        document | {"ef_percent": "60"},
        document | {"unheard_of": 1},
        {key: value for key, value in document.items() if key != "beats"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(spoilt)


def test_json_never_holds_nan():
    beat = Beat(0, 10, None, float("nan"), float("inf"), float("nan"), None)
    measurement = beating(
        ef_percent=float("nan"), edv_ml=float("inf"), beats=(beat,), indexed={"x": float("nan")}
    )[0]
    document = json.loads(measurement_json(measurement), parse_constant=lambda word: pytest.fail(word))
    assert document["ef_percent"] is None
    assert document["edv_ml"] is None
    assert document["indexed"]["x"] is None
    assert document["beats"][0]["ed_volume"] is None


def test_numpy_numbers_become_plain_ones():
    measurement = beating(
        ef_percent=np.float32(50.5), n_frames=np.int64(60), single_plane={"A4C": np.float64(51.0)}
    )[0]
    document = json.loads(measurement_json(measurement))
    assert document["ef_percent"] == 50.5
    assert document["n_frames"] == 60
    assert document["single_plane"] == {"A4C": 51.0}


def test_ef_follows_from_the_volumes_as_written():
    document = measurement_to_dict(beating(edv_ml=100 / 3, esv_ml=100 / 7, ef_percent=100 * (1 - 3 / 7))[0])
    edv, esv = document["edv_ml"], document["esv_ml"]
    assert 100 * (edv - esv) / edv == pytest.approx(document["ef_percent"], abs=1e-6)


def test_points_are_laid_out_together_and_strings_are_left_alone():
    text = to_json({"points": [[1.5, -2.0], [3.0, 4.0]], "name": "[\n  1,\n  2\n]", "list": [1, 2]})
    assert '"points": [\n    [1.5, -2.0], [3.0, 4.0]\n  ]' in text
    assert json.loads(text) == {
        "points": [[1.5, -2.0], [3.0, 4.0]],
        "name": "[\n  1,\n  2\n]",
        "list": [1, 2],
    }


def test_a_measurement_comes_back_from_its_file(tmp_path):
    measurement = replace(beating(indexed={"edv_index_ml_m2": 61.5})[0], reason="why", volume_note="note")
    path = tmp_path / "measurement.json"
    path.write_text(measurement_json(measurement), encoding="utf-8")
    back = read_measurement(path)
    for field in fields(Measurement):
        if not field.compare:
            continue
        found, expected = getattr(back, field.name), getattr(measurement, field.name)
        if field.name == "beats":
            for one, other in zip(found, expected, strict=True):
                for inner in fields(Beat):
                    assert getattr(one, inner.name) == pytest.approx(getattr(other, inner.name)), inner.name
        else:
            assert found == (pytest.approx(expected) if isinstance(expected, float | dict) else expected), (
                field.name
            )
    tracing, original = back.tracings[back.es_frame], measurement.tracings[measurement.es_frame]
    np.testing.assert_allclose(tracing.contour, original.contour, atol=0.0051)
    np.testing.assert_allclose(tracing.chords, original.chords, atol=0.0051)


@pytest.mark.parametrize("measurement", ODD.values(), ids=ODD.keys())
def test_every_status_comes_back(measurement, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(measurement_json(measurement), encoding="utf-8")
    assert read_measurement(path).status is measurement.status


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("", "not valid JSON"),
        ("[]", "layout None"),
        ('{"schema": "lvef-measurement/9"}', "lvef-measurement/9"),
        ('{"schema": "lvef-measurement/2"}', "promises"),
    ],
)
def test_a_spoilt_file_is_reported_in_one_sentence(content, told, tmp_path):
    path = tmp_path / "m.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=re.escape(told)) as caught:
        read_measurement(path)
    assert str(path) in str(caught.value)


def test_a_name_that_is_no_text_is_written_all_the_same(tmp_path):
    name = b"caf\xe9.avi".decode("utf-8", "surrogateescape")
    text = measurement_json(beating(source=name)[0])
    text.encode("utf-8")
    assert "caf\ufffd.avi" in text
    results_csv([result_row(failed(name), name)]).encode("utf-8")


def test_the_curve_names_its_units_and_leaves_gaps_empty():
    measurement, _ = beating()
    volume = measurement.curve.volume.copy()
    volume[7] = np.nan
    gap = replace(measurement, curve=replace(measurement.curve, volume=volume))
    table = rows(curve_csv(gap))
    assert len(table) == 60
    assert table[7]["volume_ml"] == ""
    assert float(table[8]["volume_ml"]) == pytest.approx(volume[8], rel=1e-6)
    assert float(table[8]["time_s"]) == pytest.approx(0.16)
    assert [int(r["frame"]) for r in table if r["phase"] == "ES"] == [b.es_frame for b in measurement.beats]
    assert {int(r["frame"]) for r in table if r["phase"] == "ED"} == {0, 40}
    uncalibrated = rows(curve_csv(beating(calibrated=False)[0]))[0]
    assert "volume_relative" in uncalibrated
    assert "length_px" in uncalibrated
    assert not any(key.endswith(("_ml", "_mm")) for key in uncalibrated), "pixels must never be called ml"


def test_stills_have_no_times():
    measurement = beating(duration_s=None)[0]
    assert {row["time_s"] for row in rows(curve_csv(measurement))} == {""}
    assert measurement_to_dict(measurement)["ed_time_s"] is None


def test_beats_tell_why_they_were_left_out():
    measurement, _ = beating(175)
    beats = list(measurement.beats)
    beats[2] = replace(beats[2], excluded="premature, with a comma")
    table = rows(beats_csv(replace(measurement, beats=tuple(beats))))
    assert [r["counted"] for r in table] == ["yes", "yes", "no", "yes"]
    assert table[2]["excluded"] == "premature, with a comma"
    assert [r["shown"] for r in table] == ["yes", "no", "no", "no"]
    assert float(table[1]["ed_time_s"]) == pytest.approx(0.8)
    assert rows(beats_csv(failed())) == []


def test_a_result_row_has_every_column_in_order():
    measurement, _ = beating(175, notices=(CodedWarning("a", "A."), CodedWarning("b", "B.")))
    text = results_csv([result_row(measurement, "x, y.avi", "x"), result_row(refused(), "menu.avi")])
    assert text.splitlines()[0] == ",".join(RESULT_COLUMNS)
    assert text.startswith("path,status,ef_percent,edv_ml,esv_ml,")
    first, second = rows(text)
    assert first["path"] == "x, y.avi"
    assert first["beats"] == "4"
    assert first["warnings"] == "a; b"
    assert float(first["ef_percent"]) == pytest.approx(measurement.ef_percent, rel=1e-6)
    assert second["status"] == "refused"
    assert second["ef_percent"] == second["edv_ml"] == ""
    assert second["reason_code"] == "no_fan"


def test_a_partial_cycle_counts_no_beats():
    whole, _ = beating()
    half = replace(whole.beats[0], end_frame=None, duration_s=None)
    partial = replace(whole, status=Status.PARTIAL_CYCLE, beats=(half,))
    assert result_row(partial, "x")["beats"] == "0"
    assert beats_text(partial) == "no complete beat"
    assert "incomplete cycle" in status_text(partial)


def test_words():
    measurement, _ = beating(175)
    beats = (replace(measurement.beats[0], excluded="ectopic"), *measurement.beats[1:])
    assert beats_text(replace(measurement, beats=beats)) == "3 beats, 1 excluded"
    assert status_text(measurement) == "mean of 4 beats"
    assert status_text(beating(45)[0]) == "one beat"
    told = CodedWarning("truncated", "18 of 145 frames could be decoded; the rest is missing or damaged.")
    cut = replace(measurement, notices=(told,))
    assert status_text(cut) == "mean of 4 beats; cut off: 18 of 145 frames"
    assert status_text(replace(refused(), notices=(told,))).endswith("; cut off: 18 of 145 frames")
    assert ef_text(49.5) == "50 %", "rounded half up, as the category tables do"
    assert ef_text(-3.2) == "-3 %"
    assert lines_of(measurement, Shown.TERMINAL, Group.VOLUMES)[:2] == [
        ("Mean EDV", "120 ml"),
        ("Mean ESV", "48 ml"),
    ]
    assert lines_of(beating(calibrated=False, volume_note="no scale")[0], Shown.TERMINAL, Group.VOLUMES) == [
        ("Volumes", "No scale.")
    ]
    assert note_text("") == ""
    assert reason_text(Measurement("a.avi", Status.REFUSED, "a.avi: nothing here")) == "Nothing here."
    assert reason_text(Measurement("a.avi", Status.FAILED, "a.avi is empty")) == "a.avi is empty."


def test_category_lines_know_every_word_of_the_tables():
    from lvef.core.terms import Sex
    from lvef.geometry.categories import categories

    for ef in (10.0, 35.0, 45.0, 53.0, 60.0, 80.0):
        for sex in (None, Sex.MALE, Sex.FEMALE):
            lines = category_lines(categories(ef, sex))
            assert [name for name, _ in lines] == ["ASE/EACVI 2015", "Heart-failure range"]
            assert not any("_" in text for _, text in lines)
    assert category_lines(categories(53.0))[0][1] == "men normal, women mildly abnormal"


def test_the_reference_page_names_every_key_and_column():
    page = DOCS.read_text(encoding="utf-8")
    schema = measurement_schema()
    keys = [*schema["properties"], *schema["properties"]["beats"]["items"]["properties"], *RESULT_COLUMNS]
    for table in (curve_csv(beating()[0]), beats_csv(beating()[0])):
        keys += table.splitlines()[0].split(",")
    missing = [key for key in keys if f"`{key}`" not in page]
    assert missing == []
    for key, value in schema["properties"].items():
        if "description" in value:
            assert value["description"] in page, key
