"""Settings of ``lvef app``, for its pages: a process serves one app."""

from __future__ import annotations

from dataclasses import dataclass

from lvef.measure.options import MeasureOptions

MAX_UPLOAD_MB = 200
"""Largest upload by default: a minute of a scanner's DICOM in colour."""

SESSION_TIMEOUT_S = 60.0
"""A tab that is away longer than this (a tablet that sleeps, a network that drops) counts as closed."""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """How the page is served."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in."""
    port: int = 8501
    """Port to listen on; 0 takes any that is free."""
    max_upload_mb: int = MAX_UPLOAD_MB
    """Largest file that is taken, in MB."""
    weights: str = MeasureOptions.weights
    """Network that measures unless the visitor chooses another; see lvef info."""
    base_path: str = ""
    """Path below which the page lies behind a proxy, without slashes at its ends."""
    open_browser: bool = False
    """Open the page in this machine's browser."""


_current = AppSettings()


def current() -> AppSettings:
    """The settings in force."""
    return _current


def use(settings: AppSettings) -> None:
    """Put settings in force."""
    global _current
    _current = settings
