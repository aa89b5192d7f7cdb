"""The service of a trial: the real one, with workers that take the EF from the file instead of measuring it.

As in the command ``lvef serve``, workers load what is large only when they are made: this script is read by each of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lvef.service.settings import ServiceSettings


def make_worker(settings: ServiceSettings) -> object:
    """The worker, with its modules loaded."""
    from tests.faults.service_worker import NumberWorker

    return NumberWorker(settings)


if __name__ == "__main__":
    from lvef.service.server import run_service

    run_service(
        ServiceSettings(port=0, workers=2, threads=1, data=Path(sys.argv[1]), grace_seconds=1),
        announce=lambda url: print(url, flush=True),
        worker_factory=make_worker,
    )
