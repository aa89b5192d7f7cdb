"""Pseudonyms in place of what DICOM says of a person: the same for the same person everywhere, and nothing to read from.

They are hashes without a secret: anyone with the list of Patient IDs can find the one that a pseudonym stands for.
"""

from __future__ import annotations

import hashlib

KEY_LENGTH = 12
"""Hex digits of a pseudonym: 48 bits, so that two of 10,000 patients share one with a chance of 2 in 10 million."""


def pseudonym(patient_id: str, issuer: str = "") -> str:
    """Pseudonym of a patient, `KEY_LENGTH` hexadecimal digits; blanks around and case do not matter.

    Args:
        patient_id: Patient ID (0010,0020).
        issuer: Issuer of Patient ID (0010,0021).

    Example:
        >>> pseudonym("4711 ", "clinic") == pseudonym("4711", "CLINIC") != pseudonym("4711")
        True
    """
    return short_hash(f"{patient_id.strip().upper()}\n{issuer.strip().upper()}")


def short_hash(value: str) -> str:
    """First `KEY_LENGTH` hex digits of the SHA-256 of a text."""
    return hashlib.sha256(value.encode("utf-8")).hexdigest()[:KEY_LENGTH]
