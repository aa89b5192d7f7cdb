"""The report as PDF: one page, words that can be found, nothing over anything else."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib as mpl
import pydicom
import pypdf
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, TransformedBbox
from pydicom.data import get_testdata_file

from lvef.core.wording import DISCLAIMER
from lvef.io.open import open_clip
from lvef.measure.results import Result
from lvef.report import pdf as drawing
from lvef.report.content import page_of
from lvef.report.documents import report_html, report_pdf
from lvef.report.sheet import HEIGHT_PT, MARGIN_PT, WIDTH_PT, shorten, shorten_middle, width_of, wrap
from tests.measure.made_up import beating
from tests.report.cases import NOW, cases, plain

CASES = dict(cases())
FINE = 8
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
    page = page_of(CASES[name], NOW)
    assert page.answer in text
    assert "made 2026-01-31 14:05 UTC" in text


@pytest.mark.parametrize("name", CASES)
def test_no_words_lie_over_each_other_or_outside(name):
    with mpl.rc_context(drawing._STYLE):
        figure = drawing.draw_sheet(page_of(CASES[name], NOW)).figure
        # Fine, so that letters are not pushed to whole pixels, as they are not in the file.
        figure.set_dpi(72 * FINE)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
        texts = [
            t
            for t in figure.findobj(Text)
            if t.get_text().strip() and t.get_visible() and t.get_figure() is not None
        ]
        boxes = [
            (t.get_text(), TransformedBbox(t.get_window_extent(renderer), Affine2D().scale(1 / FINE)))
            for t in texts
        ]
    assert len(boxes) > 4
    for word, box in boxes:
        assert box.x0 >= MARGIN_PT - 3, word
        assert box.x1 <= WIDTH_PT - MARGIN_PT + 3, word
        assert box.y0 >= MARGIN_PT - 6, word
        assert box.y1 <= HEIGHT_PT - MARGIN_PT + 3, word
    # The line height of a font reaches over its letters: two points may be shared.
    slack = 2.0
    over = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > slack
    ]
    assert not over


def test_overlaps_would_be_noticed(monkeypatch):
    monkeypatch.setattr(drawing, "_LEADING", 2.0)
    with pytest.raises(AssertionError):
        test_no_words_lie_over_each_other_or_outside("plain")


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
        "Machine",
        "51 %",
        "131 ml",
        "Note: Trabeculae left out.",
    ):
        assert word in text
    text = text_of(pdf_of("study"))
    for word in ("four.dcm + two.dcm", "A4C alone", "58 %", "A2C ES", "Beats A2C"):
        assert word in text
    assert "nothing to check by eye" in text_of(pdf_of("ef network"))


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
        "from lvef.report.documents import report_pdf; "
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
            # The pictures are data of their own, in which three letters may stand by chance.
            assert secret not in told.split("base64,")[0]


def test_it_is_drawn_without_a_window_system(monkeypatch):
    # Another test of the same process may have loaded it.
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    before = mpl.rcParams["pdf.fonttype"]
    report_pdf(plain(), made_at=NOW)
    assert "matplotlib.pyplot" not in sys.modules
    assert mpl.rcParams["pdf.fonttype"] == before


@pytest.mark.parametrize(
    "text", ["", "one", "many words " * 30, "W" * 200, "a " + "i" * 300 + " b", "心エコー " * 20]
)
def test_wrapped_lines_fit_and_keep_all_letters(text):
    lines = wrap(text, 120, 8)
    assert all(width_of(line, 8) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    cut = wrap(text, 120, 8, most=2)
    assert len(cut) <= 2
    assert all(width_of(line, 8) <= 120 for line in cut)
    assert cut == lines if len(lines) <= 2 else cut[-1].endswith(" ...")


def test_shortened_lines_fit():
    assert shorten("short", 100, 8) == "short"
    assert width_of(shorten("W" * 90, 100, 8), 8) <= 100
    name = shorten_middle("W" * 90 + ".avi", 100, 8)
    assert width_of(name, 8) <= 100
    assert name.endswith(".avi")


@pytest.mark.parametrize("word", ["Ejection fraction", "WAVE Tо", "47 %"])
def test_measured_width_is_that_of_the_drawing(word):
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    drawn = TextPath((0, 0), word, size=100, prop=FontProperties(family="DejaVu Sans")).get_extents()
    # Without kerning, which only draws letters together.
    assert 0.95 * width_of(word, 100) <= drawn.x1 <= 1.002 * width_of(word, 100)
