"""Every fault that fuzzing found, as a small input: it ends in the right sentence."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from lvef.core.errors import DataError, DicomError, VideoError
from lvef.core.journal import Journal
from lvef.core.terms import View
from lvef.datasets.camus import read_split
from lvef.datasets.files import read_text_table
from lvef.datasets.findings import Findings
from lvef.datasets.hmc_qu_table import read_hmc_table
from lvef.datasets.readers import folder, hmc_qu
from lvef.io.dicom_frames import split_frames
from lvef.io.greyscale import to_uint8
from lvef.io.images import read_labels
from lvef.io.nifti import encode_label_nifti
from lvef.io.open import open_clip
from lvef.measure.serializers import measurement_json, read_measurement
from tests.datasets.hmc_qu_folder import write_xlsx
from tests.io.io_fabrication import dicom, moving_grey, save
from tests.measure.made_up import beating


def test_labels_of_an_animation_that_turns_to_colour(tmp_path):
    frames = [Image.fromarray(frame) for frame in moving_grey(3, 20, 30)]
    red = np.zeros((20, 30, 3), np.uint8)
    red[5:9, 5:9] = (200, 30, 20)
    path = tmp_path / "mask.gif"
    frames[0].save(path, save_all=True, append_images=[*frames[1:], Image.fromarray(red)], duration=40)
    with pytest.raises(
        DataError, match=r"mask\.gif (has images of several kinds|is a colour image): expected labels"
    ):
        read_labels(path)


def test_labels_that_are_no_numbers(tmp_path):
    plain = bytearray(gzip.decompress(encode_label_nifti(np.zeros((1, 4, 4), np.uint8))))
    plain[70:74] = struct.pack("<2h", 16, 32)
    path = tmp_path / "mask.nii"
    path.write_bytes(bytes(plain[:352]) + np.array([np.nan, np.inf, *[1.0] * 14], "<f4").tobytes())
    with pytest.raises(DataError, match=r"mask\.nii has values from nan to nan: expected labels"):
        read_labels(path)


def test_grey_values_beyond_single_precision():
    found = to_uint8(np.array([[[-1e308, 0.0], [1e30, 1e308]]]))
    assert found.tolist() == [[[0, 128], [255, 255]]]


def test_dicom_without_any_fragment():
    assert split_frames(b"", 1) == []


def test_dicom_that_states_four_gigabytes(tmp_path):
    path = save(dicom(moving_grey(2), syntax=uid.ExplicitVRLittleEndian), tmp_path / "a.dcm")
    data = path.read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00OB\0\0") + 8
    path.write_bytes(data[:at] + b"\xfe\xff\xff\xff" + data[at + 4 :])
    assert len(open_clip(path).frames) == 2
    at = data.index(b"\x08\x00\x60\x00CS")  # Modality, of another kind and length
    path.write_bytes(data[:at] + b"\x08\x00\x60\x00UN\0\0\xfe\xff\xff\xff" + data[at + 8 :])
    with pytest.raises(DicomError, match=r"a\.dcm "):
        open_clip(path)


@pytest.mark.parametrize("name", ["finished.jsonl", "measurement.json"])
def test_deep_nesting(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"[" * 100_000)
    if name == "finished.jsonl":
        journal = Journal(path)
        assert journal.entries == {}
        journal.close()
    else:
        with pytest.raises(DataError, match=rf"{name} is not valid JSON"):
            read_measurement(path)


CHANGES = {
    "source": 5.0,
    "notices": "abc",
    "ed_frame": 2**31,
    "es_frame": -3,
    "n_frames": 10**30,
    "tracings": "x",
    "tracings/ed/apex": [[1.0]],
    "tracings/ed/contour": [],
    "categories": {"heart_failure": 3},
    "categories ": "mild",
    "ef_percent": "54",
    "stroke_volume_ml": [],
    "spacing": 4,
    "provenance": {"lvef_version": 3},
    "beats": {"a": 1},
    "quality": [1],
    "correction": {"changed": 5},
}
"""Values of a saved measurement, by their place, that are of another kind than they should be."""


@pytest.mark.parametrize("place", CHANGES)
def test_measurement_with_values_of_another_kind(tmp_path, place):
    values = json.loads(measurement_json(beating()[0]))
    *above, key = place.strip().split("/")
    inner = values
    for name in above:
        inner = inner[name]
    assert key in inner
    inner[key] = CHANGES[place]
    path = tmp_path / "measurement.json"
    path.write_text(json.dumps(values))
    with pytest.raises(
        DataError, match=r"measurement\.json does not hold what .* promises .*: measure the file again\.$"
    ):
        read_measurement(path)


def test_label_table_whose_title_is_hidden_by_a_second_row(tmp_path):
    path = write_xlsx(tmp_path / "A4C.xlsx", [["ECHO", "x"], ["SEG3", "SEG4"], ["ES0001_4CH_1", "MI"]])
    with pytest.raises(DataError, match=r"A4C\.xlsx: has no column ECHO"):
        read_hmc_table(path, View.A4C)


def test_matlab_file_that_needs_more_memory_than_there_is(tmp_path, monkeypatch):
    path = tmp_path / "mask.mat"
    path.write_bytes(struct.pack("<5i", 0, 3, 3, 0, 2**31 - 1) + bytes(40))

    def whosmat(file):
        raise MemoryError

    monkeypatch.setattr("scipy.io.whosmat", whosmat)
    assert hmc_qu._mask_frames(path) is None


def test_names_longer_than_a_file_system_allows(tmp_path):
    (tmp_path / "list.csv").write_text(f"path,ef\n{'a' * 5000}.avi,55\nb.avi,40\n")
    result = folder.READER.read(tmp_path, None)
    assert result.manifest.height == 2


def test_data_file_whose_name_is_too_long(tmp_path):
    path = tmp_path / "a.mhd"
    path.write_text(f"DimSize = 4 4\nElementType = MET_UCHAR\nElementDataFile = {'1' * 400}\n")
    with pytest.raises(VideoError, match=r"a\.mhd needs its data file 1+, which is missing"):
        open_clip(path)


def test_list_of_patients_that_is_no_text(tmp_path):
    (tmp_path / "database_split").mkdir()
    (tmp_path / "database_split" / "subgroup_testing.txt").write_bytes(b"patient0001\n\xff\xfe")
    with pytest.raises(DataError, match=r"subgroup_testing\.txt: is no text"):
        read_split(tmp_path, "testing")


def test_text_that_would_move_the_cursor(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("a,\x1b[2Jb\n1,2\n")
    with pytest.raises(DataError) as refusal:
        read_text_table(path, ("FileName",), Findings())
    assert r"\x1b[2Jb" in str(refusal.value)
    assert str(refusal.value).isprintable()
