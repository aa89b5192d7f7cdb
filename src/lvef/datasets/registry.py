"""What a dataset reader is, and every reader by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lvef.core.errors import ConfigError, did_you_mean
from lvef.datasets.findings import Finding, Findings
from lvef.datasets.manifest import make_manifest


@dataclass(frozen=True, slots=True)
class ImportResult:
    """A dataset as a manifest, and everything that was not as expected.

    Attributes:
        manifest: Rows by `lvef.datasets.manifest`.
        findings: Worst first.
    """

    manifest: pl.DataFrame
    findings: tuple[Finding, ...]


Progress = Callable[[int, int], None]
"""Called with items done and items in all."""


def no_progress(done: int, total: int) -> None:
    """For readers that are called without a `Progress`."""


@dataclass(frozen=True, slots=True)
class DatasetReader:
    """A dataset that can be imported. Every module in `lvef.datasets.readers` has one, called ``READER``.

    Attributes:
        name: Short name on the command line, for example ``echonet-dynamic``.
        title: Its full name and its owners.
        holds: What is in it, with exact numbers, in a sentence or two.
        where: Where to ask for it: the owners' page.
        terms: Terms of use in a sentence; who must be asked.
        licence: The same in a few words, for each row of the manifest.
        citation: How its owners ask to be cited.
        size: About how large the download and the unpacked folder are.
        layout: The folder that is handed out, as an indented tree; what `read` expects under ROOT.
        has_ef: Whether it carries an EF.
        known_defects: Errors and oddities of the dataset that users should know.
        read: Reads the folder. Raises `DataError` where the root is not this dataset; anything less becomes a finding.
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
    read: Callable[[Path, Progress | None], ImportResult]

    def result(self, rows: Iterable[Mapping[str, Any]], findings: Findings, where: str) -> ImportResult:
        """The manifest of rows, each with the dataset's name and licence, and what was found.

        Args:
            rows: Values by column name.
            findings: What was not as expected.
            where: What to call the dataset in messages.

        Raises:
            DataError: A value that the columns do not allow.
        """
        own = {"collection": self.name, "licence": self.licence}
        return ImportResult(make_manifest((own | dict(row) for row in rows), where), findings.sorted())


READERS = {
    "echonet-dynamic": "echonet_dynamic",
    "camus": "camus",
    "echonet-pediatric": "echonet_pediatric",
    "hmc-qu": "hmc_qu",
    "tmed-2": "tmed2",
    "folder": "folder",
    "dicom": "dicom_studies",
}
"""Name on the command line -> module in `lvef.datasets.readers`, loaded when it is asked for."""


def find_reader(name: str) -> DatasetReader:
    """The reader of the dataset of that name.

    Raises:
        ConfigError: There is none; the message lists those there are.
    """
    module = READERS.get(name.lower().replace("_", "-"))
    if module is None:
        hint = did_you_mean(name, READERS)
        known = f"{' Known' if hint else '; known'} are {', '.join(READERS)}."
        raise ConfigError(f"no dataset is called {name!r}{hint}{known}")
    found: DatasetReader = importlib.import_module(f"lvef.datasets.readers.{module}").READER
    return found
