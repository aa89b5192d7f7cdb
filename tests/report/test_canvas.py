"""The canvases draw the same: lines where they should be, of their colour, and text that fits its width."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from lvef.report.canvas import PixelCanvas, Stroke, SvgCanvas
from lvef.report.style import DARK, LIGHT, rgb


def test_a_line_lies_where_it_was_drawn():
    canvas = PixelCanvas(40, 20)
    canvas.line([(5, 10), (35, 10)], Stroke("#ff0000", 2))
    cover = 255.0 - canvas.rgb_image()[..., 1]
    assert np.average(np.arange(20) + 0.5, weights=cover.sum(axis=1)) == pytest.approx(10, abs=0.2)
    assert np.average(np.arange(40) + 0.5, weights=cover.sum(axis=0)) == pytest.approx(20, abs=0.2)
    assert (cover[..., None] == 255.0 - canvas.rgb_image()[..., 1:]).all(), "red stays"


def test_half_opaque_lines_mix_with_what_is_below_and_nothing_else_changes():
    canvas = PixelCanvas(40, 20)
    canvas.line([(5, 10), (35, 10)], Stroke("#000000", 4, alpha=0.5))
    image = canvas.rgb_image()
    assert abs(int(image[10, 20, 0]) - 128) < 12
    assert (image[:5] == 255).all() and (image[15:] == 255).all()


def test_lines_and_text_beyond_the_edge_are_cut():
    canvas = PixelCanvas(20, 20)
    canvas.line([(-30, -30), (60, 60)], Stroke("ink", 2, alpha=0.5))
    canvas.text(-5, 8, "Wide words beyond the edge", 9, "ink")
    canvas.text(300, 300, "nowhere", 9, "ink")
    assert canvas.rgb_image().shape == (20, 20, 3)


def test_dashes_leave_gaps():
    canvas = PixelCanvas(60, 10)
    canvas.line([(0, 5), (60, 5)], Stroke("#000000", 2, dash=(6, 6)))
    row = canvas.rgb_image()[5, :, 0] < 128
    assert np.diff(row.astype(int)).clip(0).sum() >= 4


@pytest.mark.parametrize("align", [0.0, 0.5, 1.0])
def test_text_is_aligned(align):
    canvas = PixelCanvas(200, 30)
    canvas.text(100, 20, "HHHH", 12, "ink", align=align)
    x = np.flatnonzero((canvas.rgb_image()[..., 0] < 128).any(axis=0))
    width = canvas.text_width("HHHH", 12)
    assert x.min() == pytest.approx(100 - align * width, abs=2)
    assert x.max() == pytest.approx(100 + (1 - align) * width, abs=3)


def test_names_of_colours_follow_the_palette():
    for palette in (LIGHT, DARK):
        image = PixelCanvas(4, 4, "page", palette).rgb_image()
        assert tuple(image[0, 0]) == rgb(palette["page"])
    assert LIGHT.keys() == DARK.keys()


def test_svg_leaves_named_colours_to_the_page_and_escapes_text():
    canvas = SvgCanvas()
    canvas.line([(0, 0), (1, 2)], Stroke("ink", 1, dash=(2, 3)))
    canvas.area([(0, 0), (1, 0), (1, 1)], "#123456", edge="page")
    canvas.text(1, 2, "<b>&", 9, "soft", bold=True, align=0.5)
    root = ET.fromstring(canvas.document(10, 10, "A <drawing>"))
    line, area, text = root
    assert line.get("stroke").startswith("var(--ink")
    assert area.get("fill") == "#123456"
    assert (text.text, text.get("text-anchor")) == ("<b>&", "middle")
    assert root.get("aria-label") == "A <drawing>"
    assert ET.fromstring(canvas.document(10, 10)).get("aria-hidden") == "true"
