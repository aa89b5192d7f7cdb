import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lvef.core.errors import DataError, VideoError
from lvef.io import open as opening
from lvef.io.open import find_inputs, open_clip
from lvef.io.probe import probe
from tests.io.io_fabrication import codes, dicom, moving_grey, save, write_video

GREY = moving_grey(4)


@pytest.fixture
def avi(tmp_path):
    return Path(write_video(str(tmp_path / "clip.avi"), GREY, "ffv1", "yuv444p"))


def test_dispatch_by_content(tmp_path, avi):
    Image.fromarray(GREY[0]).save(tmp_path / "a.png")
    save(dicom(GREY), tmp_path / "no_suffix")
    assert open_clip(avi).timing == "container"
    assert open_clip(tmp_path / "a.png").timing == "still"
    clip = open_clip(tmp_path / "no_suffix")
    np.testing.assert_array_equal(clip.frames, GREY)
    assert "wrong_suffix" not in codes(clip)


def test_source_is_the_name_as_given(avi, monkeypatch):
    monkeypatch.chdir(avi.parent)
    assert open_clip("clip.avi").source == "clip.avi"
    assert open_clip(Path("./clip.avi")).source == "clip.avi"


def test_image_named_dcm(tmp_path):
    Image.fromarray(GREY[0]).save(tmp_path / "a.png")
    shutil.move(tmp_path / "a.png", tmp_path / "a.dcm")
    clip = open_clip(tmp_path / "a.dcm")
    np.testing.assert_array_equal(clip.frames[0], GREY[0])
    assert codes(clip) == ["wrong_suffix"]
    assert ".dcm" in clip.notices[0].text
    assert "PNG" in clip.notices[0].text


def test_bare_dicom_is_recognised(tmp_path):
    import pydicom

    bare = pydicom.Dataset()
    bare.update(dicom(GREY))
    for implicit, little in ((True, True), (False, True), (False, False)):
        path = tmp_path / f"bare{implicit}{little}"
        bare.save_as(path, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
        np.testing.assert_array_equal(open_clip(path).frames, GREY)


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html>log in first</html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        b"\0" * 1000,
        b"x",
        b"\x02\x03\xffnothing at all",
        bytes(range(256)) * 8,
    ],
)
@pytest.mark.parametrize("suffix", [".avi", ".dcm", ""])
def test_other_files_are_refused(tmp_path, content, suffix):
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(content)
    with pytest.raises(
        VideoError, match=rf"odd{suffix} has an unknown format.*: expected AVI, MP4"
    ) as caught:
        open_clip(path)
    assert str(path) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def zipped(name):
    """A ZIP archive with one file in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"x" * 100)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.zip", zipped("clip.avi"), r"is a ZIP archive: unpack it and give the folder"),
        ("clip.avi", zipped("clip.avi"), r"is a ZIP archive"),
        ("a.npz", zipped("frames.npy"), r"is a NumPy archive: it says neither how fast"),
        ("a.npy", b"\x93NUMPY\1\0", r"is a NumPy array: .* Write the frames as PNG files"),
        ("a.npy", b"\x80\x04\x95", r"is a Python pickle, which is never opened"),
        ("a.gz", b"\x1f\x8bnot gzip at all", r"is packed with gzip"),
        ("a.tar", b"x" * 257 + b"ustar", r"is a tar archive"),
        ("a.pdf", b"%PDF-1.7", r"is a PDF document"),
        ("a.avi", b"version https://git-lfs.github.com/spec/v1\noid", r"run git lfs pull"),
        ("a.avi", b"<!DOCTYPE html><html>", r"a web page"),
        ("a.csv", "Größe,1\n".encode(), r"unknown format \(text\)"),
    ],
)
def test_what_a_file_is_instead_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    for read in (open_clip, probe):
        with pytest.raises(VideoError, match=words) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        assert "expected AVI, MP4" in str(caught.value)


def test_missing_folder_and_empty(tmp_path):
    with pytest.raises(DataError, match=r"gone\.avi does not exist"):
        open_clip(tmp_path / "gone.avi")
    with pytest.raises(DataError, match="is a folder: give a file in it"):
        open_clip(tmp_path)
    (tmp_path / "empty.avi").touch()
    with pytest.raises(DataError, match=r"empty\.avi is empty \(0 bytes\)"):
        open_clip(tmp_path / "empty.avi")


def test_no_right_to_read(avi, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"clip\.avi cannot be read: you have no right"):
        open_clip(avi)


def test_disk_that_fails_half_way(avi, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(opening, "_read", fail)
    with pytest.raises(DataError, match=r"clip\.avi cannot be read to its end \(input/output error\)"):
        open_clip(avi)


def test_file_that_is_too_large(tmp_path, monkeypatch):
    path = tmp_path / "big.avi"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 5 * 2**30)
    with pytest.raises(DataError, match=r"big\.avi has 5\.0 GiB; at most 4 GiB"):
        open_clip(path)


def test_limits_reach_the_readers(tmp_path, avi):
    save(dicom(GREY), tmp_path / "a.dcm")
    for name in ("clip.avi", "a.dcm"):
        with pytest.raises(DataError, match=rf"{name} has 4 frames or more; at most 3"):
            open_clip(tmp_path / name, max_frames=3)
        with pytest.raises(
            DataError, match=rf"{name} has 4 frames of 96 x 64 pixels, more than the 6,144 pixels"
        ):
            open_clip(tmp_path / name, max_pixels=6144)


def test_find_inputs(tmp_path):
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".cache").mkdir()
    (tmp_path / "run1").mkdir()
    names = [
        "z.avi", "a.MP4", "b/deep/c.nii.gz", "b/still.png", ".hidden.avi", ".cache/x.avi", "FileList.csv",
        "p_ED_gt.nii.gz", "p_gt.png", "DICOMDIR", "b/table.csv.gz",
        "run1/run.json", "run1/overlay.mp4", "notes",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    save(dicom(GREY), tmp_path / "b" / "1.2.840.7")
    found = [path.relative_to(tmp_path).as_posix() for path in find_inputs([tmp_path])]
    assert found == ["a.MP4", "z.avi", "b/1.2.840.7", "b/still.png", "b/deep/c.nii.gz"]


def test_find_inputs_keeps_what_was_named(tmp_path):
    odd = tmp_path / "notes.txt"
    odd.write_text("x")
    (tmp_path / "a.avi").write_bytes(b"x")
    (tmp_path / "run.json").write_text("{}")
    assert find_inputs([odd, tmp_path, str(tmp_path / "a.avi")]) == [odd, tmp_path / "a.avi"]
    with pytest.raises(DataError, match=r"gone does not exist"):
        find_inputs([tmp_path / "gone"])


def test_importing_the_dispatcher_is_light():
    code = (
        "import sys, lvef.io.open; "
        "print([m for m in ('pydicom', 'nibabel', 'PIL', 'av', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_long_sample_is_there_only_where_its_package_is(tmp_path, monkeypatch, no_network):
    import pydicom.data.data_manager as manager

    class Source:
        def get_path(self, name, dtype):
            if not (tmp_path / name).is_file():
                raise ValueError(name)
            return str(tmp_path / name)

    monkeypatch.setattr(manager, "external_data_sources", lambda: {"made-up": Source()})
    assert opening.long_sample_cine() is None
    (tmp_path / opening.LONG_SAMPLE_FILE).write_bytes(b"")
    assert opening.long_sample_cine() == tmp_path / opening.LONG_SAMPLE_FILE
