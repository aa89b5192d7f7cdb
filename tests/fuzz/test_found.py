"""Every fault that fuzzing found, as a small input: it ends in the right sentence."""

from __future__ import annotations

import gzip
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
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
from lvef.io.images import Pages, read_labels
from lvef.io.nifti import encode_label_nifti
from lvef.io.open import open_clip
from lvef.io.probe import probe
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
        with pytest.raises(DataError, match=rf"{name}: is not valid JSON"):
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
    with pytest.raises(DataError, match=r"subgroup_testing\.txt: cannot be read \(it is not UTF-8\)"):
        read_split(tmp_path, "testing")


def test_text_that_would_move_the_cursor(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("a,\x1b[2Jb\n1,2\n")
    with pytest.raises(DataError) as refusal:
        read_text_table(path, ("FileName",), Findings())
    assert r"\x1b[2Jb" in str(refusal.value)
    assert str(refusal.value).isprintable()


def _gif_of_frame_sizes(path, sizes):
    frames = [Image.fromarray(frame) for frame in moving_grey(len(sizes), 20, 30)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    data, at = bytearray(path.read_bytes()), 0
    for width, height in sizes:
        at = data.index(b"\x2c\0\0\0\0", at) + 5
        data[at : at + 4] = struct.pack("<2H", width, height)
    path.write_bytes(bytes(data))
    return path


def test_animation_whose_frames_outgrow_it(tmp_path):
    path = _gif_of_frame_sizes(tmp_path / "a.gif", [(30, 20), (30, 20), (30, 200)])
    with pytest.raises(
        VideoError, match=r"a\.gif has frames of 30 x 20 and of 30 x 200 pixels: export it again"
    ):
        open_clip(path)


def test_pages_that_are_turned_differently(tmp_path):
    first, second = (Image.fromarray(frame) for frame in moving_grey(2, 20, 30))
    pages = Pages(2, "a.tif")
    assert pages.add(first, 0)
    second.getexif()[0x0112] = 6
    with pytest.raises(
        VideoError, match=r"a\.tif has frames of 30 x 20 and of 20 x 30 pixels: export it again"
    ):
        pages.add(second, 0)


SIGNALLING = (0x7F800001, 0xFF82A540, 0x7F800000, 0x3F800000)
"""Single-precision numbers: two of those that are none and raise a warning where they are used, infinity, and 1."""


@pytest.mark.parametrize("slope", [1.0, 2.0, -1e38])
def test_values_that_are_no_numbers(tmp_path, slope):
    head = bytearray(gzip.decompress(encode_label_nifti(np.zeros((1, 2, 2), np.uint8)))[:352])
    head[70:74] = struct.pack("<2h", 16, 32)
    head[112:120] = struct.pack("<2f", slope, 3.0)
    nifti = tmp_path / "a.nii"
    nifti.write_bytes(bytes(head) + np.array(SIGNALLING, "<u4").tobytes())
    meta = tmp_path / "a.mha"
    text = b"DimSize = 2 2\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n"
    meta.write_bytes(text + np.array(SIGNALLING, "<u4").tobytes())
    for path in (nifti, meta):
        assert open_clip(path).frames.shape == (1, 2, 2)
        with pytest.raises(DataError, match=r"has values from nan to nan: expected labels"):
            read_labels(path)


@pytest.mark.parametrize("value", [1e-320, 1e-40, np.float32(1e-40), np.longdouble("1e-4000")])
def test_grey_values_that_hardly_differ(value):
    assert to_uint8(np.array([[[0, value]]])).tolist() == [[[0, 0]]]


WINDOWS = [
    *({"RescaleSlope": slope} for slope in ("1e300", "-1e300", "1e-300", "1e38")),
    *({"WindowCenter": centre} for centre in ("1e300", "-1e39")),
    {"WindowWidth": "1e300"},
    {"WindowWidth": "1.0000000000001", "RescaleSlope": "1e20"},
]
"""Windows that hold no value of an image, or all."""


@pytest.mark.parametrize("window", WINDOWS)
def test_window_that_holds_no_value(tmp_path, window):
    ds = dicom(moving_grey(2).astype(np.uint16) * 100)
    for keyword, value in ({"WindowCenter": "1000", "WindowWidth": "2000"} | window).items():
        setattr(ds, keyword, value)
    found = open_clip(save(ds, tmp_path / "a.dcm")).frames
    del ds.WindowCenter
    assert (found == open_clip(save(ds, tmp_path / "b.dcm")).frames).all()


def test_header_of_an_animation_that_claims_a_huge_size(tmp_path, monkeypatch):
    """Its size is all that is needed of it: no frame is decoded, which would take 2 GB."""
    frames = [Image.fromarray(np.repeat(frame[..., None], 3, 2)) for frame in moving_grey(3, 32, 48)]
    paths = [tmp_path / name for name in ("a.webp", "a.gif", "a.png")]
    sides = (b"\x2f\0\0\xff\xff\x2d", b"\xff\xff\0\x08", b"\0\0\xff\0\0\0\x08\0")
    for path, at, size in zip(paths, (24, 6, 16), sides, strict=True):
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
        data = bytearray(path.read_bytes())
        data[at : at + len(size)] = size
        if path.suffix == ".png":
            data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(bytes(data))

    def load(image):
        raise AssertionError("decoded")

    for kind in (WebPImageFile, GifImageFile, PngImageFile):
        monkeypatch.setattr(kind, "load", load)
    for path, size in zip(paths, ((48, 3014656), (65535, 2048), (65280, 2048)), strict=True):
        found = probe(path)
        assert ((found.width_px, found.height_px), found.frame_rate_hz) == (size, None)
        assert found.n_frames is not None
        assert found.n_frames > 1
        with pytest.raises(
            VideoError, match=rf"{path.name} has frames of {size[0]} x {size[1]} pixels; at most"
        ):
            open_clip(path)


def test_a_job_that_is_nested_too_deep_is_damaged(tmp_path):
    from lvef.distributed.archive import _check_job
    from lvef.distributed.storage import ResultFolder

    (tmp_path / "job.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"job\.json is damaged"):
        _check_job(ResultFolder(tmp_path), "x", "a" * 24)
