"""Masks written as NIfTI come back as they were, here and through nibabel's own reader."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from lvef.io.images import read_labels
from lvef.io.nifti import encode_label_nifti, read_nifti
from lvef.io.probe import probe


def sequence(shape=(5, 7, 11), seed=0):
    return np.random.default_rng(seed).integers(0, 4, shape).astype(np.uint8)


@pytest.mark.parametrize("shape", [(5, 7, 11), (1, 7, 11), (2, 1, 1), (3, 112, 112)])
def test_what_is_written_is_read_back(tmp_path, shape):
    labels = sequence(shape)
    path = tmp_path / "a.nii.gz"
    path.write_bytes(encode_label_nifti(labels, (0.31, 0.77), 0.02))
    back = read_nifti(path)
    assert np.array_equal(back.values, labels)
    assert back.values.dtype == np.uint8
    assert back.spacing_mm == pytest.approx((0.31, 0.77))
    assert back.frame_step_s == pytest.approx(0.02)
    assert np.array_equal(read_labels(path), labels)
    header = probe(path)
    assert (header.n_frames, header.height_px, header.width_px) == shape
    assert not header.truncated


def test_nibabel_reads_x_y_t_without_a_warning(tmp_path):
    labels = sequence()
    path = tmp_path / "a.nii.gz"
    path.write_bytes(encode_label_nifti(labels, (0.5, 0.25), 0.04))
    image = nibabel.load(path)
    assert image.shape == (11, 7, 5)
    assert np.array_equal(np.asarray(image.dataobj), labels.T)
    assert image.header.get_zooms()[:2] == pytest.approx((0.5, 0.25))
    assert image.affine[:2, :2] == pytest.approx(np.diag([-0.5, -0.25]))
    assert image.get_data_dtype() == np.uint8


def test_no_scale_and_no_time_stay_unknown(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(encode_label_nifti(sequence()))
    back = read_nifti(path)
    assert back.spacing_mm is None
    assert back.frame_step_s == 0


def test_views_of_larger_arrays_and_the_same_bytes():
    whole = sequence((6, 14, 22))
    part = whole[::2, ::2, ::2]
    assert encode_label_nifti(part) == encode_label_nifti(part.copy())


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 3), np.uint8), np.zeros((2, 3, 4)), np.zeros((0, 3, 4), np.uint8)]
)
def test_what_is_no_sequence_of_labels_is_refused(bad):
    with pytest.raises(ValueError, match="Labels must be"):
        encode_label_nifti(bad)
