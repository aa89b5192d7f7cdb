"""The service of a trial: the real one, with workers that take the EF from the file instead of measuring it."""

from __future__ import annotations

import sys
from pathlib import Path

from lvef.service.server import run_service
from lvef.service.settings import ServiceSettings
from tests.faults.service_worker import NumberWorker

if __name__ == "__main__":
    run_service(
        ServiceSettings(port=0, workers=2, threads=1, data=Path(sys.argv[1]), grace_seconds=1),
        announce=lambda url: print(url, flush=True),
        worker_factory=NumberWorker,
    )
