"""Whether a manifest can be relied on: its labels, the headers of its files, and with decoding every picture in them.

What is found is named, counted and told with its mend; nothing is changed and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from lvef.datasets.check_decode import Decode, check_decoded
from lvef.datasets.check_files import check_files
from lvef.datasets.check_labels import check_labels
from lvef.datasets.check_tracings import check_tracings
from lvef.datasets.findings import Finding, Findings, Severity
from lvef.datasets.registry import Progress


def check_manifest(
    manifest: pl.DataFrame,
    *,
    decode: Decode | None = None,
    progress: Progress | None = None,
    has_ef: Callable[[str], bool | None] | None = None,
) -> tuple[Finding, ...]:
    """Check a manifest against itself and against its files.

    Args:
        manifest: Rows by `lvef.datasets.schema`.
        decode: Decodes the picture of one row, `lvef.datasets.check_decode.decode_row`; None reads headers only.
        progress: Called with items done and items in all: rows for the headers, and as many again for decoding.
        has_ef: Whether a collection carries an EF, None where that is not known; left out, the rows themselves tell.

    Returns:
        Findings, worst first. Without an error among them the manifest can be used as it is.
    """
    findings = Findings()
    if manifest.is_empty():
        findings.add(
            "empty",
            Severity.ERROR,
            "The manifest has no rows.",
            "Import the collection again and look at what lvef data import says.",
            "manifest",
        )
        return findings.sorted()
    check_labels(manifest, findings, has_ef)
    total = len(manifest) * (1 if decode is None else 2)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, total)

    readable = check_files(manifest, findings, report)
    check_tracings(manifest, findings)
    if decode is not None:
        check_decoded(manifest, readable, decode, findings, lambda done: report(len(manifest) + done))
    return findings.sorted()
