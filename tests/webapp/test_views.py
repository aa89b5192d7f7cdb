"""What is shown of an answer: words, tables, drawings, and the data of the viewer."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from streamlit.testing.v1 import AppTest

from lvef.core.terms import Sex
from lvef.measure.options import MeasureOptions
from lvef.report.canvas import SvgCanvas
from lvef.report.curve import comparison_chart, draw_curve
from lvef.report.html import image_svg
from lvef.report.images import images_of
from lvef.webapp.layout import element_html
from lvef.webapp.measurement_view import NO_SEX, result_lines
from lvef.webapp.viewer import MAX_FRAMES, phase_caption, viewer_data, volumes
from lvef.webapp.widgets import escape_markdown
from tests.measure.made_up import beating


def test_the_class_of_the_ase_table_waits_for_the_sex():
    measurement, _ = beating()
    assert dict(result_lines(measurement, MeasureOptions()))["ASE/EACVI 2015"] == NO_SEX
    chosen = replace(measurement, categories={"ase_2015": "normal"})
    assert dict(result_lines(chosen, MeasureOptions(sex=Sex.MALE)))["ASE/EACVI 2015"] == "normal"


def test_volumes_or_the_sentence_why_not():
    with_scale, without = (beating(calibrated=c)[0] for c in (True, False))
    found = dict(result_lines(with_scale, MeasureOptions()))
    assert found["EDV"] == "120 ml" and found["Stroke volume"] == "72 ml"
    assert dict(result_lines(without, MeasureOptions()))["Volumes"] == without.volume_note


def test_a_name_cannot_become_markup():
    assert "<b>" not in element_html("table", ["File"], [(["<b>x</b>"], "")], "T")
    assert escape_markdown("![x](http://a.b/c)*_`") == r"\!\[x\]\(http\://a.b/c\)\*\_\`"


def test_the_viewer_has_every_frame_with_contour_and_volume():
    measurement, clip = beating()
    beats = (replace(measurement.beats[0], excluded="an early beat"), *measurement.beats[1:])
    data = json.loads(json.dumps(viewer_data(replace(measurement, beats=beats), clip)))
    assert len(data["frames"]) == len(data["times"]) == len(data["volume"]) == len(data["contours"]) == 60
    assert data["unit"] == "ml" and data["volume"][0] == 120.0
    assert data["ed"] == measurement.ed_frame and data["left_out"] == "Beat 1 is excluded: an early beat."
    assert data["beats"][0]["excluded"] and data["beats"][0]["text"] == "60 %"
    assert [data["ed"], "ed", True] in data["marks"]
    assert all(url.startswith("data:image/jpeg;base64,") for url in data["frames"])


def test_a_long_clip_sends_fewer_images_and_all_contours():
    measurement, clip = beating(n=MAX_FRAMES + 100, size=(64, 64))
    data = viewer_data(measurement, clip)
    assert data["every"] == 2 and len(data["frames"]) == (MAX_FRAMES + 100) // 2
    assert len(data["contours"]) == MAX_FRAMES + 100


def test_without_a_scale_the_curve_is_in_per_cent_of_the_answers_ed():
    measurement, _ = beating(calibrated=False)
    found = volumes(measurement, 60)
    assert found[measurement.ed_frame] == 100.0
    assert found[measurement.es_frame] == pytest.approx(100 - measurement.ef_percent, abs=0.01)
    lost = replace(measurement.curve, volume=np.where(np.arange(60) == 5, np.nan, measurement.curve.volume))
    assert volumes(replace(measurement, curve=lost), 60)[5] is None
    assert volumes(replace(measurement, curve=None), 60) == [None] * 60


def test_a_phase_shows_contour_axis_and_twenty_disks():
    measurement, clip = beating()
    frame = measurement.ed_frame
    svg = image_svg(images_of(measurement, clip, "", 4 / 3)[0])
    root = ET.fromstring(svg)
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert names.count("path") == 22 and names.count("image") == 1
    assert not re.search(r"https?://(?!www\.w3\.org)", svg)
    assert phase_caption(measurement, "End-diastole", frame) == "End-diastole · frame 0, 0.00 s · 120 ml"


def test_curves_are_reported_apart_by_more_than_colour():
    times, volumes = np.array([0.0, 0.5, 1.0]), np.array([100.0, np.nan, 60.0])
    canvas = SvgCanvas()
    draw_curve(
        canvas,
        comparison_chart([(name, times, volumes) for name in ("one", "two <b>")]),
        (0, 0, 900, 300),
        12,
    )
    root = ET.fromstring(canvas.document(900, 300, "Curves"))
    lines = [e for e in root.iter() if e.get("stroke", "").startswith("var(--c")]
    assert {line.get("stroke-dasharray") for line in lines} == {None, "8 4"}
    assert "two <b>" in "".join(root.itertext())


def _shown(make) -> str:
    app = AppTest.from_function(make, default_timeout=60).run()
    assert not app.exception
    return unescape("".join(element.proto.body for element in app.get("html")))


def test_the_page_shows_the_ef_with_interval_decision_and_second_opinion():
    def page():
        from lvef.measure.options import MeasureOptions
        from lvef.webapp.measurement_view import show_ef, show_quality
        from tests.measure.made_up import assessed, beating

        measurement, _ = beating(175, **assessed())
        show_ef(measurement, MeasureOptions(), key="1")
        show_quality(measurement, "1")

    text = _shown(page)
    assert "<strong>48 to 66 %</strong> (90 % prediction interval)" in text
    assert "<strong>caution</strong> Check the contours before you use the EF." in text
    assert 'class="lvef-sub lvef-apart"><strong>Second opinion:</strong> 71 % by two-stream-tuned 1' in text
    assert "Image quality: fair, 0.52 of 1" in text and "tilt the probe." in text
    assert "A third sentence." not in text
    assert ">Visible border, apex<" not in text and ">Sector width<" in text and ">75 °<" in text


def test_the_page_says_why_there_is_no_interval():
    def page():
        from lvef.measure.options import MeasureOptions
        from lvef.webapp.measurement_view import show_ef
        from tests.measure.made_up import beating

        measurement, _ = beating(interval_note="the model has no calibration")
        show_ef(measurement, MeasureOptions(), key="1")

    assert "No prediction interval. The model has no calibration." in _shown(page)


def test_a_refusal_on_the_page_has_its_reason_its_view_and_no_ef():
    def page():
        from lvef.measure.options import MeasureOptions
        from lvef.webapp.measurement_view import show_beats, show_ef
        from tests.report.cases import withheld

        measurement = withheld().measurement
        show_ef(measurement, MeasureOptions(), key="1")
        show_beats(measurement)

    text = _shown(page)
    assert "Refused: not measured" in text and "record the apical view again." in text
    assert "A4C, recognised from the image (probability 0.97)" in text
    assert "data-ef" not in text and "60.0 %" not in text
