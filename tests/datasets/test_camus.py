"""CAMUS is read as its owners hand it out."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.terms import Phase, View
from lvef.datasets.camus import pair_of, read_split, read_stills
from tests.datasets import camus_folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return camus_folder.write(tmp_path_factory.mktemp("camus"))


def test_splits_and_stills_in_order(root):
    patients = read_split(root, "training")
    assert patients == ["patient0001", "patient0002"]
    stills = list(read_stills(root, patients))
    assert [(s.patient, s.view, s.phase) for s in stills[:4]] == [
        ("patient0001", View.A4C, Phase.ED),
        ("patient0001", View.A4C, Phase.ES),
        ("patient0001", View.A2C, Phase.ED),
        ("patient0001", View.A2C, Phase.ES),
    ]
    assert len(stills) == 8
    assert stills[0].quality == "Good"
    assert stills[0].cfg_ef_percent == 54


def test_arrays_are_turned_upright_and_keep_their_scale(root):
    ed = next(read_stills(root, ["patient0001"]))
    assert ed.image.shape == ed.mask.shape == (196, 237)
    assert set(np.unique(ed.mask)) == {0, 1, 2, 3}
    assert ed.spacing.x_mm == pytest.approx(camus_folder.SPACING_MM)
    assert ed.spacing.y_mm == pytest.approx(camus_folder.SPACING_MM)
    ys = [np.flatnonzero((ed.mask == k).any(1)).mean() for k in (1, 3)]
    assert ys[0] < ys[1], "the atrium lies below the ventricle"


def test_a_pair_is_both_phases_of_one_view(root):
    stills = list(read_stills(root, ["patient0001"]))
    ed, es = pair_of(stills, "patient0001", View.A2C)
    assert [(s.view, s.phase) for s in (ed, es)] == [(View.A2C, Phase.ED), (View.A2C, Phase.ES)]
    with pytest.raises(DataError, match="patient0001: has no A4C stills of both ED and ES"):
        pair_of(stills[1:], "patient0001", View.A4C)
    clip = ed.clip
    assert clip.frames.shape == (1, *ed.image.shape)
    assert (clip.source, clip.spacing) == ("patient0001", ed.spacing)


def test_a2c_pngs_have_no_scale(root):
    a2c = [s for s in read_stills(root, ["patient0001"]) if s.view is View.A2C]
    assert len(a2c) == 2
    assert all(s.spacing is None for s in a2c)


def test_what_is_missing_is_said(root, tmp_path):
    with pytest.raises(DataError, match=r"subgroup_testing\.txt: the list"):
        read_split(root, "testing")
    with pytest.raises(DataError, match="no CAMUS stills of the 1 patients"):
        list(read_stills(root, ["patient9999"]))
    # One patient missing among others is no error: the owners' collection has gaps.
    assert len(list(read_stills(root, ["patient9999", "patient0001"]))) == 4


def test_a_mask_of_another_size_is_named(tmp_path):
    root = camus_folder.write(tmp_path / "camus", 2)
    path = root / "database_nifti" / "patient0001" / "patient0001_4CH_ED_gt.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((10, 12), np.uint8), np.eye(4)), path)
    with pytest.raises(
        DataError, match=r"4CH_ED_gt\.nii\.gz: the mask is \(10, 12\) pixels, its image \(237, 196\)"
    ):
        list(read_stills(root, ["patient0001"]))


@pytest.mark.realdata
def test_the_real_collection(camus_root):
    patients = read_split(camus_root, "training")
    assert len(patients) == 400
    assert len(read_split(camus_root, "validation")) == 50
    assert not set(patients) & set(read_split(camus_root, "validation"))
    stills = list(read_stills(camus_root, patients[:20]))
    for still in stills:
        assert still.image.shape == still.mask.shape
        assert set(np.unique(still.mask)) <= {0, 1, 2, 3}
    # In every patient the ventricle is larger at ED than at ES: phases are named rightly (patient0185 too).
    for patient in [*patients[:20], "patient0185"]:
        areas = {(s.view, s.phase): (s.mask == 1).sum() for s in read_stills(camus_root, [patient])}
        for view in {v for v, _ in areas}:
            assert areas[view, Phase.ED] > areas[view, Phase.ES]
