"""The files of one clip hold what the clip holds, and a clip whose parts do not fit is not written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.errors import QualityRefusal
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.io.nifti import read_nifti
from lvef.io.open import open_clip
from lvef.stores.synthetic_files import file_names, write_clip, write_truth
from lvef.transforms.sector import find_sector
from tests.stores.synthetic_made_up import beating


@pytest.fixture
def out(tmp_path):
    for file in file_names("a"):
        (tmp_path / file).parent.mkdir()
    return tmp_path


@pytest.fixture
def made():
    return beating(np.random.default_rng(0))


def test_a_phantom_as_a_file(phantom_clip, phantom_file):
    clip = open_clip(phantom_file)
    assert clip.frames.shape == phantom_clip.clip.frames.shape
    error = np.abs(clip.frames.astype(int) - phantom_clip.clip.frames)
    assert error.max() <= 3
    assert error.mean() < 0.6
    assert clip.times_s == pytest.approx(phantom_clip.clip.times_s)
    assert (clip.timing, clip.spacing) == ("container", None)
    assert find_sector(clip).mask.mean() < 0.9, "it has a fan, as an echo has"


def test_the_files_of_a_phantom(phantom_clip, out):
    record = write_clip(out, "a", phantom_clip)
    assert [name for name, _ in record.files] == list(file_names("a"))
    assert all((out / name).stat().st_size == size for name, size in record.files)
    masks = read_nifti(out / "Masks" / "a.nii.gz")
    assert np.array_equal(masks.values, phantom_clip.labels)
    assert masks.spacing_mm == pytest.approx((phantom_clip.clip.spacing.x_mm,) * 2)
    assert masks.frame_step_s == pytest.approx(1 / 50)
    beat = phantom_clip.representative
    assert record.listed["EF"] == pytest.approx(beat.plane_ef_percent)
    assert (record.ed_frame, record.es_frame) == (beat.ed_frame, beat.es_frame)
    lines = np.array(record.tracings)[:21, :4].reshape(21, 2, 2)
    traced = volume_tracing_of_mask(masks.values[beat.ed_frame])
    assert np.hypot(*(lines[0] - traced[0]).T).max() < 4, "lines and mask tell of the same ventricle"
    json.dumps(record.parameters)


def test_truth_as_json(phantom_clip, tmp_path):
    truth = write_truth(tmp_path / "t.json", phantom_clip)
    assert truth == json.loads((tmp_path / "t.json").read_text())
    assert truth["plane_ef_percent"] == phantom_clip.representative.plane_ef_percent


@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"labels": c.labels[:-1]},
        lambda c: {"labels": c.labels.astype(np.int64)},
        lambda c: {"tracings": c.tracings[1:]},
        lambda c: {"volume_ml": np.where(np.arange(40) == 3, np.nan, c.volume_ml)},
        lambda c: {"plane_volume_ml": c.plane_volume_ml[:5]},
        lambda c: {"clip": replace(c.clip, frames=c.clip.frames[:, :50]), "labels": c.labels[:, :50]},
    ],
)
def test_parts_that_do_not_fit_are_not_written(out, made, change):
    with pytest.raises(ValueError, match="needs square uint8 frames"):
        write_clip(out, "a", replace(made, **change(made)))
    assert not [p for p in out.rglob("*") if p.is_file()]


def test_no_whole_beat_is_a_refusal(out, made):
    with pytest.raises(QualityRefusal, match="a: its 40 frames show no complete beat"):
        write_clip(out, "a", replace(made, beats=()))


def test_parameters_that_are_no_json_are_named(out, made):
    with pytest.raises(TypeError, match="is a complex"):
        write_clip(out, "a", replace(made, parameters={"x": 1j}))
