"""What a collection is, and what comes out of reading it. Every reader in `lvef.datasets.readers` gives one `Collection`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lvef.datasets.findings import Finding


@dataclass(frozen=True, slots=True)
class Imported:
    """A collection as a manifest, and everything that did not go as expected on the way.

    Attributes:
        manifest: Rows by `lvef.datasets.schema`.
        findings: Worst first.
    """

    manifest: pl.DataFrame
    findings: tuple[Finding, ...]


Progress = Callable[[int, int], None]
"""Called with items done and items in all."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection that can be imported.

    Attributes:
        name: Short name on the command line, for example ``echonet-dynamic``.
        title: Its full name and its owners.
        holds: What is in it, with true numbers, in a sentence or two.
        where: Where to ask for it: the owners' page.
        terms: Terms of use in a sentence; who must be asked.
        licence: The same in a few words, for each row of the manifest.
        citation: How its owners ask to be cited.
        size: About how large the download and the unpacked folder are.
        layout: The folder that arrives, as an indented tree; what `read` expects under ROOT.
        has_ef: Whether it carries an EF. Where not, commands that need EF say so in these words.
        known_defects: Errors and oddities of the collection that users should know.
        read: Reads the folder. Raises `DataError` where the root is not this collection; anything less becomes a finding.
    """

    name: str
    title: str
    holds: str
    where: str
    terms: str
    licence: str
    citation: str
    size: str
    layout: str
    has_ef: bool
    known_defects: tuple[str, ...]
    read: Callable[[Path, Progress | None], Imported]
