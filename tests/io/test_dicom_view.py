import pytest
from pydicom.dataset import Dataset
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from lvef.core.terms import View
from lvef.io.dicom import read_dicom
from lvef.io.dicom_view import VIEW_CODES, StatedView, read_view
from tests.io.io_fabrication import PERSON, dicom, moving_grey, regions, save


def coded(code, scheme="SCT", **texts):
    item, ds = Dataset(), Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code, scheme
    ds.ViewCodeSequence = regions(item)
    for keyword, text in texts.items():
        setattr(ds, keyword, text)
    return ds


def text(**texts):
    ds = Dataset()
    for keyword, value in texts.items():
        setattr(ds, keyword, value)
    return read_view(ds)


def test_the_codes_are_those_of_the_standard():
    expected = set()
    for scheme, names in cid_concepts[12226].items():
        for name in names:
            for code in concepts[scheme][name]:
                expected.add(f"{code} {mapping['SCT'][code]}" if scheme == "SCT" else code)
    assert set(VIEW_CODES) == expected


@pytest.mark.parametrize(
    ("code", "scheme", "view"),
    [
        ("399214001", "SCT", View.A4C),
        ("G-A19B", "SRT", View.A2C),
        ("G-0396", "99SDM", View.PLAX),
        ("399271003", "SCT", View.PSAX),
        ("399339008", "SCT", View.OTHER_APICAL),
        ("130681", "DCM", View.OTHER_APICAL),
        ("130681", "99ACME", View.UNKNOWN),
        ("399200001", "SCT", View.SUBCOSTAL),
        ("399106004", "SCT", View.UNKNOWN),
        ("12345", "SCT", View.UNKNOWN),
    ],
)
def test_view_of_a_code(code, scheme, view):
    assert read_view(coded(code, scheme)).view is view


@pytest.mark.parametrize(
    ("label", "view"),
    [
        ("A4C", View.A4C),
        ("ap4", View.A4C),
        ("Apical 4-Chamber", View.A4C),
        ("apical four chamber", View.A4C),
        ("Stress REST 2CH", View.A2C),
        ("AP3", View.OTHER_APICAL),
        ("A5C color", View.OTHER_APICAL),
        ("PLAX zoom", View.PLAX),
        ("Parasternal short axis", View.PSAX),
        ("Subcostal", View.SUBCOSTAL),
        ("Suprasternal", View.UNKNOWN),
        ("A4C, A2C", View.UNKNOWN),
        ("TEE ME 4CH", View.UNKNOWN),
        ("A4C RV focused", View.UNKNOWN),
        ("no A4C", View.UNKNOWN),
        ("probe 4C", View.UNKNOWN),
        ("LAX", View.UNKNOWN),
        ("A4C of poor quality because of obesity, see report", View.UNKNOWN),
        ("", View.UNKNOWN),
    ],
)
def test_view_of_a_label(label, view):
    assert text(SeriesDescription=label).view is view


def test_a_code_counts_more_than_labels_and_labels_that_differ_count_nothing():
    found = read_view(coded("399232001", SeriesDescription="A4C"))
    assert found == StatedView(View.A2C, "View Code Sequence: apical two chamber")
    assert text(ViewName="A4C", SeriesDescription="A2C") == StatedView()
    both = text(ViewName="A4C", SeriesDescription="apical 4 chamber")
    assert both == StatedView(View.A4C, "View Name: A4C")


def test_the_text_itself_is_not_kept(tmp_path):
    ds = dicom(moving_grey(), ImageComments=f"PLAX {PERSON[0].replace('^', ' ')}")
    clip = read_dicom(save(ds, tmp_path / "a.dcm"))
    assert (clip.view, clip.view_statement) == (View.PLAX, "Image Comments: PLAX")
    assert "Muster" not in repr(clip)
