"""The report as PDF: one page, text that can be found, nothing over anything else."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pydicom
import pypdf
import pytest
from pydicom.data import get_testdata_file

from lvef.core.wording import DISCLAIMER
from lvef.io.open import open_clip
from lvef.measure.results import Result
from lvef.report import layout
from lvef.report.content import content_of
from lvef.report.layout import wrap
from lvef.report.outputs import report_html, report_pdf
from lvef.report.pdf import HEIGHT_PT, MARGIN_PT, WIDTH_PT, PdfPage
from tests.measure.made_up import beating
from tests.report.cases import NOW, cases, plain

CASES = dict(cases())
A4_PT = (595.28, 841.89)


@cache
def pdf_of(name):
    """The file of a case, drawn once."""
    return report_pdf(CASES[name], made_at=NOW)


def opened(pdf):
    return pypdf.PdfReader(io.BytesIO(pdf))


def text_of(pdf):
    """The words of the page, wherever its lines break."""
    return " ".join(opened(pdf).pages[0].extract_text().split())


@pytest.mark.parametrize("name", CASES)
def test_every_answer_is_one_a4_page_with_its_words(name):
    reader = opened(pdf_of(name))
    assert len(reader.pages) == 1
    assert [float(v) for v in reader.pages[0].mediabox[2:]] == pytest.approx(A4_PT, abs=0.1)
    text = reader.pages[0].extract_text()
    assert text.count(DISCLAIMER) == 1
    page = content_of(CASES[name], NOW)
    assert page.ef in text
    assert "made 2026-01-31 14:05 UTC" in text


def boxes_of(pdf):
    """Every text of the page with its left, right, lower and upper edge in points."""
    boxes = []

    def visit(text, _cm, tm, font, size):
        text = text.strip()
        if text:
            width = measure.text_width(text, size, bold="Bold" in font["/BaseFont"])
            boxes.append((text, (tm[4], tm[4] + width, tm[5] - 0.2 * size, tm[5] + 0.75 * size)))

    with PdfPage() as measure:
        opened(pdf).pages[0].extract_text(visitor_text=visit)
    return boxes


@pytest.mark.parametrize("name", CASES)
def test_no_text_lies_over_another_or_outside(name):
    boxes = boxes_of(pdf_of(name))
    assert len(boxes) > 4
    for text, (x0, x1, y0, y1) in boxes:
        assert x0 >= MARGIN_PT - 3, text
        assert x1 <= WIDTH_PT - MARGIN_PT + 3, text
        assert y0 >= MARGIN_PT - 6, text
        assert y1 <= HEIGHT_PT - MARGIN_PT + 3, text
    over = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if min(a[1], b[1]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[2], b[2]) > 0.5
    ]
    assert not over


def test_overlaps_would_be_noticed(monkeypatch):
    monkeypatch.setattr(layout, "LEADING", 2.0)
    pdf_of.cache_clear()
    with pytest.raises(AssertionError):
        test_no_text_lies_over_another_or_outside("plain")
    pdf_of.cache_clear()


def test_fonts_are_inside_as_true_type():
    fonts = opened(pdf_of("crowded")).pages[0]["/Resources"]["/Font"]
    assert len(fonts) >= 2
    for font in fonts.values():
        font = font.get_object()
        descendant = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        assert descendant["/Subtype"] in ("/TrueType", "/CIDFontType2")
        assert "/FontFile2" in descendant["/FontDescriptor"].get_object()


def test_the_words_of_a_correction_a_study_and_an_ef_network():
    text = text_of(pdf_of("corrected"))
    for word in (
        "corrected by Dr. A. Müller",
        "Reader",
        "Model",
        "51 %",
        "131 ml",
        "Note: Trabeculae left out.",
    ):
        assert word in text
    text = text_of(pdf_of("study"))
    for word in ("four.dcm + two.dcm", "A4C alone", "58 %", "A2C ES", "Beats A2C"):
        assert word in text
    assert "draws no contour" in text_of(pdf_of("ef network"))


def test_a_refusal_says_why():
    text = text_of(pdf_of("refused"))
    assert "No EF" in text
    assert "No ultrasound fan was found" in text
    assert text_of(pdf_of("failed")).count("broken.avi is empty") == 1


def test_a_crowded_page_says_what_it_leaves_away_and_keeps_the_answer():
    text = text_of(pdf_of("crowded"))
    assert "more beats, in beats.csv" in text
    assert "more, in measurement.json" in text
    assert "yes, the EF above" in text
    assert "$a_{b}$" in text


def test_the_same_answer_gives_the_same_bytes():
    assert report_pdf(plain(), made_at=NOW) == pdf_of("plain")
    assert report_pdf(plain(), made_at=NOW.replace(hour=20)) != pdf_of("plain")


def test_another_process_gives_the_same_bytes():
    code = (
        "import hashlib; from tests.report.cases import NOW, crowded; "
        "from lvef.report.outputs import report_pdf; "
        "print(hashlib.sha256(report_pdf(crowded(), made_at=NOW)).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "1"},  # sets in another order
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(pdf_of("crowded")).hexdigest()


def test_the_record_names_no_person():
    record = opened(pdf_of("plain")).metadata
    assert record.author is None
    assert set(record) == {"/Title", "/Creator", "/CreationDate"}
    assert record["/Title"] == "Ejection fraction: clip.avi"


def test_what_a_dicom_knows_of_its_patient_is_on_no_page(tmp_path):
    data = pydicom.dcmread(get_testdata_file("examples_ybr_color.dcm", download=False))
    data.PatientName, data.PatientID, data.PatientBirthDate = "DOE^JANE", "MRN4711", "19450309"
    data.save_as(tmp_path / "clip.dcm")
    clip = open_clip(tmp_path / "clip.dcm")
    measurement, _ = beating(len(clip.frames), clip.frames.shape[1:], source=clip.source)
    answer = Result(measurement, clip)
    raw = report_pdf(answer, made_at=NOW)
    for told in (text_of(raw), raw.decode("latin-1"), report_html(answer, made_at=NOW)):
        for secret in ("DOE", "JANE", "MRN4711", "19450309", str(tmp_path)):
            # The images are data of their own, in which three letters may stand by chance.
            assert secret not in told.split("base64,")[0]


def test_it_needs_no_matplotlib(monkeypatch):
    # Another test of the same process may have loaded it.
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    report_pdf(plain(), made_at=NOW)
    assert "matplotlib" not in sys.modules


@pytest.mark.parametrize(
    "text", ["", "one", "many words " * 30, "W" * 200, "a " + "i" * 300 + " b", "心エコー " * 20]
)
def test_wrapped_lines_fit_and_keep_all_letters(text):
    with PdfPage() as page:
        lines = wrap(page, text, 120, 8)
        assert all(page.text_width(line, 8) <= 120.01 for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        cut = wrap(page, text, 120, 8, most=2)
        assert len(cut) <= 2
        assert all(page.text_width(line, 8) <= 120.01 for line in cut)
    assert cut == lines if len(lines) <= 2 else cut[-1].endswith(" ...")
