"""Headers of stills and sequences alone say what reading the whole file says, and whether the data is there."""

from __future__ import annotations

import gzip
import zlib

import cv2
import nibabel as nib
import numpy as np
import pytest

from lvef.core.errors import DataError, VideoError
from lvef.io.images import read_still
from lvef.io.metaimage import MissingDataFileError
from lvef.io.probe import probe_image

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 40, 50), np.uint8)


def write(folder, kind):
    path = folder / f"a.{kind}"
    if kind == "png":
        cv2.imwrite(str(path), FRAMES[0])
    elif kind == "mhd":
        (folder / "a.raw").write_bytes(FRAMES.tobytes())
        path.write_text(header("a.raw"))
    elif kind == "mha":
        path.write_bytes(header("LOCAL").encode() + FRAMES.tobytes())
    else:
        nib.save(nib.Nifti1Image(FRAMES.T, np.diag([-0.3, -0.15, 1, 1])), path)
    return path


def header(data, more=""):
    keys = "NDims = 3\nDimSize = 50 40 3\nElementType = MET_UCHAR\nElementSpacing = 0.3 0.15 1\n"
    return f"{keys}{more}ElementDataFile = {data}\n"


@pytest.mark.parametrize("kind", ["nii", "nii.gz", "mhd", "mha", "png"])
def test_the_header_tells_what_the_file_holds(tmp_path, kind):
    path = write(tmp_path, kind)
    found, clip = probe_image(path), read_still(path)
    assert (found.n_frames, found.height_px, found.width_px) == clip.frames.shape
    assert not found.truncated
    if clip.spacing is None:
        assert found.spacing_mm is None
    else:
        assert found.spacing_mm == pytest.approx((0.3, 0.15))
        assert found.spacing_mm == (clip.spacing.x_mm, clip.spacing.y_mm)


@pytest.mark.parametrize("kind", ["nii", "nii.gz", "mha"])
@pytest.mark.parametrize("lost", [1, 300])
def test_a_file_that_is_cut_off(tmp_path, kind, lost):
    path = write(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:-lost])
    found = probe_image(path)
    assert found.truncated
    assert (found.height_px, found.width_px) == (40, 50)


def test_an_image_that_is_cut_off(tmp_path):
    path = write(tmp_path, "png")
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(VideoError, match="damaged or cut off"):
        probe_image(path)


def test_a_data_file_that_is_short_or_missing(tmp_path):
    path = write(tmp_path, "mhd")
    (tmp_path / "a.raw").write_bytes(FRAMES.tobytes()[:-1])
    assert probe_image(path).truncated
    (tmp_path / "a.raw").unlink()
    with pytest.raises(MissingDataFileError, match=r"needs its data file a\.raw"):
        probe_image(path)
    path.write_text(header("a\0b"))
    with pytest.raises(MissingDataFileError):
        probe_image(path)


def test_compressed_data_has_no_length_to_compare(tmp_path):
    path = write(tmp_path, "mhd")
    path.write_text(header("a.zraw", "CompressedData = True\n"))
    with pytest.raises(MissingDataFileError):
        probe_image(path)
    (tmp_path / "a.zraw").write_bytes(zlib.compress(FRAMES.tobytes()))
    assert not probe_image(path).truncated


def test_a_header_that_nobody_filled_has_no_scale(tmp_path):
    image = nib.Nifti1Image(FRAMES.T, np.eye(4))
    image.header["xyzt_units"] = 0
    nib.save(image, tmp_path / "a.nii.gz")
    assert probe_image(tmp_path / "a.nii.gz").spacing_mm is None
    assert read_still(tmp_path / "a.nii.gz").spacing is None


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.nii.gz", b"", "is empty"),
        ("a.nii.gz", gzip.compress(b"x" * 400, mtime=0), "packed with gzip"),
        ("a.nii", b"x" * 400, "unknown format"),
        ("a.mhd", b"", "is empty"),
        ("a.mhd", header("../../etc/passwd").encode(), "expected a file in the same folder"),
        ("a.png", b"\xff\xd8\xff" + b"x" * 40, "damaged"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIDAT" + b"\1" * 20, "damaged"),
    ],
)
def test_files_that_are_none(tmp_path, name, data, sentence):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        probe_image(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert sentence in str(caught.value)
