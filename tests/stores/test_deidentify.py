"""What is outside the fan is black in every copy, nothing of a header is in it, and times and scale are kept."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from lvef.core.errors import OutputError, QualityRefusal, VideoError
from lvef.io.open import open_clip
from lvef.io.probe import probe
from lvef.stores.deidentify import Format, deidentify
from tests.io.io_fabrication import PERSON, dicom, region, regions, save, write_video
from tests.stores.screens import HEIGHT, WIDTH, fan, far_from_fan, screen


def convert(path, out, form=Format.AVI, known=None, patient="p"):
    out.mkdir(exist_ok=True)
    return deidentify(path, out, "copy", form, known or {}, patient)


def cine(path, frames=None, **elements):
    return save(dicom(screen() if frames is None else frames, FrameTime=25.0, **elements), path)


def opencv_frames(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    return np.stack(frames), video.get(cv2.CAP_PROP_FPS)


def test_the_names_around_the_fan_are_there_before():
    assert (screen()[:, far_from_fan()] == 255).any(), "else the tests below prove nothing"


def test_an_avi_shows_the_fan_only(tmp_path):
    made = convert(cine(tmp_path / "a.dcm"), tmp_path / "out")
    copy = open_clip(tmp_path / "out" / "copy.avi")
    assert made.files == ("copy.avi",)
    assert copy.frames.shape == (10, HEIGHT, WIDTH)
    assert copy.frames[:, far_from_fan()].max() <= 2, "black but for JPEG's ripple"
    inside = cv2.erode(fan().astype(np.uint8), np.ones((9, 9), np.uint8)) == 1
    error = np.abs(copy.frames[:, inside].astype(int) - screen()[:, inside])
    assert error.mean() < 1.5, "the fan itself is as it was"
    assert copy.timing == "container"
    assert copy.frame_rate_hz == pytest.approx(40)


def test_opencv_reads_the_avi(tmp_path):
    convert(cine(tmp_path / "a.dcm"), tmp_path / "out")
    frames, rate = opencv_frames(tmp_path / "out" / "copy.avi")
    assert frames.shape == (10, HEIGHT, WIDTH, 3)
    assert rate == pytest.approx(40)
    assert frames[:, far_from_fan()].max() <= 2
    own = open_clip(tmp_path / "out" / "copy.avi").frames
    assert np.abs(frames[..., 0].astype(int) - own).max() <= 2
    header = probe(tmp_path / "out" / "copy.avi")
    assert (header.n_frames, header.truncated) == (10, False)


def test_png_frames_are_exactly_black_outside_and_exact_inside(tmp_path):
    made = convert(cine(tmp_path / "a.dcm"), tmp_path / "out", Format.PNG, {"ed_frame": 2, "es_frame": 7})
    assert made.files[0] == "copy/00000.png"
    assert len(made.files) == len(made.rows) == 10
    for index, file in enumerate(made.files):
        picture = cv2.imread(str(tmp_path / "out" / file), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (HEIGHT, WIDTH)
        assert not picture[far_from_fan()].any()
        inside = cv2.erode(fan().astype(np.uint8), np.ones((9, 9), np.uint8)) == 1
        assert np.array_equal(picture[inside], screen()[index][inside])
    assert [row["phase"] for row in made.rows] == [None, None, "ED", *[None] * 4, "ES", None, None]
    assert {row["kind"] for row in made.rows} == {"still"}
    assert {row["frame_rate_hz"] for row in made.rows} == {None}


def test_nothing_of_the_header_is_in_a_copy(tmp_path):
    path = cine(tmp_path / "a.dcm", PatientComments="Comment-4711", DeviceSerialNumber="SN-99")
    words = [word.encode() for word in (*PERSON, "Comment-4711", "SN-99")]
    assert all(word in path.read_bytes() for word in words)
    for form in Format:
        made = convert(path, tmp_path / form, form)
        assert not any(word.decode() in json.dumps(made.rows) for word in words)
    for file in [p for p in tmp_path.rglob("*") if p.is_file() and p != path]:
        assert not any(word in file.read_bytes() for word in words)
    with av.open(str(tmp_path / "avi" / "copy.avi")) as container:
        assert not container.metadata
        assert not container.streams.video[0].metadata
    with Image.open(tmp_path / "png" / "copy" / "00000.png") as image:
        assert not image.info


def test_metadata_of_a_video_is_gone(tmp_path):
    path = tmp_path / "a.mp4"
    rgb = np.repeat(screen()[..., None], 3, axis=3)
    with av.open(str(path), "w") as container:
        container.metadata["title"], container.metadata["artist"] = PERSON[0], PERSON[4]
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for picture in rgb:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    assert PERSON[0].encode() in path.read_bytes()
    convert(path, tmp_path / "out")
    data = (tmp_path / "out" / "copy.avi").read_bytes()
    assert not any(word.encode() in data for word in PERSON)
    assert b"Lavf" not in data


def test_times_and_scale_are_kept(tmp_path):
    item = region(box=(20, 10, 300, 230), delta=(0.05, 0.04))
    [row] = convert(
        cine(tmp_path / "a.dcm", SequenceOfUltrasoundRegions=regions(item)), tmp_path / "out"
    ).rows
    assert (row["spacing_x_mm"], row["spacing_y_mm"]) == pytest.approx((0.5, 0.4))
    assert row["frame_rate_hz"] == pytest.approx(40)
    assert row["duration_s"] == pytest.approx(10 / 40)
    assert row["frame_times_s"] is None
    assert (row["n_frames"], row["height_px"], row["width_px"], row["kind"]) == (10, HEIGHT, WIDTH, "clip")


def test_uneven_times_are_written_out(tmp_path):
    steps = [0.0, 20, 20, 20, 20, 60, 20, 20, 20, 20]
    ds = dicom(screen(), FrameTimeVector=steps)
    [row] = convert(save(ds, tmp_path / "a.dcm"), tmp_path / "out").rows
    times = [float(t) for t in row["frame_times_s"].split(";")]
    assert times == pytest.approx(np.cumsum(steps) / 1000)
    assert row["frame_rate_hz"] == pytest.approx(50)
    assert row["duration_s"] == pytest.approx(0.24)


def test_what_is_not_known_stays_empty(tmp_path):
    made = convert(save(dicom(screen()), tmp_path / "a.dcm"), tmp_path / "out")
    [row] = made.rows
    assert row["frame_rate_hz"] is row["duration_s"] is row["spacing_x_mm"] is None
    assert any("no frame rate" in notice for notice in made.notices)


def test_what_a_manifest_knows_counts(tmp_path):
    known = {
        "frame_rate_hz": 33.0,
        "spacing_x_mm": 0.3,
        "spacing_y_mm": 0.2,
        "ef_percent": 55.5,
        "ed_frame": 1,
        "es_frame": 12,
        "collection": "mine",
        "licence": "CC0",
    }
    [row] = convert(cine(tmp_path / "a.dcm"), tmp_path / "out", known=known).rows
    assert (row["frame_rate_hz"], row["spacing_x_mm"], row["spacing_y_mm"]) == (33.0, 0.3, 0.2)
    assert (row["ef_percent"], row["collection"], row["licence"]) == (55.5, "mine", "CC0")
    assert (row["ed_frame"], row["es_frame"]) == (1, None), "frame 12 is not in the copy"
    assert probe(tmp_path / "out" / "copy.avi").frame_rate_hz == pytest.approx(33.0)


def test_a_still_becomes_a_png(tmp_path):
    made = convert(save(dicom(screen(1)), tmp_path / "a.dcm"), tmp_path / "out", Format.AVI)
    assert made.files == ("copy.png",)
    assert made.rows[0]["kind"] == "still"
    assert not cv2.imread(str(tmp_path / "out" / "copy.png"), cv2.IMREAD_UNCHANGED)[far_from_fan()].any()


@pytest.mark.parametrize("picture", ["black", "words", "lit"])
def test_an_image_without_a_fan_is_refused_and_nothing_is_written(tmp_path, picture):
    frames = np.zeros((6, HEIGHT, WIDTH), np.uint8)
    if picture == "words":
        frames = screen(6) * ~fan()
    if picture == "lit":  # a frozen grey desktop: all of it would pass for a fan
        frames = np.repeat(np.maximum(screen(1), 90), 6, axis=0)
    path = cine(tmp_path / "a.dcm", frames.astype(np.uint8))
    for form in Format:
        with pytest.raises(QualityRefusal) as refusal:
            convert(path, tmp_path / "out", form)
        assert str(path) in str(refusal.value)
    assert not any((tmp_path / "out").iterdir())


def test_colour_becomes_grey_and_is_reported(tmp_path):
    rgb = np.repeat(screen()[..., None], 3, axis=3)
    rgb[:, 90:150, 130:190] = (220, 40, 30)
    made = convert(save(dicom(rgb, FrameTime=25.0), tmp_path / "a.dcm"), tmp_path / "out")
    assert any("colour Doppler" in notice for notice in made.notices)
    frames, _ = opencv_frames(tmp_path / "out" / "copy.avi")
    assert (frames == frames[..., :1]).all()


def test_a_cut_dicom_gives_what_there_is_and_says_so(tmp_path):
    path = cine(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[: -3 * HEIGHT * WIDTH])
    made = convert(path, tmp_path / "out")
    assert made.rows[0]["n_frames"] == 7
    assert any("7 of 10 frames" in notice for notice in made.notices)


def test_words_named_dcm_are_no_file(tmp_path):
    (tmp_path / "a.dcm").write_text("Erika Musterfrau\n" * 30)
    with pytest.raises(VideoError, match="unknown format"):
        convert(tmp_path / "a.dcm", tmp_path / "out")


def test_two_runs_write_the_same_bytes(tmp_path):
    path = cine(tmp_path / "a.dcm")
    convert(path, tmp_path / "x")
    convert(path, tmp_path / "y")
    assert (tmp_path / "x" / "copy.avi").read_bytes() == (tmp_path / "y" / "copy.avi").read_bytes()


def test_a_folder_that_cannot_be_written_is_not_the_files_fault(tmp_path):
    out = tmp_path / "out"
    path = cine(tmp_path / "a.dcm")
    out.mkdir()
    (out / "copy").write_text("a file where a folder is wanted")
    with pytest.raises(OutputError):
        convert(path, out, Format.PNG)
    with pytest.raises(OutputError, match="could not be written"):
        deidentify(path, tmp_path / "none", "copy", Format.AVI, {}, "p")


def test_ffmpeg_itself_finds_nothing_wrong(tmp_path):
    path = write_video(tmp_path / "a.avi", screen(), "mjpeg", "yuvj420p", rate=25)
    convert(path, tmp_path / "out")
    with av.open(str(tmp_path / "out" / "copy.avi")) as container:
        pts = [frame.pts for frame in container.decode(video=0)]
        assert pts == list(range(10))
        assert float(container.streams.video[0].average_rate) == pytest.approx(25)


def test_the_header_bar_of_a_real_still_does_not_get_out(tmp_path):
    # An obstetric image whose grey bar, with names and dates on it, is larger than what is lit of the fan.
    path = Path(str(get_testdata_file("examples_palette.dcm", download=False)))
    source = open_clip(path).frames[0]
    deidentify(path, tmp_path, "x", Format.PNG, {}, "p")
    copy = cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_GRAYSCALE)
    assert copy.shape == source.shape
    assert (source[:55] > 0).mean() > 0.9
    assert not copy[:55].any()
    assert (copy > 0).sum() > 5000


@pytest.mark.parametrize("name", ["examples_rgb_color.dcm", "examples_jpeg2k.dcm"])
def test_a_rectangular_image_is_refused(tmp_path, name):
    with pytest.raises(QualityRefusal, match="a rectangle, not an ultrasound sector"):
        deidentify(Path(str(get_testdata_file(name, download=False))), tmp_path, "x", Format.PNG, {}, "p")
    assert not list(tmp_path.iterdir())
