"""A cine that was exported frame by frame is read as one; what is none is explained once, not once a file."""

import re

import numpy as np
import pytest
from pydicom.uid import generate_uid

from lvef.core.errors import QualityRefusal
from lvef.io.open import find_clips, find_inputs, open_clip
from tests.io.io_fabrication import PERSON, codes, dicom, moving_grey, region, regions, save

N = 8
GREY = moving_grey(N)
SERIES, STUDY = generate_uid(), generate_uid()


def write(folder, frames=GREY, numbers=range(1, N + 1), each=lambda i: {}, **common):
    """Single-frame files whose names have nothing to do with their order."""
    folder.mkdir(exist_ok=True)
    names = np.random.default_rng(0).permutation(len(frames))
    for i, (frame, number, name) in enumerate(zip(frames, numbers, names, strict=True)):
        elements = (
            {"SeriesInstanceUID": SERIES, "StudyInstanceUID": STUDY, "InstanceNumber": number}
            | common
            | each(i)
        )
        ds = dicom(frame[None], SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1", **elements)
        del ds.NumberOfFrames
        save(ds, folder / f"IM{name:04d}")
    return folder


def test_a_series_is_a_cine(tmp_path):
    folder = write(tmp_path / "s", SequenceOfUltrasoundRegions=regions(region()))
    assert find_clips(find_inputs([folder])) == [folder]
    clip = open_clip(folder)
    np.testing.assert_array_equal(clip.frames, GREY)
    np.testing.assert_allclose(clip.times_s, np.arange(N) / 50)
    assert (clip.timing, codes(clip)) == ("assumed", ["series_of_stills", "assumed_frame_rate"])
    assert clip.scale.x_mm == pytest.approx(0.5)
    assert not any(word in repr(clip) for word in PERSON)


@pytest.mark.parametrize(
    ("each", "common", "timing", "step_s", "said"),
    [
        (lambda i: {"TriggerTime": 100 + 20 * i}, {}, "TriggerTime", 0.02, []),
        (
            lambda i: {"AcquisitionDateTime": f"20260101235959.{20000 * i:06d}"},
            {},
            "AcquisitionDateTime",
            0.02,
            [],
        ),
        (lambda i: {"AcquisitionTime": f"101010.{40 * i:03d}"}, {}, "AcquisitionTime", 0.04, []),
        (lambda i: {"AcquisitionTime": "101010"}, {"FrameTime": 25}, "FrameTime", 0.025, []),
        (lambda i: {"ContentTime": f"101010.{40 * i:03d}"}, {"FrameTime": 25}, "FrameTime", 0.025, []),
        (lambda i: {"ContentTime": f"101010.{40 * i:03d}"}, {}, "ContentTime", 0.04, ["content_time"]),
        (lambda i: {"TriggerTime": 20 * i}, {"CineRate": 25}, "TriggerTime", 0.02, ["contradictory_rate"]),
    ],
)
def test_times(tmp_path, each, common, timing, step_s, said):
    clip = open_clip(write(tmp_path / "s", each=each, **common))
    np.testing.assert_array_equal(clip.frames, GREY)
    np.testing.assert_allclose(clip.times_s, np.arange(N) * step_s, atol=1e-6)
    assert (clip.timing, codes(clip)[1:]) == (timing, said)


def test_times_rule_over_instance_numbers(tmp_path):
    folder = write(tmp_path / "s", numbers=range(N, 0, -1), each=lambda i: {"TriggerTime": 20 * i})
    clip = open_clip(folder)
    np.testing.assert_array_equal(clip.frames, GREY)
    assert "contradictory_order" in codes(clip)
    bare = open_clip(write(tmp_path / "t", numbers=[None] * N, each=lambda i: {"TriggerTime": 20 * i}))
    np.testing.assert_array_equal(bare.frames, GREY)
    assert "contradictory_order" not in codes(bare)


def test_missing_numbers_leave_their_times_free(tmp_path):
    clip = open_clip(write(tmp_path / "s", numbers=[1, 3, 5, 7, 13, 15, 17, 19]))
    np.testing.assert_allclose(np.diff(clip.times_s) * 50, [1, 1, 1, 3, 1, 1, 1])
    assert "missing_frames" in codes(clip)


def test_scales_that_differ_are_none(tmp_path):
    clip = open_clip(write(tmp_path / "s", each=lambda i: {"PixelSpacing": [0.3 + 0.1 * (i == 3)] * 2}))
    assert clip.spacing is None
    assert "different scales" in clip.spacing_note


def test_copies_and_others_are_left_out(tmp_path):
    folder = write(tmp_path / "s")
    (folder / "copy").write_bytes((folder / "IM0003").read_bytes())
    other = dicom(GREY[:1], SeriesInstanceUID=generate_uid(), StudyInstanceUID=STUDY)
    save(other, folder / "other")
    clip = open_clip(folder)
    assert len(clip.frames) == N
    assert {"same_instance", "other_stills"} <= set(codes(clip))


def test_a_series_that_names_several_studies_is_reported(tmp_path):
    clip = open_clip(write(tmp_path / "s", each=lambda i: {"StudyInstanceUID": f"1.2.{i}"}))
    assert "contradictory_study" in codes(clip)


@pytest.mark.parametrize(
    ("each", "common", "words"),
    [
        (
            lambda i: {"SeriesInstanceUID": f"1.2.3.{i % 2}"},
            {},
            "8 single-frame DICOM files of no series",
        ),
        (lambda i: {"PatientID": f"P{i % 2}"}, {}, "one series but of several patients"),
        (lambda i: {"InstanceNumber": 1}, {}, "do not determine their order"),
        (
            lambda i: {"InstanceNumber": i * 5 % 8, "TriggerTime": 20 * (i % 4)},
            {},
            "do not follow each other|slices",
        ),
        (lambda i: {"SliceLocation": i}, {}, "a stack of 8 slices"),
        (lambda i: {}, {"Modality": "CT"}, "a volume or a stack of slices"),
    ],
)
def test_what_is_no_cine_is_explained_once(tmp_path, each, common, words):
    still = np.random.default_rng(1).integers(0, 255, GREY.shape, dtype=np.uint8)
    folder = write(tmp_path / "s", still if "InstanceNumber" in each(0) else GREY, each=each, **common)
    assert find_clips(find_inputs([folder])) == [folder]
    with pytest.raises(QualityRefusal, match=f"{re.escape(str(folder))}.*({words})"):
        open_clip(folder)


def test_two_series_are_named(tmp_path):
    frames = np.concatenate([GREY, GREY])
    write(tmp_path / "s", frames, range(16), each=lambda i: {"SeriesInstanceUID": f"1.2.3.{i % 2}"})
    with pytest.raises(QualityRefusal, match="16 single-frame DICOM files of 2 series: put each"):
        open_clip(tmp_path / "s")


def test_frames_of_another_size_are_no_cine(tmp_path):
    folder = write(tmp_path / "s")
    save(
        dicom(GREY[:1, :40], SeriesInstanceUID=SERIES, StudyInstanceUID=STUDY, InstanceNumber=9),
        folder / "small",
    )
    with pytest.raises(QualityRefusal, match="small has 96 x 40 pixels"):
        open_clip(folder)


def test_cines_and_files_named_one_by_one_stay(tmp_path):
    folder = write(tmp_path / "s")
    cine = save(dicom(GREY, FrameTime="20"), folder / "cine.dcm")
    assert set(find_clips(find_inputs([folder]))) == {folder, cine}
    one = folder / "IM0001"
    assert find_clips([one]) == [one]
