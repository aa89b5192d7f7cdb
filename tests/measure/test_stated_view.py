from dataclasses import replace

import pytest

from lvef.core.errors import QualityRefusal
from lvef.core.terms import View, ViewSource
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.stated_view import known_view, with_stated_view
from lvef.synthesis.phantom.render import sample_phantom
from tests.io.io_fabrication import dicom, save
from tests.io.test_dicom_view import coded
from tests.measure.made_up import beating

CLIP = beating(30)[1]


def stated(view, statement="View Code Sequence: x"):
    return replace(CLIP, view=view, view_statement=statement)


@pytest.mark.parametrize(
    "view", [View.PLAX, View.PSAX, View.SUBCOSTAL, View.OTHER_APICAL, View.UNKNOWN, View.NOT_ECHO]
)
def test_a_stated_view_that_cannot_be_measured_is_refused(view):
    with pytest.raises(
        QualityRefusal, match=r"clip\.avi: the file states .* \(View Code Sequence: x\); an apical"
    ) as met:
        with_stated_view(stated(view), View.UNKNOWN)
    assert met.value.code == "not_apical"
    kept = with_stated_view(stated(view), View.A2C)
    assert known_view(kept, View.A2C) == (View.A2C, ViewSource.USER)
    assert [n.code for n in kept.notices] == ["view_contradicts_file"]


def test_the_file_counts_more_than_the_user_between_the_two_apical_views():
    clip = with_stated_view(stated(View.A4C), View.A2C)
    assert known_view(clip, View.A2C) == (View.A4C, ViewSource.FILE)
    assert "the view in the file is used" in clip.notices[-1].text
    assert with_stated_view(CLIP, View.A2C) is CLIP
    assert known_view(CLIP, View.UNKNOWN) == (View.UNKNOWN, "")


@pytest.mark.slow
def test_a_dicom_file_of_another_view_gets_no_ef(tmp_path):
    frames = sample_phantom().clip.frames[:40]
    ds = dicom(frames, FrameTime="20", ViewCodeSequence=coded("399139001").ViewCodeSequence)
    path = save(ds, tmp_path / "plax.dcm")
    m, _ = Measurer(MeasureOptions(precision="f32")).measure(path)
    assert (m.ef_percent, m.reason_code) == (None, "not_apical")
    assert "parasternal long axis (View Code Sequence: parasternal long axis)" in m.reason
    m, _ = Measurer(MeasureOptions(precision="f32", view=View.A4C)).measure(path)
    assert m.ef_percent is not None
    assert (m.view, m.view_source) == (View.A4C, "user")
