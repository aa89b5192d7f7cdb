"""``lvef app`` in a process of its own, for the browser tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.io.io_fabrication import PERSON

NAMES = [part for word in PERSON for part in word.split("^")]
"""What no page, file or log may hold."""


@dataclass
class Served:
    """A running page: its address, the folder of its temporary files, what it wrote, its process."""

    address: str
    temporary: Path
    log: Path
    process: subprocess.Popen[str]

    def files(self) -> list[Path]:
        """Files of visitors in the temporary folder."""
        # `rglob` fails where a folder goes meanwhile.
        found = [Path(folder, name) for folder, _, names in os.walk(self.temporary) for name in names]
        return [path for path in found if path.is_file()]

    def contents(self) -> dict[Path, bytes]:
        """What is in these files, those that go meanwhile left out."""
        found = {}
        for path in self.files():
            with suppress(FileNotFoundError):
                found[path] = path.read_bytes()
        return found

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait."""
        self.process.send_signal(number)
        self.process.wait(600)


@contextmanager
def serving(folder: Path, *options: str, port: int = 0) -> Iterator[Served]:
    """``lvef app`` with options; its temporary files go into ``folder/tmp``, its log into ``folder/log``."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    command = [sys.executable, "-m", "lvef.cli.main", "app", "--port", str(port), "--no-open", *options]
    with (
        log.open("a") as errors,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(temporary)},
        ) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), log.read_text()
        served = Served(address, temporary, log, process)
        try:
            yield served
        finally:
            if process.poll() is None:
                served.stop()
