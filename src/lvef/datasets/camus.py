"""CAMUS stills: 500 patients of one hospital, A4C and A2C, ED and ES, with expert masks.

Source: S. Leclerc et al., "Deep Learning for Segmentation using an Open Large-Scale Dataset in 2D Echocardiography",
IEEE TMI 38(9), 2198-2210, 2019, doi 10.1109/TMI.2019.2900516. Licence: CC BY-NC-SA 4.0, non-commercial research.

Layout read here: ``database_nifti/patientXXXX/patientXXXX_{2CH,4CH}_{ED,ES}[_gt].nii.gz`` with ``Info_*.cfg``, and
``database_split/subgroup_*.txt``. Where A2C is handed out as 192 x 192 PNG (``a2c_192``) that is read as well.

Known defects: the A2C PNGs have lost scale and aspect ratio. The cfg ``EF`` shares one disk height between the phases and
lies 8.4 points below Simpson on the same masks. The cfg files of patient0185 and patient0217 tell ES before ED (their half
sequences run backwards); the stills are named rightly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError
from lvef.core.records import PixelSpacing
from lvef.core.terms import Phase, View
from lvef.io.images import read_labels, read_still

LICENCE = "CC-BY-NC-SA-4.0"
"""SPDX licence of the collection, and so of networks trained on it."""

CITATION = (
    'S. Leclerc et al., "Deep Learning for Segmentation using an Open Large-Scale Dataset in 2D Echocardiography", '
    "IEEE TMI 38(9), 2198-2210, 2019, doi 10.1109/TMI.2019.2900516"
)
"""How the owners ask to be cited."""

_VIEW_CODE = {View.A4C: "4CH", View.A2C: "2CH"}


@dataclass(frozen=True, slots=True)
class CamusStill:
    """One still with its expert mask.

    Attributes:
        patient: ``patientXXXX``.
        view: A4C or A2C.
        phase: ED or ES.
        picture: ``(height, width)`` uint8.
        mask: ``(height, width)`` uint8 of :class:`lvef.core.terms.Structure`.
        spacing: Millimetres per pixel, None where the scale is lost.
        quality: ``Good``, ``Medium``, ``Poor`` or empty.
        cfg_ef_percent: EF of the cfg file (one disk height for both phases), or None.
    """

    patient: str
    view: View
    phase: Phase
    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    spacing: PixelSpacing | None
    quality: str
    cfg_ef_percent: float | None


def read_split(root: Path, name: str) -> list[str]:
    """Patient names of a subgroup, ``training``, ``validation`` or ``testing``.

    Raises:
        DataError: The list is missing.
    """
    path = root / "database_split" / f"subgroup_{name}.txt"
    if not path.is_file():
        raise DataError(
            f"{path}: the list of CAMUS {name} patients is missing; put the owner's database_split folder there."
        )
    return path.read_text(encoding="utf-8").split()


def read_stills(root: Path, patients: list[str]) -> Iterator[CamusStill]:
    """Every still that is there of the given patients, in their order, A4C first, ED first.

    Args:
        root: Folder that holds ``database_nifti``.
        patients: From :func:`read_split`.

    Raises:
        DataError: None of the patients has a still, or a picture and its mask differ in size.
    """
    found = False
    for patient in patients:
        info = _read_info(root / "database_nifti" / patient)
        for view, code in _VIEW_CODE.items():
            for phase in Phase:
                stem = f"{patient}_{code}_{phase}"
                picture_path = root / "database_nifti" / patient / f"{stem}.nii.gz"
                mask_path = picture_path.with_name(f"{stem}_gt.nii.gz")
                if not picture_path.is_file():
                    picture_path, mask_path = (
                        root / "a2c_192" / f"{stem}.png",
                        root / "a2c_192" / f"{stem}_gt.png",
                    )
                if not (picture_path.is_file() and mask_path.is_file()):
                    continue
                clip, mask = read_still(picture_path), read_labels(mask_path)[0]
                if clip.frames[0].shape != mask.shape:
                    raise DataError(
                        f"{mask_path}: the mask is {mask.shape[::-1]} pixels, its picture {clip.frames[0].shape[::-1]}; "
                        "unpack the collection again."
                    )
                found = True
                ef = info.get("EF")
                yield CamusStill(
                    patient,
                    view,
                    phase,
                    clip.frames[0],
                    mask,
                    clip.spacing,
                    info.get("ImageQuality", ""),
                    float(ef) if ef else None,
                )
    if not found:
        raise DataError(
            f"{root}: no CAMUS stills of the {len(patients)} patients asked for; expected database_nifti in it."
        )


def _read_info(folder: Path) -> dict[str, str]:
    """Keys and values of the patient's cfg, empty when there is none."""
    for name in ("Info_4CH.cfg", "Info_2CH.cfg"):
        path = folder / name
        if path.is_file():
            lines = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
            return {key.strip(): value.strip() for key, _, value in lines if value.strip()}
    return {}
