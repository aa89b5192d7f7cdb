"""Settings of the service, with their defaults."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from lvef.core.errors import ConfigError, reading
from lvef.io.limits import MAX_FRAMES
from lvef.measure.options import MeasureOptions
from lvef.measure.thresholds import Thresholds

KEY_VARIABLE = "LVEF_API_KEY"
"""Environment variable that holds the API key."""

MIN_KEY_LENGTH = 16
"""Fewest letters of an API key: anyone who can reach the service can guess."""

MAX_WORKERS = 4
"""Most worker processes by default: each holds a model and a clip (0.4 GB or more)."""

MB = 2**20
"""Bytes of a megabyte."""


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of one running service."""

    host: str = "127.0.0.1"
    """Address to listen on; an API key is needed for any but this machine's own."""
    port: int = 8000
    """Port; 0 takes any that is free."""
    workers: int = 0
    """Files measured at once, each in a process of its own; 0 means one per core, at most 4."""
    threads: int = 0
    """Threads of each worker's engine; 0 divides the cores among the workers."""
    weights: str = MeasureOptions.weights
    """Model that measures where a request names none."""
    precision: str = MeasureOptions.precision
    """Arithmetic: auto, f32 or bf16."""
    thresholds: Thresholds = MeasureOptions.thresholds
    """TOML file with thresholds of the decision (accepted, caution, refused) that differ from the defaults."""
    max_upload_mb: int = 512
    """Largest request, all its files together."""
    max_files: int = 20
    """Most files of one request."""
    max_queue: int = 64
    """Most files that wait; further ones are refused with a time to try again."""
    max_seconds: int = 120
    """Longest time for one file; then its process is ended."""
    max_frames: int = MAX_FRAMES
    """Longest clip that is read."""
    max_memory_mb: int = 4096
    """Memory that measuring a file may take, beyond the loaded model; 0 sets no limit."""
    max_store_mb: int = 2048
    """Space for kept results; when it is full, the oldest images are deleted first, then the oldest results."""
    keep_hours: float = 24.0
    """How long results are kept; 0 keeps them in memory alone, until they are fetched."""
    grace_seconds: int = 20
    """Time that running files get to finish when the service stops."""
    data: Path | None = None
    """Folder for uploads and results; by default a private one in this user's home."""
    api_key: str = field(default="", repr=False)
    """The key that requests must have; empty for none."""
    allow_host: tuple[str, ...] = ()
    """Further host names of the service; * for any."""
    allow_origin: tuple[str, ...] = ()
    """Web pages of other origins that may use the service, as https://name."""
    root_path: str = ""
    """Path prefix of the service behind a proxy."""

    @property
    def n_workers(self) -> int:
        """Worker processes: one per core, because reading and drawing take one core each."""
        return self.workers or min(_threads(), MAX_WORKERS)

    @property
    def n_threads(self) -> int:
        """Threads of each worker's engine."""
        return self.threads or max(1, _threads() // self.n_workers)

    @property
    def measure_options(self) -> MeasureOptions:
        """The options of a measurement as far as no request states others."""
        return MeasureOptions(
            weights=self.weights,
            precision=self.precision,
            threads=self.n_threads,
            max_frames=self.max_frames,
            thresholds=self.thresholds,
        )

    @property
    def folder(self) -> Path:
        """Folder of uploads and results."""
        return self.data or default_folder()

    @property
    def max_upload_bytes(self) -> int:
        """Largest request in bytes."""
        return self.max_upload_mb * MB


def _threads() -> int:
    # Imported here: the command line reads these settings for its help, which must be fast.
    from lvef.inference.session import available_threads

    return available_threads()


def default_folder() -> Path:
    """The system's folder for the state of this user's programs."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "lvef" / "service"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "lvef" / "service"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "lvef" / "service"


def validate_api_key(key: str, where: str) -> str:
    """Check an API key.

    Args:
        key: As read, perhaps with a line break at its end.
        where: Its source, for messages.

    Raises:
        ConfigError: It is too short, or cannot stand in a header.
    """
    key = key.strip()
    if len(key) < MIN_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"{where} holds no key: {MIN_KEY_LENGTH} plain letters or more without a space were expected; "
            "`openssl rand -hex 24` makes one."
        )
    return key


def read_api_key_file(path: Path) -> str:
    """The API key in a file.

    Raises:
        ConfigError: It cannot be read or holds none.
    """
    with reading(path, "a file with an API key was expected", ConfigError):
        text = path.read_text(encoding="utf-8")
    return validate_api_key(text, str(path))
