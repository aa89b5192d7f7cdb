"""A fabricated folder for each reader, by the name of its collection; `tests/contracts/test_readers.py` reads them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.datasets import (
    camus_folder,
    dicom_folder,
    echonet_folder,
    hmc_qu_folder,
    own_folder,
    pediatric_folder,
    tmed2_folder,
)

FABRICATED: dict[str, Callable[[Path], Path]] = {
    "echonet-dynamic": echonet_folder.write,
    "camus": camus_folder.write_nifti,
    "echonet-pediatric": pediatric_folder.write,
    "hmc-qu": hmc_qu_folder.write,
    "tmed-2": tmed2_folder.write,
    "folder": own_folder.write,
    "dicom": dicom_folder.write,
}
"""Name -> a function that writes into an empty folder and gives the root to import."""


def fabricate(name: str, folder: Path) -> Path:
    """Write a collection into a new folder; gives the root to import."""
    folder.mkdir()
    return FABRICATED[name](folder)
