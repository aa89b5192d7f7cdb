"""Tracings of CAMUS expert masks: all can be traced, and the EFs agree with what is known of them."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lvef.core.records import PixelSpacing
from lvef.geometry.contour import field_of_mask
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import (
    area_length,
    area_of_tracing,
    axis_length,
    chord_lengths,
    volume_of_tracing,
)
from lvef.geometry.tracing import trace, trace_labels

ROOT = Path(__file__).resolve().parents[3] / "shared" / "data" / "camus" / "database_nifti"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not ROOT.is_dir(), reason=f"CAMUS is not at {ROOT}"),
]


@pytest.fixture(scope="module")
def patients():
    found = {}
    for folder in sorted(ROOT.glob("patient*")):
        if not (folder / f"{folder.name}_4CH_ED_gt.nii.gz").exists():  # patient0039 has no A4C here
            continue
        masks = [
            np.asarray(nib.load(folder / f"{folder.name}_4CH_{phase}_gt.nii.gz").dataobj).T.astype(np.uint8)
            for phase in ("ED", "ES")
        ]
        lines = (folder / "Info_2CH.cfg").read_text().splitlines()
        info = dict(line.split(": ") for line in lines if ": " in line)
        found[folder.name] = (masks, [trace_labels(mask) for mask in masks], float(info["EF"]))
    return found


def test_every_mask_is_traced_the_right_way_round(patients):
    assert len(patients) == 449
    for name, (masks, tracings, _) in patients.items():
        for mask, tracing in zip(masks, tracings, strict=True):
            y, x = np.nonzero(mask == 3)
            atrium = np.array([x.mean(), y.mean()])
            axis = tracing.base - tracing.apex
            hinges = tracing.mitral[1] - tracing.mitral[0]
            to_atrium = atrium - tracing.base
            assert np.hypot(*(tracing.base - atrium)) < np.hypot(*(tracing.apex - atrium)), name
            assert axis @ to_atrium > 0, name
            across = abs(hinges @ axis) / np.hypot(*hinges) / np.hypot(*axis)
            assert across < np.sin(np.radians(40)), name
            # the rasterised mask itself is the second opinion on the area
            assert area_of_tracing(tracing) == pytest.approx((mask == 1).sum(), rel=0.02), name


def test_ef_and_volumes_agree_with_what_is_known(patients):
    spacing = PixelSpacing(0.769, 0.769, "test")
    rows = []
    for name, (_, (ed, es), reference) in patients.items():
        if name in ("patient0185", "patient0217"):  # ED and ES swapped by the owners
            continue
        disks = ejection_fraction(volume_of_tracing(ed), volume_of_tracing(es))
        by_area = ejection_fraction(*(area_length(area_of_tracing(t), axis_length(t)) for t in (ed, es)))
        rows.append((disks, by_area, reference, volume_of_tracing(ed, spacing)))
    disks, by_area, reference, edv = np.array(rows).T
    assert np.corrcoef(disks, reference)[0, 1] > 0.85
    assert 3 < np.mean(disks - reference) < 9  # the cfg EF uses one disk height for both phases
    assert np.mean(np.abs(by_area - disks)) < 1.2
    assert 80 < np.mean(edv) < 115


def test_shape_alone_gives_nearly_the_same_ef(patients):
    differences = []
    for masks, (ed, es), _ in list(patients.values())[::4]:
        alone = [trace(field_of_mask(mask == 1)) for mask in masks]
        differences.append(
            ejection_fraction(*map(volume_of_tracing, alone))
            - ejection_fraction(volume_of_tracing(ed), volume_of_tracing(es))
        )
    assert np.abs(differences).max() < 3


def test_chords_shorten_towards_the_apex(patients):
    for name, (_, tracings, _) in patients.items():
        for tracing in tracings:
            widths = chord_lengths(tracing)
            assert widths[0] < 0.75 * widths.max(), name
