from dataclasses import replace

import cv2
import numpy as np
import pytest

from lvef.core.errors import QualityRefusal
from lvef.core.records import Clip, CodedWarning, Measurement, PixelAspect, PixelSpacing
from lvef.core.terms import Status, View
from lvef.measure.biplane import differing_views_warnings
from lvef.measure.decision import CAUTION_CODES
from lvef.measure.pair import (
    acquisition_warnings,
    check_different_files,
    given_view_warnings,
    is_same_clip,
    pair_of_stills,
    patient_warnings,
    view_warnings,
)
from lvef.measure.thresholds import Thresholds
from tests.io.io_fabrication import dicom, save


def film(seed=0, n=40, side=64):
    """Moving grain around a standing image."""
    rng = np.random.default_rng(seed)
    grain = np.stack([cv2.GaussianBlur(f, (0, 0), 5) for f in rng.normal(0, 300, (n, side, side))])
    stand = np.linspace(60, 180, side)[:, None] * np.ones(side)
    return np.clip(stand + grain, 0, 255).astype(np.uint8)


def coded_again(frames):
    packed = (cv2.imencode(".jpg", f, [cv2.IMWRITE_JPEG_QUALITY, 60])[1] for f in frames)
    return np.stack([cv2.imdecode(p, cv2.IMREAD_GRAYSCALE) for p in packed])


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.copy(),
        coded_again,
        lambda f: np.stack([cv2.resize(x, (48, 40), interpolation=cv2.INTER_AREA) for x in f]),
        lambda f: f[..., ::-1],
        lambda f: (f // 2 + 30).astype(np.uint8),
        lambda f: f[5:],
        lambda f: f[:-7],
    ],
    ids=["copy", "coded again", "smaller", "mirrored", "darker", "without its start", "without its end"],
)
def test_the_same_images_are_known(change):
    assert is_same_clip(film(), change(film()))


def test_other_images_are_not_the_same():
    assert not is_same_clip(film(0), film(1))
    assert not is_same_clip(film(0), film(0)[::-1])
    still = film()[:1]
    assert is_same_clip(still, still.copy())
    assert not is_same_clip(still, coded_again(still)[:, :60])
    assert not is_same_clip(np.zeros((5, 9, 9), np.uint8), np.ones((5, 9, 9), np.uint8))


def test_one_file_under_two_names_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 3_000_000)
    (tmp_path / "c").write_bytes(b"x" * 2_999_999 + b"y")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for other in ("a", "b", "link"):
        with pytest.raises(QualityRefusal, match="hold the same file; two clips were expected") as refusal:
            check_different_files(tmp_path / "a", tmp_path / other, "two clips")
        assert refusal.value.code == "same_content"
    check_different_files(tmp_path / "a", tmp_path / "c", "two clips")
    check_different_files(tmp_path / "a", tmp_path / "missing", "two clips")


SAME = {
    "PatientID": "4711",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "19500101",
    "StudyInstanceUID": "1.2.3",
}


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, []),
        ({"PatientName": "DOE^JANE"}, []),
        ({"PatientID": "4712"}, ["patients_differ"]),
        ({"PatientID": "", "PatientName": "Roe^Ann"}, ["patients_differ"]),
        ({"PatientID": "", "PatientName": "Doe^Jane"}, []),
        ({"StudyInstanceUID": "1.2.4"}, ["studies_differ"]),
        ({"PatientID": "", "PatientName": "", "StudyInstanceUID": ""}, []),
    ],
)
def test_persons_and_examinations_are_compared_and_never_shown(tmp_path, change, codes):
    for name, values in (("a", SAME), ("b", SAME | change)):
        dataset = dicom(np.zeros((2, 8, 8), np.uint8))
        for key, value in values.items():
            setattr(dataset, key, value)
        save(dataset, tmp_path / name)
    notices = patient_warnings(tmp_path / "a", tmp_path / "b")
    assert [n.code for n in notices] == codes
    assert not any(word in n.text for n in notices for word in ("Doe", "Roe", "4711", "4712", "1.2.", "1950"))


def test_files_without_a_header_are_of_anybody(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"\0" * 128 + b"DICM" + b"broken")
    assert patient_warnings(tmp_path / "a", tmp_path / "b") == []
    assert patient_warnings(tmp_path / "b", tmp_path / "b") == []


