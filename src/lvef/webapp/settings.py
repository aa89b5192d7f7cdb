"""What ``lvef app`` was told, for the pages to read: one process serves one page."""

from __future__ import annotations

from dataclasses import dataclass

from lvef.measure.options import MeasureOptions

MAX_UPLOAD_MB = 200
"""Largest upload where nobody says otherwise: a minute of a scanner's DICOM in colour."""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """How the page is served.

    Attributes:
        host: Address to listen on; only this machine reaches 127.0.0.1.
        port: Port to listen on.
        max_upload_mb: Largest file that is taken, in MB.
        weights: Network that measures unless the visitor chooses another.
        open_browser: Open the page in this machine's browser.
        base_path: Path below which the page lies behind a proxy, without slashes at its ends.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    max_upload_mb: int = MAX_UPLOAD_MB
    weights: str = MeasureOptions.weights
    open_browser: bool = False
    base_path: str = ""


_current = AppSettings()


def current() -> AppSettings:
    """The settings in force."""
    return _current


def use(settings: AppSettings) -> None:
    """Put settings in force."""
    global _current
    _current = settings
