"""The real echo that is on every machine where lvef is: a cine in the ``pydicom`` package."""

from __future__ import annotations

from pathlib import Path

from lvef.core.errors import DataError

SAMPLE_FILE = "examples_ybr_color.dcm"
"""An apical four-chamber cine: 30 frames in 1.0 s, no complete beat."""


def sample_cine() -> Path:
    """Where it lies.

    Raises:
        DataError: It is missing from the installed pydicom.
    """
    from pydicom.data import get_testdata_file

    found = get_testdata_file(SAMPLE_FILE, download=False)
    if not isinstance(found, str):
        raise DataError(
            f"{SAMPLE_FILE} is missing from the installed pydicom: run pip install --force-reinstall pydicom."
        )
    return Path(found)