def clip(view):
    return Clip(film()[:2], np.array([0.0, 0.1]), "t", "c", view=view)


@pytest.mark.parametrize(
    ("told", "codes"),
    [
        ((View.A4C, View.A2C), []),
        ((View.UNKNOWN, View.UNKNOWN), []),
        ((View.A4C, View.A4C), ["view_contradicts_file"]),
        ((View.A2C, View.UNKNOWN), ["view_contradicts_file"]),
        ((View.A2C, View.A4C), ["views_swapped"]),
    ],
)
def test_a_header_that_names_another_view_is_warned_of(told, codes):
    clips = {given: clip(own) for given, own in zip((View.A4C, View.A2C), told, strict=True)}
    assert [n.code for n in given_view_warnings(clips)] == codes


def test_views_that_were_not_taken_alike_are_warned_of():
    one = Measurement("a", Status.OK, heart_rate_bpm=70, frame_rate_hz=50)
    assert acquisition_warnings(one, replace(one, heart_rate_bpm=75, frame_rate_hz=30), ()) == []
    other = replace(one, heart_rate_bpm=85, frame_rate_hz=20)
    assert [n.code for n in acquisition_warnings(one, other, ())] == [
        "heart_rates_differ",
        "frame_rates_differ",
    ]
    said = (CodedWarning("cycles_differ", ""),)
    assert [n.code for n in acquisition_warnings(one, other, said)] == ["frame_rates_differ"]
    assert acquisition_warnings(one, Measurement("b", Status.OK), ()) == []


def test_warnings_of_the_views_stand_in_the_study():
    both, own = CodedWarning("b", "Both."), CodedWarning("o", "Own.")
    views = {
        "A4C": Measurement("a", Status.OK, notices=(both, own)),
        "A2C": Measurement("b", Status.OK, notices=(both,)),
    }
    assert [(n.code, n.text) for n in view_warnings(views)] == [
        ("b", "A4C and A2C: Both."),
        ("o", "A4C: Own."),
    ]


MM, OTHER_MM, TALL_MM = (PixelSpacing(0.5, y, "test") for y in (0.5, 0.6, 1.0))
TALL, WIDE = PixelAspect(2.0, "test"), PixelAspect(0.5, "test")


def still(spacing, shape=(4, 6)):
    return Clip(np.zeros((1, *shape), np.uint8), np.zeros(1), "still", "a.png", spacing=spacing)


@pytest.mark.parametrize(
    ("ed", "es", "common"),
    [
        (None, None, None),
        (MM, MM, MM),
        (TALL, TALL, TALL),
        (MM, None, None),
        (None, TALL_MM, TALL),
        (TALL, TALL_MM, TALL),
    ],
)
def test_what_is_known_of_one_still_holds_for_the_pair_but_for_millimetres(ed, es, common):
    assert pair_of_stills([still(ed), still(es)], "pair").spacing == common


@pytest.mark.parametrize(("ed", "es"), [(MM, OTHER_MM), (TALL, WIDE), (MM, TALL)])
def test_stills_whose_pixels_differ_are_refused(ed, es):
    with pytest.raises(QualityRefusal, match="different scales"):
        pair_of_stills([still(ed), still(es)], "pair")


def test_sizes_may_differ_only_with_a_scale():
    assert pair_of_stills([still(MM), still(MM, (5, 3))], "pair").frames.shape == (2, 5, 6)
    with pytest.raises(QualityRefusal, match="without a scale"):
        pair_of_stills([still(TALL), still(TALL, (5, 3))], "pair")


@pytest.mark.parametrize(
    ("efs", "limit", "expected"),
    [
        ((57.0, 33.0), 25.0, []),
        ((57.0, 32.0), 25.0, ["views_disagree"]),
        ((32.0, 73.0), 25.0, ["views_disagree"]),
        ((57.0, 46.0), 10.0, ["views_disagree"]),
        ((57.0, None), 25.0, []),
    ],
)
def test_efs_of_two_views_that_are_far_apart_are_warned_of(efs, limit, expected):
    views = {
        name: Measurement(name, Status.OK, ef_percent=ef)
        for name, ef in zip(("A4C", "A2C"), efs, strict=True)
    }
    found = differing_views_warnings(views, Thresholds(caution_views_points=limit))
    assert [notice.code for notice in found] == expected
    assert all(notice.code in CAUTION_CODES for notice in found)
