"""Settings of ``lvef app``."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lvef.measure.options import MeasureOptions
from lvef.service.settings import MB, ServiceSettings

MAX_UPLOAD_MB = 200
"""Largest upload by default: a minute of a scanner's DICOM in colour."""

ALL_INTERFACES = ("0.0.0.0", "::", "")
"""Addresses that mean all interfaces of this machine."""

MAX_QUEUE = 1000
"""Most files of all visitors that wait."""

MAX_SECONDS = 600
"""Longest time for one measurement."""

GRACE_SECONDS = 3
"""Time that running measurements get to finish when the page is stopped; the page offers to measure them again."""

MAX_WORKERS = 4
"""Most clips that are measured at once: each takes 0.4 GB or more."""

MAX_STORE_MB, MIN_STORE_MB = 2048, 64
"""Most space for results, and what they get where the disk is almost full."""

STORE_PART = 0.25
"""Part of the free space on the disk that results may take."""


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
    """Model that measures unless the visitor chooses another; see lvef info."""
    base_path: str = ""
    """Path below which the page lies behind a proxy, without slashes at its ends."""
    data: Path | None = None
    """Folder that keeps files, results and corrections when the page is stopped; without it they go with the page."""
    keep_hours: float = 24.0
    """How long files, results and corrections are kept, at most."""
    open_browser: bool = False
    """Open the page in this machine's browser."""

    @property
    def root_path(self) -> str:
        """The path prefix with a slash in front, empty without one."""
        path = self.base_path.strip("/")
        return f"/{path}" if path else ""

    def service(self, folder: Path) -> ServiceSettings:
        """The settings of the jobs behind the page.

        Args:
            folder: Where uploads and results are kept.
        """
        from lvef.inference.session import available_threads

        cores = available_threads()
        return ServiceSettings(
            host=self.host,
            port=self.port,
            # A second clip is measured, or a report drawn, while the first one runs; one alone has all cores.
            workers=min(max(2, cores // 4), MAX_WORKERS),
            threads=cores,
            weights=self.weights,
            max_upload_mb=self.max_upload_mb,
            max_queue=MAX_QUEUE,
            max_seconds=MAX_SECONDS,
            grace_seconds=GRACE_SECONDS,
            max_store_mb=_store_mb(folder),
            keep_hours=self.keep_hours,
            data=folder,
            # Another name for this machine in the address bar is an attack (DNS rebinding), unless others may come in.
            allow_host=("*",) if self.host in ALL_INTERFACES else (self.host,),
            root_path=self.root_path,
        )


def _store_mb(folder: Path) -> int:
    """Space for results: containers often have a small disk, in memory."""
    free_mb = shutil.disk_usage(folder).free / MB
    return int(min(MAX_STORE_MB, max(MIN_STORE_MB, STORE_PART * free_mb)))
