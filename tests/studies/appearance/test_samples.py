"""Collections read back, clips in memory, real stills, and files that are not what they should be."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.records import PixelSpacing
from lvef.core.terms import Phase, View
from lvef.datasets.camus import CamusStill
from lvef.io.nifti import encode_label_nifti
from studies.appearance.samples import (
    ANIMATED,
    PHANTOM,
    REAL,
    read_collection,
    sample_of_still,
    samples_of_clip,
)
from tests.studies.appearance.hearts import cine, write_collection

pytestmark = pytest.mark.slow


@pytest.fixture
def clips():
    return {f"clip{i}": cine(f"clip{i}", np.random.default_rng(i)) for i in range(3)}


@pytest.fixture
def folder(tmp_path, clips):
    return write_collection(tmp_path / "phantoms", clips)


def test_a_collection_reads_as_the_clips_in_memory(folder, clips):
    read = list(read_collection(PHANTOM, folder, 112))
    held = [s for clip in clips.values() for s in samples_of_clip(PHANTOM, clip, 112)]
    assert [(s.kind, s.name, s.patient, s.phase) for s in read] == [
        (PHANTOM, name, f"heart of {name}", phase) for name in clips for phase in Phase
    ]
    for a, b in zip(read, held, strict=True):
        assert (a.patient, a.phase) == (b.patient, b.phase)
        np.testing.assert_array_equal(a.image.labels, b.image.labels)
        # The best JPEG is off by a rounding.
        assert np.abs(a.image.grey.astype(int) - b.image.grey).max() <= 2
        for name in ("cavity mean", "myocardium p95", "septal step", "myocardium cell axial mm"):
            assert a.measures[name] == pytest.approx(b.measures[name], rel=0.03, abs=0.5)


def test_ed_is_the_larger_though_es_stands_first(folder):
    ed, es = list(read_collection(PHANTOM, folder, 112))[:2]
    assert (ed.phase, es.phase) == (Phase.ED, Phase.ES)
    assert (ed.image.labels == 1).sum() > 1.5 * (es.image.labels == 1).sum()


def test_clips_have_a_frame_correlation_and_stills_none(folder):
    sample = next(read_collection(PHANTOM, folder, 112))
    assert abs(sample.measures["cavity frame correlation"]) < 0.1


def test_other_views_and_more_clips_than_asked_for_are_left_out(tmp_path, clips):
    folder = write_collection(tmp_path / "mixed", clips, views={"clip0": "A2C"})
    assert {s.name for s in read_collection(ANIMATED, folder, 112)} == {"clip1", "clip2"}
    assert {s.name for s in read_collection(ANIMATED, folder, 112, limit=1)} == {"clip1"}


def test_parameters_may_be_missing(folder):
    (folder / "Parameters.jsonl").unlink()
    assert {s.patient for s in read_collection(PHANTOM, folder, 112)} == {"clip0", "clip1", "clip2"}


def test_a_patient_among_the_parameters_counts_too(folder, clips):
    rows = [json.dumps({"FileName": f"{n}.avi", "parameters": {"patient": "one"}}) for n in clips]
    (folder / "Parameters.jsonl").write_text("\n".join(rows))
    assert {s.patient for s in read_collection(PHANTOM, folder, 112)} == {"one"}


def spoil_table(folder):
    (folder / "VolumeTracings.csv").write_text("name,frame\nclip0,2\n")


def spoil_frames(folder):
    (folder / "VolumeTracings.csv").write_text("FileName,Frame\nclip0.avi,2\nclip0.avi,99\n")


def spoil_numbers(folder):
    (folder / "VolumeTracings.csv").write_text("FileName,Frame\nclip0.avi,two\n")


def one_frame(folder):
    (folder / "VolumeTracings.csv").write_text("FileName,Frame\nclip0.avi,2\n")


def empty_table(folder):
    (folder / "VolumeTracings.csv").write_text("FileName,Frame\n")


def binary_table(folder):
    (folder / "VolumeTracings.csv").write_bytes(b"\xff\xfe\x00\x80")


def no_table(folder):
    (folder / "VolumeTracings.csv").unlink()


def no_mask(folder):
    (folder / "Masks" / "clip0.nii.gz").unlink()


def no_video(folder):
    (folder / "Videos" / "clip0.avi").unlink()


def other_mask(folder):
    data = encode_label_nifti(np.ones((12, 100, 112), np.uint8), (1.5, 1.5), 0.04)
    (folder / "Masks" / "clip0.nii.gz").write_bytes(data)


def no_scale(folder):
    (folder / "Masks" / "clip0.nii.gz").write_bytes(
        encode_label_nifti(np.ones((12, 112, 112), np.uint8), None, 0.04)
    )


def long_pixels(folder):
    data = encode_label_nifti(np.ones((12, 112, 112), np.uint8), (1.5, 3.0), 0.04)
    (folder / "Masks" / "clip0.nii.gz").write_bytes(data)


def junk_parameters(folder):
    (folder / "Parameters.jsonl").write_text('{"FileName": "clip0"}\n[1, 2]\n')


def nameless_parameters(folder):
    (folder / "Parameters.jsonl").write_text('{"view": "A4C"}\n')


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_table, "columns FileName and Frame"),
        (spoil_frames, r"frames \[2, 99\] of clip0"),
        (spoil_numbers, "whole numbers"),
        (one_frame, r"frames \[2\]"),
        (empty_table, "names no clip"),
        (binary_table, "cannot be read"),
        (no_table, "lvef synthesize was expected"),
        (no_mask, "clip0.nii.gz: is missing"),
        (no_video, "clip0.avi: is missing"),
        (other_mask, r"masks \(12, 100, 112\), its video frames \(12, 112, 112\)"),
        (no_scale, "has no scale"),
        (long_pixels, "1.5 x 3 mm"),
        (junk_parameters, "line 2: is no JSON object"),
        (nameless_parameters, "line 1: is no JSON object with the clip's name"),
    ],
)
def test_a_spoilt_collection_says_what_is_wrong(folder, spoil, said):
    spoil(folder)
    with pytest.raises(DataError, match=said):
        list(read_collection(PHANTOM, folder, 112))


def test_a_clip_without_a_whole_beat_is_refused(clips):
    import dataclasses

    with pytest.raises(DataError, match="no complete beat"):
        samples_of_clip(PHANTOM, dataclasses.replace(clips["clip0"], beats=()), 112)


def still(spacing):
    synthetic = cine("x", np.random.default_rng(1))
    return CamusStill(
        "patient0001",
        View.A4C,
        Phase.ES,
        synthetic.clip.frames[0],
        synthetic.labels[0],
        spacing,
        "Good",
        None,
    )


def test_a_real_still_as_it_is_and_in_the_square():
    spacing = PixelSpacing(1.5, 1.5, "header")
    whole, small = sample_of_still(still(spacing), None), sample_of_still(still(spacing), 56)
    assert (whole.kind, whole.name, whole.patient, whole.phase) == (
        REAL,
        "patient0001 A4C",
        "patient0001",
        Phase.ES,
    )
    assert whole.image.grey.shape == (112, 112)
    assert small.image.grey.shape == (56, 56)
    assert small.image.spacing_mm == 3.0
    assert small.measures["cavity mean"] == pytest.approx(whole.measures["cavity mean"], abs=1)


@pytest.mark.parametrize(
    ("spacing", "said"), [(None, "no scale"), (PixelSpacing(0.3, 0.15, ""), "0.3 x 0.15")]
)
def test_a_still_without_a_usable_scale_is_refused(spacing, said):
    with pytest.raises(DataError, match=said):
        sample_of_still(still(spacing), 112)
