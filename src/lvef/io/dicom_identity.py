"""Whether two DICOM files are of one person and one examination: compared by keyed digests, never shown, logged or kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from lvef.io.dicom_values import quiet_pydicom, text
from lvef.io.formats import HEAD_BYTES, detect_format

_KEY = secrets.token_bytes(32)
"""Of this process alone: a digest tells nothing of whom it stands for."""

_PERSON = ("PatientID", "IssuerOfPatientID")
_PERSON_WITHOUT_ID = ("PatientName", "PatientBirthDate")
_STUDY = ("StudyInstanceUID",)


@dataclass(frozen=True, slots=True)
class DicomIdentity:
    """Digests of what a header says of person and examination, good for comparing within one process.

    Attributes:
        patient: Of the patient's ID, or None where the file has none.
        person: Of name and date of birth, or None where one is missing.
        study: Of the study's UID, or None.
    """

    patient: str | None = field(repr=False)
    person: str | None = field(repr=False)
    study: str | None = field(repr=False)


def read_dicom_identity(path: Path) -> DicomIdentity | None:
    """Read whom and what a DICOM file is of, as digests; None for any other file and for one that cannot be read.

    Args:
        path: Any file.
    """
    try:
        with path.open("rb") as file:
            found = detect_format(file.read(HEAD_BYTES))
        if found is None or found.family != "dicom":
            return None
        with quiet_pydicom():
            tags = [*_PERSON, *_PERSON_WITHOUT_ID, *_STUDY]
            header = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(tags))
            return DicomIdentity(
                _digest(header, _PERSON, needed=1),
                _digest(header, _PERSON_WITHOUT_ID, needed=2),
                _digest(header, _STUDY, needed=1),
            )
    except Exception:  # noqa: BLE001  whatever a broken header raises would quote it; whoever reads the pixels tells what is wrong
        return None


def _digest(header: Dataset, keywords: tuple[str, ...], needed: int) -> str | None:
    """Digest of some elements; None where one of the first ``needed`` is empty."""
    values = [" ".join(text(header, keyword).replace("^", " ").split()) for keyword in keywords]
    if not all(values[:needed]):
        return None
    return hashlib.blake2b("\0".join(values).encode("utf-8", "replace"), key=_KEY).hexdigest()
