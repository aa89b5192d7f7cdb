from dataclasses import replace
from types import SimpleNamespace

import pytest

from lvef.core.records import CodedWarning, ImageQuality
from lvef.core.terms import Decision, Status, View, ViewSource
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.study import measure_study, rank
from lvef.synthesis.phantom.render import sample_phantom
from tests.io.io_fabrication import dicom, save
from tests.io.test_dicom_view import coded
from tests.measure.made_up import beating, refused

BASE = replace(beating(60)[0], view=View.A4C, view_source=ViewSource.FILE, decision=Decision.ACCEPTED)


class Known:
    """Measures by the file's name."""

    def __init__(self, results):
        self.results, self.options, self.second = results, MeasureOptions(), None
        self.predictor = SimpleNamespace(structures=("lv",))
        self.progress = None

    def with_options(self, options, progress=None):
        return self

    def measure(self, path):
        found = self.results[path.name]
        clip = beating(60, view=found.view, frames=None)[1]
        # Two clips of one heart would be refused as copies.
        shift = sum(map(ord, path.name)) % 40
        return replace(found, source=str(path)), replace(clip, frames=clip.frames // 2 + shift)


def study(results, folder):
    for name in results:
        (folder / name).write_bytes(name.encode())
    return measure_study(Known(results), folder, sorted(folder / name for name in results))


def quality(score):
    return ImageQuality(score)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, {"view_source": ViewSource.IMAGE, "view_probability": 1.0, "quality": quality(1.0)}),
        ({"view_probability": 0.9}, {"view_probability": 0.6, "quality": quality(1.0)}),
        ({"quality": quality(0.2)}, {"decision": Decision.CAUTION, "quality": quality(0.9)}),
        ({"quality": quality(0.8), "beats": BASE.beats[:1]}, {"quality": quality(0.4)}),
        (
            {"ef_low_percent": 50.0, "ef_high_percent": 60.0},
            {"ef_low_percent": 40.0, "ef_high_percent": 60.0},
        ),
        ({}, {"beats": ()}),
    ],
)
def test_what_makes_a_clip_the_best(better, worse):
    assert rank(replace(BASE, **better)) < rank(replace(BASE, **worse))


def test_without_both_views_it_says_what_each_file_is(tmp_path):
    results = {"a.dcm": BASE, "b.dcm": replace(BASE, view=View.UNKNOWN), "c.dcm": refused("c.dcm")}
    m, views = study(results, tmp_path)
    assert (m.status, m.reason_code, views) == (Status.REFUSED, "no_pair", {})
    assert "no A2C with an EF was found among 3 files" in m.reason
    assert f"a.dcm (A4C, EF {BASE.ef_percent:.0f} %)" in m.reason
    assert "b.dcm (view unknown" in m.reason
    assert f"c.dcm ({results['c.dcm'].reason_code})" in m.reason


@pytest.mark.slow
def test_the_clips_of_several_patients_are_no_study(tmp_path):
    made = sample_phantom().clip.frames[:5]
    files = [save(dicom(made, FrameTime="20", PatientID=name), tmp_path / f"{name}.dcm") for name in "ab"]
    m, _ = measure_study(Known({}), tmp_path, files)
    assert m.reason_code == "patients_differ"
    assert "2 patients" in m.reason


@pytest.mark.slow
def test_a_study_of_four_clips(tmp_path):
    codes = {"four": "399214001", "two": "399232001", "long": "399139001"}
    for name, code in codes.items():
        view = View.A2C if name == "two" else View.A4C
        frames = sample_phantom(view).clip.frames
        ds = dicom(frames[:50], FrameTime="20", ViewCodeSequence=coded(code).ViewCodeSequence)
        save(ds, tmp_path / f"{name}.dcm")
        if name == "four":
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
            ds.NumberOfFrames, ds.PixelData = 12, frames[:12].tobytes()
            save(ds, tmp_path / "short.dcm")
    files = sorted(tmp_path.iterdir())
    m, views = Measurer(MeasureOptions(precision="f32")).measure_study(tmp_path, files)
    assert m.method.startswith("biplane")
    assert m.single_plane == {name: part.ef_percent for name, (part, _) in views.items()}
    assert [part.source for part, _ in views.values()] == [
        str(tmp_path / f"{n}.dcm") for n in ("four", "two")
    ]
    notice = m.notices[0]
    assert notice.code == "study_choice"
    assert notice.text.startswith("Chosen of 4 files: A4C: four.dcm, the ")
    assert "A2C: two.dcm, the only one (view stated in the file" in notice.text
    assert "long.dcm (not_apical)" in notice.text


@pytest.mark.parametrize(("doubted", "swapped"), [(("A4C", "A2C"), True), (("A4C",), False), ((), False)])
def test_images_that_each_look_like_the_other_view_are_said_to_be_swapped(doubted, swapped, tmp_path):
    doubt = CodedWarning("view_contradicts_image", "It looks like the other one.")
    results = {
        f"{view}.dcm": replace(BASE, view=view, notices=(doubt,) if view in doubted else ())
        for view in (View.A4C, View.A2C)
    }
    codes = [notice.code for notice in study(results, tmp_path)[0].notices]
    assert ("views_swapped" in codes) is swapped
    assert codes.count("views_swapped") == swapped
