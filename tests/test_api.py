"""The Python API: the same numbers as the pipeline, whatever the source is, and one sentence where it cannot be."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import numpy as np
import polars
import pydicom
import pytest

import lvef
from lvef.measure.pipeline import Measurer
from lvef.measure.serializers import RESULT_COLUMNS, measurement_to_dict

F32 = {"precision": "f32"}


@pytest.fixture(scope="module")
def cine():
    return lvef.sample_cine()


@pytest.fixture(scope="module")
def clip(cine):
    return lvef.read_clip(cine)


@pytest.fixture(scope="module")
def result(cine):
    return lvef.measure(cine, **F32)


def test_a_path_gives_the_result_of_the_pipeline(cine, result):
    expected = Measurer(lvef.MeasureOptions(precision="f32")).measure(cine)[0]
    ours, theirs = result.to_dict(), measurement_to_dict(expected)
    for document in (ours, theirs):
        document["provenance"].pop("seconds")
    assert ours == theirs
    assert result.ef_percent == expected.ef_percent
    assert result.interval_percent == (expected.ef_low_percent, expected.ef_high_percent)
    assert (result.view, result.status, result.decision) == ("A4C", "partial_cycle", expected.decision)
    assert len(result.tracings) == len(result.curve.volume) == 30
    assert result.raise_for_status() is result


def test_dataset_clip_and_array_give_the_same_ef(cine, clip, result):
    of_dataset = lvef.measure(pydicom.dcmread(cine), **F32)
    of_clip = lvef.measure(clip, **F32)
    of_array = lvef.measure(clip.frames, frame_rate_hz=clip.frame_rate_hz, **F32)
    assert {r.ef_percent for r in (of_dataset, of_clip, of_array)} == {result.ef_percent}
    assert (of_dataset.source, of_array.source) == ("DICOM dataset", "array")
    assert "/tmp" not in of_dataset.to_json()


def test_a_colour_array_is_measured_as_its_grey(clip, result):
    colour = np.repeat(clip.frames[..., None], 3, axis=3)
    assert lvef.measure(colour, frame_rate_hz=clip.frame_rate_hz, **F32).ef_percent == pytest.approx(
        result.ef_percent, abs=0.3
    )


def test_several_sources_give_a_list_and_errors_stay_in_it(cine, result):
    both = lvef.measure(cine, "missing.dcm", **F32)
    assert [r.status for r in both] == ["partial_cycle", "failed"]
    assert both[0].ef_percent == result.ef_percent
    assert "missing.dcm" in both[1].reason
    assert [r.status for r in lvef.measure([cine], **F32)] == ["partial_cycle"]
    with pytest.raises(lvef.LvefError, match=r"missing\.dcm"):
        both[1].raise_for_status()
    with pytest.raises(lvef.LvefError, match=r"missing\.dcm"):
        lvef.measure(["missing.dcm"], raise_errors=True)


def test_a_folder_among_several_stands_for_its_clips(tmp_path, cine, result):
    (tmp_path / "a.dcm").write_bytes(cine.read_bytes())
    (tmp_path / "notes.txt").write_text("no clip")
    assert [r.ef_percent for r in lvef.measure([tmp_path], **F32)] == [result.ef_percent]
    assert [r.status for r in lvef.measure(str(tmp_path), "missing.dcm", **F32)] == [
        "partial_cycle",
        "failed",
    ]
    with pytest.raises(lvef.LvefError, match=r"a folder of 1 clip, one clip was expected. lvef\.measure\(\["):
        lvef.measure(tmp_path, **F32)


def test_a_folder_of_numbered_stills_is_one_clip(tmp_path, clip):
    import cv2

    for number, frame in enumerate(clip.frames[:12]):
        cv2.imwrite(str(tmp_path / f"frame{number:03}.png"), frame)
    one = lvef.measure(tmp_path, frame_rate_hz=30.0, **F32)
    assert one.measurement.n_frames == 12
    assert [r.ef_percent for r in lvef.measure([tmp_path], frame_rate_hz=30.0, **F32)] == [one.ef_percent]


def test_a_folder_without_clips_fails(tmp_path):
    assert [r.status for r in lvef.measure([tmp_path])] == ["failed"]
    with pytest.raises(lvef.LvefError, match=re.escape(str(tmp_path))):
        lvef.measure(tmp_path)


def test_a_refusal_is_a_result():
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64), np.uint8)
    refused = lvef.measure(noise, frame_rate_hz=30.0)
    assert (refused.status, refused.ef_percent) == ("refused", None)
    assert refused.reason


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        ("missing.dcm", {}, "does not exist"),
        (3, {}, "int cannot be measured"),
        (np.zeros((5, 64, 64), np.uint8), {}, "frame_rate_hz"),
        (np.zeros((5, 64, 64), np.uint8), {"frame_rate_hz": 0.0}, "cannot be that of an echo"),
        (np.zeros((64, 64), np.uint8), {"frame_rate_hz": 30.0}, r"shape \(64, 64\)"),
        (np.zeros((0, 64, 64), np.uint8), {"frame_rate_hz": 30.0}, "shape"),
        (np.zeros((5, 64, 64), complex), {"frame_rate_hz": 30.0}, "complex"),
        (pydicom.Dataset(), {}, "DICOM dataset"),
        ("missing.dcm", {"weigths": "x"}, "did you mean weights"),
        ("missing.dcm", {"view": "PLAX"}, "A4C or A2C"),
        ("missing.dcm", {"sex": "x"}, "F or M"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_sentence(source, options, sentence):
    with pytest.raises(lvef.LvefError, match=sentence):
        lvef.measure(source, **options)


def test_nothing_to_measure():
    with pytest.raises(lvef.LvefError, match="Nothing to measure"):
        lvef.measure()


def test_stills_and_study(tmp_path, clip, cine):
    import cv2

    for name, frame in (("ed", 19), ("es", 4)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), clip.frames[frame])
    stills = lvef.measure_stills(tmp_path / "ed.png", tmp_path / "es.png", **F32)
    assert stills.ef_percent is not None
    with pytest.raises(lvef.LvefError, match=r"missing\.dcm"):
        lvef.measure_biplane("missing.dcm", cine)


def test_plot_shows_ed_es_and_curve(result):
    figure = result.plot()
    ed, es, curve = figure.axes
    assert ed.get_title().startswith("ED") and es.get_title().startswith("ES")
    assert len(ed.images) == len(es.images) == 1
    x, y = curve.lines[0].get_data()
    assert (len(x), max(y)) == (30, pytest.approx(100.0))
    assert "EF 65 %" in figure.get_suptitle()
    # What a notebook without pyplot shows.
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_nothing_to_plot_is_said():
    failed = lvef.measure(["missing.dcm"])[0]
    with pytest.raises(lvef.LvefError, match="nothing to plot"):
        failed.plot()
    assert "does not exist" in failed._repr_html_()


def test_a_notebook_shows_ef_and_image(result):
    html = result._repr_html_()
    assert "EF 65 %" in html and 'src="data:image/png;base64,' in html
    assert "<script" not in html
    assert "EF 65 %" in repr(result)


def test_save_writes_what_the_command_writes(tmp_path, result):
    names = result.save(tmp_path / "out", video=False)
    assert {"measurement.json", "curve.csv", "beats.csv", "summary.png"} <= set(names)


def test_dataframe_has_the_columns_of_the_csv(result):
    frame = lvef.to_dataframe([result])
    assert frame.columns == [name for name in RESULT_COLUMNS if name != "folder"]
    assert frame["ef_percent"].to_list() == [result.ef_percent]
    assert frame["status"].to_list() == ["partial_cycle"]
    assert lvef.to_dataframe(result).equals(frame)


def test_the_types_of_columns_do_not_depend_on_the_results(result):
    values = lvef.to_dataframe(result)
    failed = lvef.to_dataframe(lvef.measure(["missing.dcm"]))
    assert values.schema == failed.schema == lvef.to_dataframe([]).schema
    assert {values.schema[name] for name in ("edv_ml", "ef_percent", "second_opinion")} == {polars.Float64}
    assert {values.schema[name] for name in ("beats", "es_frame")} == {polars.Int64}
    document = result.to_dict()
    for name in set(document) & set(values.columns):
        if isinstance(value := document[name], int | float):
            assert values[name].to_list() == pytest.approx([value]), name


def test_help_explains_the_arguments_of_measure():
    assert "raise_errors" in inspect.signature(lvef.measure).parameters
    assert inspect.getdoc(lvef.measure) == inspect.getdoc(lvef.api.measure)


def test_names_load_when_they_are_used():
    code = (
        "import sys, lvef; assert 'numpy' not in sys.modules; assert callable(lvef.measure); "
        "assert 'torch' not in sys.modules; "
        "print(sorted(lvef.__all__) == sorted(n for n in lvef.__all__ if hasattr(lvef, n)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "True\n"
    )
    with pytest.raises(AttributeError, match="no attribute 'measured'"):
        lvef.measured  # noqa: B018
