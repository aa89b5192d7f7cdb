"""Frames are counted in the data: the header's number, offset tables and fragments a frame may say what they like."""

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate, encapsulate_extended

from lvef.io.dicom import read_dicom
from lvef.io.dicom_frames import split_frames
from lvef.io.probe import probe
from tests.io.io_fabrication import codes, compressed, dicom, encoded, moving_grey, save

FRAMES = (b"\xff\xd8\xffaaa\xff\xd9", b"\xff\xd8\xffb\xff\xd9\x00\x00", b"\xff\xd8\xffccccc\xff\xd9")
N = 6
GREY = moving_grey(N)


@pytest.mark.parametrize("declared", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("has_bot", [True, False])
@pytest.mark.parametrize("fragments", [1, 2])
def test_frames_begin_where_their_code_stream_does(declared, has_bot, fragments):
    data = encapsulate(list(FRAMES), fragments_per_frame=fragments, has_bot=has_bot)
    assert split_frames(data, declared) == list(FRAMES)


def test_frames_of_an_unknown_kind_begin_where_the_tables_say():
    unknown = [b"one " * 4, b"two " * 5]
    data = encapsulate(unknown, fragments_per_frame=2, has_bot=True)
    assert split_frames(data, 0) == unknown
    bare = encapsulate(unknown, fragments_per_frame=2, has_bot=False)
    # Items of 8 + 8, 8 + 8, 8 + 10 and 8 + 10 bytes.
    offsets = b"".join(offset.to_bytes(8, "little") for offset in (0, 32))
    assert split_frames(bare, 0, offsets) == unknown
    assert split_frames(bare, 1) == [b"".join(unknown)]
    assert len(split_frames(bare, 4)) == 4
    wrong = b"".join(offset.to_bytes(8, "little") for offset in (0, 5))
    assert len(split_frames(bare, 4, wrong)) == 4


def test_a_frame_that_is_damaged_at_its_beginning_counts_where_a_table_names_it():
    damaged = [FRAMES[0], b"\0" * 8, FRAMES[2]]
    assert split_frames(encapsulate(damaged, has_bot=True), 3) == damaged


def test_single_frame_of_many_fragments():
    frame = b"\xff\xd8\xff" + b"a" * 21
    assert split_frames(encapsulate([frame], fragments_per_frame=3, has_bot=False), 1) == [frame]


def test_images_in_one_fragment_are_reported_apart():
    assert [f.rstrip(b"\0") for f in split_frames(encapsulate([b"".join(FRAMES)]), 3)] == [
        f.rstrip(b"\0") for f in FRAMES
    ]


def test_cut_fragment_is_dropped():
    data = encapsulate(list(FRAMES), has_bot=False)
    assert split_frames(data[: data.index(b"ccc") + 2], 3) == list(FRAMES[:2])
    halves = encapsulate(list(FRAMES), fragments_per_frame=2, has_bot=True)
    assert split_frames(halves[:-4], 3) == list(FRAMES[:2])


SAID = [(N, []), (None, ["frame_count"]), (0, ["frame_count"]), (2, ["frame_count"]), (N + 3, ["truncated"])]
KINDS = ["native", "jpeg", "jpeg without table", "two fragments", "extended table", "rle", "jpeg 2000"]


@pytest.mark.parametrize(("declared", "said"), SAID)
@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_counted(tmp_path, kind, declared, said):
    ds = dicom(GREY, FrameTime="20")
    if kind == "rle":
        ds.compress(uid.RLELossless)
    elif kind == "jpeg 2000":
        compressed(ds, uid.JPEG2000Lossless, encoded(GREY, "JPEG2000", no_jp2=True, irreversible=False))
    elif kind != "native":
        compressed(ds, uid.JPEGBaseline8Bit, encoded(GREY, "JPEG", quality=95), has_bot=kind == "jpeg")
    if kind == "extended table":
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(
            encoded(GREY, "JPEG", quality=95)
        )
    if kind == "two fragments":
        ds.PixelData = encapsulate(encoded(GREY, "JPEG", quality=95), fragments_per_frame=2, has_bot=False)
    if declared is None:
        del ds.NumberOfFrames
    else:
        ds.NumberOfFrames = declared
    path = save(ds, tmp_path / "a.dcm")
    clip = read_dicom(path)
    assert np.abs(clip.frames.astype(int) - GREY).max() <= 4
    assert len(clip.frames) == N
    assert codes(clip) == said
    header = probe(path)
    assert (header.n_frames, header.truncated) == (N, declared == N + 3)


def test_a_still_that_tells_no_number_is_no_surprise(tmp_path):
    ds = dicom(GREY[:1])
    del ds.NumberOfFrames
    assert codes(read_dicom(save(ds, tmp_path / "a.dcm"))) == []
