"""The report as HTML: it needs nothing beside it, nothing in it runs, and it can be read without seeing it."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from html.parser import HTMLParser

import cv2
import numpy as np
import pypdf
import pytest

from lvef.core.wording import DISCLAIMER
from lvef.report.content import content_of
from lvef.report.outputs import report_html
from tests.report.cases import NOW, cases, corrected, crowded, of_ef_network, plain, study

CASES = dict(cases())
VOID = {"meta", "img"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """Tags, their attributes and all words; tags must close in order."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(self.words)


def page(answer):
    return Page(report_html(answer, made_at=NOW))


@pytest.mark.parametrize("name", CASES)
def test_every_answer_is_a_whole_page_that_needs_nothing(name):
    text = report_html(CASES[name], made_at=NOW)
    found = Page(text)
    assert found.open == []
    assert text.startswith("<!DOCTYPE html>")
    assert found.of("html") == [{"lang": "en"}]
    assert not {tag for tag, _ in found.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "a",
    }
    assert not re.findall(r"https?:|//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    for tag, attrs in found.tags:
        assert not any(key.startswith("on") for key in attrs), tag
        for key in ("src", "href", "xlink:href"):
            assert attrs.get(key, "data:image/jpeg;").startswith("data:image/jpeg;")
    assert found.text.count(DISCLAIMER) == 1
    assert content_of(CASES[name], NOW).ef in found.text


@pytest.mark.parametrize("name", CASES)
def test_it_can_be_read_without_seeing_it(name):
    found = page(CASES[name])
    assert all((attrs.get("alt") or "").endswith(".") for attrs in found.of("img"))
    drawings = [attrs for attrs in found.of("svg") if attrs.get("aria-hidden") != "true"]
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawings)
    assert len(found.of("h1")) == 1
    assert len(found.of("caption")) == len(found.of("table"))
    scopes = [attrs.get("scope") for attrs in found.of("th")]
    assert all(scope in ("col", "row") for scope in scopes)
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)


def test_images_are_inside_with_their_contours():
    found = page(plain())
    pictures = [attrs["src"].partition("base64,")[2] for attrs in found.of("img")]
    assert len(pictures) == 2
    for packed in pictures:
        image = cv2.imdecode(np.frombuffer(base64.b64decode(packed), np.uint8), cv2.IMREAD_GRAYSCALE)
        assert image.shape == (420, 538)
        assert image.max() > 60
    assert sum(attrs.get("stroke-dasharray") is not None for attrs in found.of("path")) == 2
    assert len(page(study()).of("img")) == 4
    bare = page(of_ef_network())
    assert len(bare.of("img")) == 2
    assert not [attrs for attrs in bare.of("path") if attrs.get("stroke-dasharray")]
    assert "draws no contour" in bare.text


def test_a_name_is_text_whatever_it_says():
    nasty = "x/<script>alert(1)</script>\"'&amp;<img src=q onerror=1>.avi"
    text = report_html(plain(source=nasty), made_at=NOW)
    found = Page(text)
    assert "<script" not in text
    assert not [attrs for attrs in found.of("img") if "onerror" in attrs]
    # The name has slashes, so only what follows the last one is its name.
    assert "script>\"'&amp;<img src=q onerror=1>.avi" in found.text
    reader = plain(
        correction=corrected().measurement.correction.__class__("<b>R</b>", "<i>", ("<u>",), note="<s>")
    )
    text = report_html(reader, made_at=NOW)
    assert not set(re.findall(r"<(b|i|u|s)>(?!E)", text))


def test_a_correction_shows_both_answers():
    found = page(corrected())
    for word in ("Reader", "Model", "51 %", "131 ml", "Note: Trabeculae left out."):
        assert word in found.text


def test_an_excluded_beat_is_hatched_and_says_why():
    found = page(crowded())
    assert any("--hatch" in attrs.get("stroke", "") for attrs in found.of("path"))
    assert not any("--hatch" in attrs.get("stroke", "") for attrs in page(plain()).of("path"))
    assert "excluded: premature beat" in found.text


def test_dark_and_paper_have_their_own_colours():
    text = report_html(plain(), made_at=NOW)
    assert "prefers-color-scheme:dark" in text
    assert "@page{size:A4" in text


def test_the_same_answer_gives_the_same_text():
    assert report_html(crowded(), made_at=NOW) == report_html(crowded(), made_at=NOW)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("name", ["plain", "assessed", "crowded", "corrected study"])
def test_it_prints_on_one_page(name, tmp_path):
    (tmp_path / "report.html").write_text(report_html(CASES[name], made_at=NOW), encoding="utf-8")
    subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            f"--user-data-dir={tmp_path / 'profile'}", "--no-pdf-header-footer",
            f"--print-to-pdf={tmp_path / 'printed.pdf'}", str(tmp_path / "report.html"),
        ],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    printed = pypdf.PdfReader(tmp_path / "printed.pdf")
    assert len(printed.pages) == 1
    assert DISCLAIMER in printed.pages[0].extract_text()
