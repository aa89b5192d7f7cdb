"""Headers only: what they say is what decoding finds, and what is wrong is told in a sentence."""

from __future__ import annotations

import gzip
import os
import struct

import av
import cv2
import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from lvef.core.errors import DataError, DicomError, VideoError
from lvef.io.open import open_clip
from lvef.io.probe import FileHeader, probe, probe_image, probe_video
from tests.io.io_fabrication import dicom, moving_grey, save, write_video


def opencv_avi(path, grey, rate=50.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, grey.shape[2:0:-1], True)
    for frame in grey:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


@pytest.mark.parametrize("rate", [50.0, 30.0, 29.97, 138.0])
def test_avi_of_opencv(tmp_path, rate):
    header = probe_video(opencv_avi(tmp_path / "a.avi", moving_grey(29), rate))
    assert (header.n_frames, header.width_px, header.height_px, header.truncated) == (29, 96, 64, False)
    assert header.frame_rate_hz == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.mp4", "mpeg4", "yuv420p"),
        ("a.mkv", "mjpeg", "yuvj420p"),
        ("a.mov", "mjpeg", "yuvj420p"),
    ],
)
def test_a_header_says_what_decoding_finds(tmp_path, name, codec, pix_fmt):
    path = write_video(tmp_path / name, moving_grey(12), codec, pix_fmt, rate=25)
    header, clip = probe_video(path), open_clip(path)
    assert header.n_frames in (None, len(clip.frames))
    assert (header.height_px, header.width_px) == clip.frames.shape[1:]
    assert header.frame_rate_hz == pytest.approx(clip.frame_rate_hz, rel=1e-3)
    assert not header.truncated
    assert probe(path) == header


def test_the_own_reading_of_avi_agrees_with_ffmpeg(tmp_path):
    for index, shape in enumerate([(5, 30, 40), (112, 112, 112), (1, 480, 640)]):
        path = opencv_avi(tmp_path / f"{index}.avi", moving_grey(*shape))
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            wanted = (stream.frames, float(stream.average_rate), stream.width, stream.height)
        header = probe_video(path)
        assert (header.n_frames, header.frame_rate_hz, header.width_px, header.height_px) == pytest.approx(
            wanted
        )


def test_sound_before_the_image_is_passed_over(tmp_path):
    def chunk(name, content):
        return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    def stream(kind, scale, rate, length, extra):
        head = kind + bytes(16) + struct.pack("<4I", scale, rate, 0, length) + bytes(20)
        return chunk(b"LIST", b"strl" + chunk(b"strh", head) + chunk(b"strf", extra))

    main = struct.pack("<14I", 20000, 0, 0, 0, 7, 0, 2, 0, 320, 240, 0, 0, 0, 0)
    picture = struct.pack("<Iii", 40, 300, -200) + bytes(28)
    lists = (
        chunk(b"avih", main) + stream(b"auds", 1, 44100, 9, bytes(17)) + stream(b"vids", 2, 75, 6, picture)
    )
    body = b"AVI " + chunk(b"LIST", b"hdrl" + lists)
    path = tmp_path / "a.avi"
    path.write_bytes(chunk(b"RIFF", body))
    assert probe_video(path) == FileHeader(6, 37.5, 300, 200)
    extended = chunk(b"LIST", b"odml" + chunk(b"dmlh", struct.pack("<I", 41) + bytes(244)))
    path.write_bytes(
        chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"hdrl" + lists + chunk(b"JUNK", bytes(9000)) + extended))
    )
    assert probe_video(path).n_frames == 41, "a header longer than the first look, and the OpenDML count"
    path.write_bytes(chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"hdrl" + chunk(b"avih", main))))
    with pytest.raises(VideoError, match="damaged"):
        probe_video(path)


def test_a_cut_avi_is_known_by_its_size(tmp_path):
    path = opencv_avi(tmp_path / "a.avi", moving_grey(40))
    data = path.read_bytes()
    for part in (0.5, 0.9, 0.99):
        path.write_bytes(data[: int(part * len(data))])
        header = probe_video(path)
        assert header.truncated
        assert header.n_frames == 40
    path.write_bytes(data[:4] + bytes(4) + data[8:])
    assert probe_video(path).truncated, "a writer that never finished leaves zero there"
    for length in (13, 24, 60, 200):
        path.write_bytes(data[:length])
        with pytest.raises(VideoError, match="damaged or cut off"):
            probe_video(path)


