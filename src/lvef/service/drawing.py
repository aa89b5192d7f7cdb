"""Pictures, films and reports of a kept result, drawn when somebody asks for them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lvef.measure.results import Result
from lvef.report.outputs import OVERLAY_NAME, SUMMARY_NAME

REPORT_PDF, REPORT_HTML = "report.pdf", "report.html"
"""Names of the reports."""


def drawn(name: str, answer: Result) -> bytes | None:
    """Draw one file of a result.

    Args:
        name: ``overlay.mp4``, ``summary.png``, ``report.pdf`` or ``report.html``, of a study's view with the view before it.
        answer: The result, with clips that show the fan alone.

    Returns:
        Its bytes, or None where there is nothing to draw.
    """
    part, _, file = name.rpartition("/")
    if file in (REPORT_PDF, REPORT_HTML):
        from lvef.report.documents import report_html, report_pdf

        return report_pdf(answer) if file == REPORT_PDF else report_html(answer).encode()
    if part and part not in answer.parts:
        return None
    measurement, clip = answer.parts[part] if part else (answer.measurement, answer.clip)
    if clip is None:
        return None
    if file == SUMMARY_NAME:
        from lvef.report.summary import summary_png

        return summary_png(clip, measurement)
    from lvef.report.overlay import write_overlay

    with tempfile.TemporaryDirectory(prefix="lvef-") as folder:
        path = Path(folder) / OVERLAY_NAME
        return path.read_bytes() if write_overlay(path, clip, measurement) else None
