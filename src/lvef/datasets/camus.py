"""CAMUS: its lists, cfg files and stills, for the reader, training and evaluation.

500 patients of one hospital, A4C and A2C, ED and ES, with expert masks. Layout and known defects stand in
`lvef.datasets.readers.camus`; stills are read of the NIfTI release, A2C also as 192 x 192 PNG (``a2c_192``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError, reading
from lvef.core.records import Clip, PixelSpacing
from lvef.core.terms import Phase, View
from lvef.io.isolation import read_labels, read_still

LICENCE = "CC-BY-NC-SA-4.0"
"""SPDX licence of the dataset, and so of models trained on it."""

CITATION = (
    'S. Leclerc et al., "Deep Learning for Segmentation using an Open Large-Scale Dataset in 2D Echocardiography", '
    "IEEE TMI 38(9), 2198-2210, 2019, doi 10.1109/TMI.2019.2900516"
)
"""How the owners ask to be cited."""

VIEW_CODES = {View.A4C: "4CH", View.A2C: "2CH"}
"""The owners' name of each view, in the order in which stills are read."""

SUBGROUPS = ("training", "validation", "testing")
"""The splits of the dataset, each with its list in ``database_split``."""

VIEW_KEYS = ("ED", "ES", "NbFrame", "FrameRate")
"""Keys of a cfg file that hold for its view alone; the others hold for the patient."""


@dataclass(frozen=True, slots=True)
class CamusStill:
    """One still with its expert mask.

    Attributes:
        patient: ``patientXXXX``.
        view: A4C or A2C.
        phase: ED or ES.
        image: ``(height, width)`` uint8.
        mask: ``(height, width)`` uint8 of :class:`lvef.core.terms.Structure`.
        spacing: Millimetres per pixel, None where the scale is lost.
        quality: ``Good``, ``Medium``, ``Poor`` or empty.
        cfg_ef_percent: EF of the cfg file (one disk height for both phases), or None.
    """

    patient: str
    view: View
    phase: Phase
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    spacing: PixelSpacing | None
    quality: str
    cfg_ef_percent: float | None

    @property
    def clip(self) -> Clip:
        """The image as a clip of one frame."""
        return Clip(self.image[None], np.zeros(1), "still", self.patient, self.spacing)


@dataclass(frozen=True, slots=True)
class StillFiles:
    """Files of one still and its expert mask, of the dataset in ``root``."""

    root: Path
    patient: str
    view: View
    phase: Phase
    image: Path
    mask: Path

    def read(self) -> CamusStill:
        """Image and mask.

        Raises:
            DataError: They differ in size.
        """
        clip, mask = read_still(self.image), read_labels(self.mask)[0]
        image = clip.frames[0]
        if image.shape != mask.shape:
            raise DataError(
                f"{self.mask}: the mask is {mask.shape[::-1]} pixels, its image {image.shape[::-1]}; unpack the "
                "dataset again."
            )
        info = read_info(self.root / "database_nifti" / self.patient, self.view)
        quality, ef = info.get("ImageQuality", ""), info.get("EF")
        known = (clip.scale, quality, float(ef) if ef else None)
        return CamusStill(self.patient, self.view, self.phase, image, mask, *known)


def read_split(root: Path, name: str) -> list[str]:
    """Patient names of a subgroup, ``training``, ``validation`` or ``testing``.

    Raises:
        DataError: The list is missing or is no text.
    """
    path = split_path(root, name)
    if not path.is_file():
        raise DataError(
            f"{path}: the list of CAMUS {name} patients is missing; put the owner's database_split folder there."
        )
    with reading(path, "put the owner's database_split folder there"):
        return path.read_text(encoding="utf-8").split()


def read_names(path: Path) -> list[str]:
    """Patient names from a file of a user, one a line, without duplicates.

    Raises:
        DataError: The file cannot be read or is empty.
    """
    with reading(path, "a file with patient names, one a line, was expected"):
        names = path.read_text(encoding="utf-8").split()
    if not names:
        raise DataError(
            f"{path} is empty and holds no patient name; patient names, one a line, were expected."
        )
    return list(dict.fromkeys(names))


def split_path(root: Path, name: str) -> Path:
    """Where the list of a subgroup lies."""
    return root / "database_split" / f"subgroup_{name}.txt"


def read_cfg(path: Path) -> dict[str, str]:
    """Keys and values of an ``Info_*.cfg`` file of either release; those without a value are left out.

    Returns:
        Empty when there is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in lines if value.strip()}


def read_info(folder: Path, view: View) -> dict[str, str]:
    """Keys and values of a patient's cfg files that hold for a view.

    Where the view has no cfg, those of the other one are taken, without `VIEW_KEYS`.

    Args:
        folder: The patient's folder.
        view: A4C or A2C.
    """
    info: dict[str, str] = {}
    for other, code in VIEW_CODES.items():
        if other is not view:
            info |= read_cfg(folder / f"Info_{code}.cfg")
    own = read_cfg(folder / f"Info_{VIEW_CODES[view]}.cfg")
    return {k: v for k, v in info.items() if k not in VIEW_KEYS} | own


def find_stills(root: Path, patients: Sequence[str]) -> list[StillFiles]:
    """Every still that is there with its mask, of the given patients, in their order, A4C first, ED first.

    Args:
        root: Folder that holds ``database_nifti``.
        patients: From :func:`read_split`.

    Raises:
        DataError: None of the patients has a still.
    """
    found = []
    for patient in patients:
        for view, code in VIEW_CODES.items():
            for phase in Phase:
                stem = f"{patient}_{code}_{phase}"
                for folder, suffix in (
                    (root / "database_nifti" / patient, ".nii.gz"),
                    (root / "a2c_192", ".png"),
                ):
                    image = folder / f"{stem}{suffix}"
                    if image.is_file():
                        mask = folder / f"{stem}_gt{suffix}"
                        if mask.is_file():
                            found.append(StillFiles(root, patient, view, phase, image, mask))
                        break
    if not found:
        raise DataError(
            f"{root}: no CAMUS stills of the {len(patients)} patients asked for; expected database_nifti in it."
        )
    return found


def read_stills(root: Path, patients: Sequence[str]) -> Iterator[CamusStill]:
    """The stills of `find_stills`, one after the other.

    Raises:
        DataError: None of the patients has a still, or an image and its mask differ in size.
    """
    return map(StillFiles.read, find_stills(root, patients))


def pair_of(stills: Iterable[CamusStill], patient: str, view: View) -> tuple[CamusStill, CamusStill]:
    """ED and ES still of a view.

    Args:
        stills: From `read_stills`, of the patient alone.
        patient: Name, for the message.
        view: A4C or A2C.

    Raises:
        DataError: One of them is missing.
    """
    found = {still.phase: still for still in stills if still.view == view}
    if len(found) < len(Phase):
        raise DataError(f"{patient}: has no {view} stills of both ED and ES.")
    return found[Phase.ED], found[Phase.ES]
