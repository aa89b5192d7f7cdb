"""The one list of file formats, and what is made of it."""

from __future__ import annotations

import pytest

from lvef.io.formats import (
    CANDIDATE_SUFFIXES,
    CLIP_FORMATS,
    FORMATS,
    READABLE,
    STILL_FORMATS,
    STILL_SUFFIXES,
    SUFFIXES,
    known_suffix,
)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("x.AVI", ".avi"),
        ("x.nii.gz", ".nii.gz"),
        ("x.tar.gz", ".gz"),
        ("x.exe", ""),
        ("x", ""),
        ("x.avi.php", ""),
        ("IM0001", ""),
        ("a.avi/../../x", ""),
        (".dcm", ""),
    ],
)
def test_only_known_suffixes_are_kept(name, suffix):
    assert known_suffix(name) == suffix


def test_every_format_is_listed_in_words():
    for label in {label for one in FORMATS for label in one.label.split(", ")}:
        assert label in READABLE
        assert label in CLIP_FORMATS or label in STILL_FORMATS


def test_suffixes_agree():
    assert set(CANDIDATE_SUFFIXES) == SUFFIXES - {".gz"}
    assert STILL_SUFFIXES < SUFFIXES
    assert CANDIDATE_SUFFIXES.index(".nii.gz") < CANDIDATE_SUFFIXES.index(".nii")
