"""The page: one file, nothing fetched, nothing interpreted, numbers on the right."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import numpy as np
import pytest

from lvef.evaluation.plots.style import encode_png
from lvef.evaluation.report import Plot, Section, Table, render_page

NASTY = "<script>alert('x')</script> & \"quoted\" $x$ Überblick 漢字"
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Elements, their attributes and their words; closing tags must match."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag):
        return [data for name, data in self.words if name == tag]


def png(height=20, width=30):
    return encode_png(np.zeros((height, width, 3), np.uint8))


def full_page():
    table = Table([NASTY, "Dice"], [[NASTY, "0.9"]], NASTY)
    section = Section(NASTY, NASTY + "\n\nsecond", [table], [Plot(png(), NASTY)])
    return render_page(NASTY, NASTY, [section, Section("Rest")])


def test_everything_is_escaped():
    page = full_page()
    reader = Reader(page)
    assert "<script" not in page
    assert not reader.all("script")
    for tag in ("title", "h1", "h2", "p", "a", "caption", "th", "td"):
        assert NASTY in reader.text(tag)
    assert reader.all("img")[0]["alt"] == NASTY


def test_nothing_is_fetched():
    page = full_page()
    assert "http" not in page
    assert "url(" not in page and "@import" not in page
    reader = Reader(page)
    assert not {"script", "link", "iframe", "object", "base", "form"} & {tag for tag, _ in reader.elements}
    for _, attributes in reader.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith("#")


def test_images_are_inside_with_their_size():
    data = png(20, 30)
    (image,) = Reader(render_page("a", "", [Section("b", plots=[Plot(data, "c")])])).all("img")
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True) == data
    assert (image["width"], image["height"]) == ("30", "20")


def test_contents_lead_to_the_sections():
    reader = Reader(render_page("a", "b", [Section("One"), Section("Two"), Section("Two")]))
    links = [attributes["href"][1:] for attributes in reader.all("a")]
    targets = [attributes["id"] for attributes in reader.all("h2")]
    assert links == targets
    assert len(set(targets)) == 3
    assert reader.text("h2") == ["One", "Two", "Two"]
    assert not Reader(render_page("a", "b", [Section("One")])).all("nav")


def test_paragraphs():
    reader = Reader(render_page("a", "one\nstill one\n\n\n  two\n \n", []))
    assert reader.text("p") == ["one\nstill one", "two"]


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["0.91", "12", "-3.4", "−3.4", "+0.2", "1e-3"], True),
        (["5.2 (4.6 to 5.9)", "-", "nan", "", "n/a"], True),
        (["92 %", "12.5 ml", "< 3", "± 2", "12/50", "3 of 50"], True),
        (["[1, 2]", "1"], True),
        (["A4C ED", "0.9"], False),
        (["2 chambers", "4 chambers"], False),
        (["4CH"], False),
        (["", "-"], False),
        ([], False),
    ],
)
def test_numbers_stand_on_the_right(cells, right):
    table = Table(["Name", "Value"], [["x", cell] for cell in cells])
    reader = Reader(render_page("a", "", [Section("b", tables=[table])]))
    classes = [attributes.get("class") for tag, attributes in reader.elements if tag in ("th", "td")]
    assert classes[0::2] == [None] * (len(cells) + 1)
    assert classes[1::2] == ["number" if right else None] * (len(cells) + 1)


def test_tables_scroll_in_their_frame():
    page = render_page("a", "", [Section("b", tables=[Table(["c"], [["1"]])])])
    reader = Reader(page)
    place = [tag for tag, _ in reader.elements].index("table")
    assert reader.elements[place - 1][1]["class"] == "frame"
    assert ".frame { overflow-x: auto;" in page
    assert "@media print" in page
    assert "width=device-width" in page


def test_names_that_no_file_can_hold_become_a_mark():
    page = render_page("name \udcff", "", [Section("a", "b\udc80")])
    assert "�" in page
    assert page.encode("utf-8").decode("utf-8") == page


def test_the_same_page_twice():
    assert full_page() == full_page()


def test_mistakes_of_the_caller_are_named():
    with pytest.raises(ValueError, match="Agreement has 2 columns, but a row has 1 cells"):
        Table(["a", "b"], [["1"]], "Agreement")
    with pytest.raises(ValueError, match="'scatter' is no PNG"):
        Plot(b"\xff\xd8\xff\xe0 a JPEG of some kind", "scatter")
    with pytest.raises(ValueError, match="no PNG"):
        Plot(b"", "")