@pytest.mark.parametrize("seed", range(30))
def test_a_scrambled_header_is_a_sentence_or_a_header(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = opencv_avi(tmp_path / "a.avi", moving_grey(5))
    data = bytearray(path.read_bytes())
    for _ in range(12):
        data[int(rng.integers(12, 300))] = int(rng.integers(256))
    path.write_bytes(data)
    try:
        assert probe_video(path).width_px > 0
    except VideoError as error:
        assert str(path) in str(error)


def test_images(tmp_path):
    grey = moving_grey(1)[0]
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif", "a.webp"):
        cv2.imwrite(str(tmp_path / name), grey)
        assert probe_image(tmp_path / name) == FileHeader(1, None, 96, 64)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[:-20])
    assert probe_image(tmp_path / "cut.png").truncated
    (tmp_path / "cut.png").write_bytes(data[:20])
    with pytest.raises(VideoError, match="damaged or cut off"):
        probe_image(tmp_path / "cut.png")


def test_a_turned_photo_has_the_size_that_the_reader_gives(tmp_path):
    image = Image.fromarray(moving_grey(1)[0])
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    header = probe_image(tmp_path / "a.jpg")
    assert (header.height_px, header.width_px) == open_clip(tmp_path / "a.jpg").frames.shape[1:] == (96, 64)


def test_nifti(tmp_path):
    values = np.zeros((30, 20, 7), np.uint8)
    image = nib.Nifti1Image(values, np.eye(4))
    image.header["pixdim"][4], image.header["dim"][0] = 0.02, 3
    for name in ("a.nii", "a.nii.gz"):
        path = tmp_path / name
        nib.save(image, path)
        header = probe_image(path)
        assert (header.n_frames, header.width_px, header.height_px, header.truncated) == (7, 30, 20, False)
        data = path.read_bytes()
        path.write_bytes(data[:-9])
        assert probe_image(path).truncated
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(bytes(400)))
    with pytest.raises(VideoError):
        probe_image(tmp_path / "b.nii.gz")


def test_metaimage(tmp_path):
    path = tmp_path / "a.mhd"
    path.write_text(
        "NDims = 3\nDimSize = 30 20 7\nElementType = MET_UCHAR\nElementSpacing = 1 1 1\nElementDataFile = a.raw\n"
    )
    with pytest.raises(VideoError, match=r"a\.raw, which is missing"):
        probe_image(path)
    (tmp_path / "a.raw").write_bytes(bytes(30 * 20 * 7))
    assert probe_image(path) == FileHeader(7, None, 30, 20, spacing_mm=(1.0, 1.0))
    (tmp_path / "a.raw").write_bytes(bytes(30 * 20 * 7 - 1))
    assert probe_image(path).truncated
    path.write_text(path.read_text().replace("a.raw", "../a.raw"))
    with pytest.raises(VideoError, match="same folder"):
        probe_image(path)


def test_dicom(tmp_path):
    path = save(dicom(moving_grey(12), FrameTime=20.0), tmp_path / "a.dcm")
    assert probe_image(path) == FileHeader(12, 50.0, 96, 64)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    assert probe_image(path).truncated
    path.write_bytes(data[:300])
    with pytest.raises(DicomError):
        probe_image(path)
    still = dicom(moving_grey(1), syntax=ExplicitVRLittleEndian)
    assert probe(save(still, tmp_path / "b.dcm")) == FileHeader(1, None, 96, 64)


def test_what_is_no_image(tmp_path):
    (tmp_path / "a.dcm").write_text("just words")
    (tmp_path / "b.avi").write_bytes(b"")
    for function in (probe, probe_video, probe_image):
        with pytest.raises(VideoError, match="unknown format"):
            function(tmp_path / "a.dcm")
        with pytest.raises(DataError, match="empty"):
            function(tmp_path / "b.avi")
        with pytest.raises(DataError, match="does not exist"):
            function(tmp_path / "none.avi")
        with pytest.raises(DataError, match="is a folder"):
            function(tmp_path)
    cv2.imwrite(str(tmp_path / "c.png"), moving_grey(1)[0])
    opencv_avi(tmp_path / "d.avi", moving_grey(3))
    with pytest.raises(VideoError, match="not a video"):
        probe_video(tmp_path / "c.png")
    with pytest.raises(VideoError, match="not a still"):
        probe_image(tmp_path / "d.avi")


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="rights do not bind root"
)
def test_no_right_to_read(tmp_path):
    path = opencv_avi(tmp_path / "a.avi", moving_grey(3))
    path.chmod(0)
    with pytest.raises(DataError, match="no right"):
        probe(path)
