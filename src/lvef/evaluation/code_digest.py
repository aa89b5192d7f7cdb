"""What a judged answer depends on beside its file: the network, and the code itself."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import lvef
from lvef.evaluation.records import UsedWeights

MEASURING = ("core", "geometry", "io", "transforms", "inference", "measure")
"""Parts of this package whose change voids what an earlier run found."""


def settings_key(weights: UsedWeights | None, *judging: str) -> str:
    """Changes when the network, its engine, the measuring code or the code that judges does.

    Args:
        weights: The network as it was used, or None.
        judging: Folders or files of this package that judge, beside `MEASURING`.
    """
    network = None if weights is None else (weights.sha256, weights.backend, weights.precision)
    digest = _code_digest((*MEASURING, *judging))
    return hashlib.sha256(json.dumps([digest, network]).encode()).hexdigest()[:16]


@cache
def _code_digest(parts: tuple[str, ...]) -> str:
    """Hash of sources: the version alone would show whoever works on the measuring what it found before the change."""
    digest = hashlib.sha256()
    root = Path(lvef.__file__).parent
    for part in parts:
        path = root / part
        for source in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()
