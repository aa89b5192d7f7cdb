"""The figure of a notebook shows what the report shows: contour, long axis and disks; beats, marks and axes of the curve."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from lvef.report.charts import chart_of
from lvef.report.images import images_of
from lvef.report.notebook import IMAGE_SHAPE, figure_of
from lvef.report.style import ED_ON_BLACK, ES_ON_BLACK, LIGHT
from tests.report import cases


def drawn(result):
    figure = figure_of(result)
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    return figure


def colours(patches):
    return [to_hex(patch.get_facecolor()) for patch in patches]


def test_a_tracing_lies_where_the_report_draws_it():
    result = cases.plain()
    images = images_of(result.measurement, result.clip, "", IMAGE_SHAPE)
    for axes, image, colour in zip(drawn(result).axes, images, (ED_ON_BLACK, ES_ON_BLACK), strict=False):
        *disks, contour, axis = axes.lines
        height, width = image.pixels.shape
        assert len(disks) == len(image.tracing.chords) == 20
        assert {contour.get_color(), *(disk.get_color() for disk in disks)} == {colour}
        assert axis.get_color() == "#ffffff" and axis.is_dashed()
        # Parts of the image from its corner, which is half a pixel before the centre of the first one.
        assert np.allclose((contour.get_xydata()[:-1] + 0.5) / (width, height), image.tracing.contour)
        assert np.allclose((axis.get_xydata() + 0.5) / (width, height), image.tracing.axis)


def test_marks_and_axes_are_those_of_the_chart():
    result = cases.plain()
    chart = chart_of(result.measurement)
    curve = drawn(result).axes[2]
    assert (curve.get_xlim(), curve.get_ylim()) == (chart.times_s, chart.volumes)
    marks = {line.get_label(): line for line in curve.lines if line.get_label() in ("ED", "ES")}
    for phase, marker in (("ED", "v"), ("ES", "^")):
        assert marks[phase].get_marker() == marker and marks[phase].get_color() == LIGHT[phase.lower()]
        expected = [(time, volume) for own, time, volume in chart.marks if own == phase]
        assert marks[phase].get_xydata().tolist() == pytest.approx(np.array(expected))


def test_beats_are_marked_as_in_the_report():
    result = cases.plain()
    first, *others = result.measurement.beats
    beats = (replace(first, excluded="premature beat"), *others)
    m = replace(result.measurement, beats=beats, ed_frame=others[0].ed_frame, es_frame=others[0].es_frame)
    chart = chart_of(m)
    assert [span.kind for span in chart.spans[:2]] == ["excluded", "shown"]
    curve = drawn(replace(result, measurement=m)).axes[2]
    assert colours(curve.patches) == [LIGHT["ground"], LIGHT["chosen"]]
    assert curve.patches[0].get_hatch() and not curve.patches[1].get_hatch()
    assert [text.get_text() for text in curve.texts] == [span.label for span in chart.spans]


def test_any_name_and_any_number_of_beats_can_be_drawn():
    curve = drawn(cases.crowded()).axes[2]
    assert not curve.texts
